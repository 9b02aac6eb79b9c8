"""A search that is kept in a run's folder, and the subnets that it knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.cli.interruption import Interruption
from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.executors import (
    IN_PROCESS,
    Executor,
    ExecutorOptions,
    make_executor,
    require_executor,
)
from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.recipe.fidelity import Value
from autospikformer_cli.report.provenance import selection_notes
from autospikformer_cli.runs.assembly import TrainedRun, versions, workload_of
from autospikformer_cli.runs.results import counts_of, recipe_problem
from autospikformer_cli.runs.searching.archive import Conditions, file_and_id, known_measurements
from autospikformer_cli.runs.searching.recording import Display, Record
from autospikformer_cli.runs.searching.search_files import SearchFiles
from autospikformer_cli.search.algorithm import Algorithm, make_algorithm
from autospikformer_cli.search.limits import Refusals, none_drawn, none_feasible
from autospikformer_cli.search.loop import run_search
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.space import Subnet
from autospikformer_cli.store import population as stored
from autospikformer_cli.store.population import Population, Provenance, load_population, read_search, searches
from autospikformer_cli.store.supernet import weights_hash

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet

BASELINE_ID = "baseline"
NAMED_BY_THE_SPACE = ("largest", "smallest", "baseline")
"""What --subnet takes beside what a search has found."""


def provenance(run: TrainedRun, images: ImageSet) -> Provenance:
    """How the run's subnets are measured on some images."""
    import torch

    recalibrated = run.recipe.model.batchnorm == "recalibrate"
    return Provenance(
        split=images.split,
        split_hash=images.hash,
        images=len(images),
        calibration_hash=run.calibration.hash if recalibrated else "",
        calibration_images=len(run.calibration) if recalibrated else 0,
        batchnorm=run.recipe.model.batchnorm,
        fidelity=run.recipe.fidelity,
        weights_hash=weights_hash(run.weights),
        precision=run.session.precision,
        device=run.session.device,
        epochs=run.epochs,
        frames=run.description.num_frames or 0,
        engine=run.engine.name,
        switches=run.recipe.resolved_switches(),
        computed_with=versions() | ({"threads": str(torch.get_num_threads())} if run.engine.batch_matters else {}),
    )


@dataclass(frozen=True)
class SearchRun:
    """One search in one run's folder. executor: where subnets are measured, by name, with its options."""

    run: TrainedRun
    executor: str = IN_PROCESS
    options: ExecutorOptions = field(default_factory=ExecutorOptions)

    def search(self, fresh: bool = False) -> Population:
        """Search to the end, on from where this search stopped; what the run's searches measured is not done again.

        fresh: search anew, and measure everything anew. The search before, if it is another or fresh is asked for, is
        kept beside. Raises UserError for what would be measured otherwise, and where no subnet keeps to the limits, of
        which what was measured is kept; KeyboardInterrupt when stopped.
        """
        recipe, session = self.run.recipe, self.run.session
        require_executor(self.executor)
        session.torch_device()
        self._say_what_to_know()
        images = self.run.images(recipe.search.split, recipe.search.images)
        measured_as = provenance(self.run, images)
        files = SearchFiles(self.run.path, recipe, measured_as, session)
        name = None if fresh else files.of_this_search()
        begun = None if name is None else load_population(self.run.path, name)
        if begun is not None and begun.state["finished"]:
            files.bring_forward(name)
            require_feasible(recipe_problem(recipe), begun)
            return begun
        if begun is not None:
            _require_same_versions(self.run.path, begun.provenance, measured_as)
        problem = recipe_problem(recipe)
        archive = begun.candidates if begun else ()
        algorithm = make_algorithm(recipe.search, problem, recipe.seed, begun.state if begun else None, archive)
        if not algorithm.ask() and not archive and algorithm.refusals.by_limit:
            raise none_drawn(algorithm.refusals)
        executor = make_executor(self.executor, workload_of(self.run, images), self.options)
        fresh = fresh or bool(begun and begun.state.get("fresh"))
        conditions = Conditions.of(measured_as, recipe)
        known = {} if fresh else known_measurements(self.run.path, conditions, recipe.model.network, session)
        with executor:
            baseline = begun.baseline if begun else None
            if baseline is None:
                baseline = self._baseline(executor, known)
            known = {**known, baseline.subnet: baseline.measurement}
            empty = Population(recipe.name, recipe.to_toml(), measured_as, (), baseline, {"fresh": fresh})
            files.bring_forward(name)  # not before something has been measured: the search before stays the present one
            population = self._search(algorithm, problem, executor, images, empty, begun, known)
        require_feasible(problem, population)
        return population

    def _say_what_to_know(self) -> None:
        recipe, session = self.run.recipe, self.run.session
        if not self.run.finished:
            session.remark(f"the supernet has been trained for {self.run.epochs} of {recipe.train.epochs} epochs")
        if recipe.model.network == "transformer":
            session.remark("the ANN has no neurons: threshold, tau and time_step change nothing")
        for note in selection_notes(recipe.search.split):
            session.remark(note)

    def _baseline(self, executor: Executor, known: Mapping[Subnet, Measurement]) -> Candidate:
        """What the front is compared with."""
        subnet = self.run.recipe.baseline()
        measured = known.get(subnet) or next(iter(executor.measure([subnet])))[subnet]
        return Candidate(BASELINE_ID, subnet, 0, measured)

    def _search(
        self, algorithm: Algorithm, problem: Problem, executor: Executor, images: ImageSet, empty: Population,
        begun: Population | None, known: Mapping[Subnet, Measurement],
    ) -> Population:  # fmt: skip
        archive: Sequence[Candidate] = begun.candidates if begun else ()
        session, recipe = self.run.session, self.run.recipe
        session.remark(f"measuring {algorithm.total} subnets on {len(images)} {images.split} images each")
        with (
            Interruption(session.remark) as interruption,
            session.progress("searching", algorithm.total, start=len(archive)) as progress,
        ):

            def measure(subnets: Sequence[Subnet]) -> Iterator[Mapping[Subnet, Measurement]]:
                for part in executor.measure(subnets):
                    display.advance(len(part))
                    yield part

            display = Display(progress, algorithm, recipe.search.generations, images.split, len(archive))
            record = Record(self.run.path, empty, algorithm, problem, display, begun, energy_rules(recipe))
            with record:
                record.save(archive)
                finished = run_search(algorithm, archive, known, measure, record.save, lambda: interruption.requested)
                if finished:
                    record.finish()
        if not finished:
            session.remark(f"stopped and saved after {len(record.population.candidates)} subnets")
            session.remark(f"aspk search --run {self.run.path} goes on from there")
            raise KeyboardInterrupt
        if display.hits:
            session.remark(f"{display.hits} of {algorithm.total} subnets had been measured before")
        return record.population


def _require_same_versions(path: Path, begun: Provenance, now: Provenance) -> None:
    """Raises UserError where a search would go on with other packages, to other last bits."""
    for name, number in begun.computed_with.items():
        if now.computed_with.get(name, number) != number:
            raise UserError(
                f"the search of this run was begun with {name} {number}, not {now.computed_with[name]}",
                str(path),
                "go on with the same, or search anew with --fresh (the old population is kept beside)",
            )


def energy_rules(recipe: Recipe) -> dict[str, Value]:
    """The rules that a recipe counts and prices operations by."""
    return {key: value for key, value in recipe.resolved_switches().items() if key.startswith("energy.")}


def require_feasible(problem: Problem, population: Population) -> None:
    """Raises UserError where every candidate breaks a limit, or computes what is not finite."""
    finite = [candidate for candidate in population.candidates if not candidate.measurement.non_finite]
    if population.candidates and not finite:
        raise UserError(
            f"every one of {len(population.candidates)} subnets computes values that are not finite",
            "the supernet's weights",
            "train it anew with a lower train.lr",
        )
    if finite and not any(map(problem.feasible, finite)):
        raise none_feasible(problem.limits, finite, Refusals.restored(population.state))


def selected_on(text: str, path: Path) -> str:
    """The split that a subnet was chosen on, as --subnet names it; "" for one that no search has chosen."""
    if text in NAMED_BY_THE_SPACE or _is_tuple(text):
        return ""
    return read_search(path, file_and_id(text)[0]).provenance.split


def select_subnet(text: str, recipe: Recipe, path: Path | None) -> Subnet:
    """The subnet that --subnet names: best, largest, smallest, baseline, a candidate's id, or a tuple.

    path: the run whose population knows candidates; None where there is none. Raises UserError.
    """
    from autospikformer_cli.space import parse_subnet

    space = recipe.space.search_space()
    words = dict(zip(NAMED_BY_THE_SPACE, (space.largest, space.smallest, recipe.baseline), strict=True))
    if text in words:
        return words[text]()
    if _is_tuple(text):
        return space.require(parse_subnet(text))
    if path is None:
        fix = f"choose {', '.join(words)}, or a tuple such as '{recipe.baseline()}'"
        raise UserError(f"{text!r} names no subnet of a recipe", "--subnet", fix)
    file, id_ = file_and_id(text)
    if not (path / file).is_file() and file != stored.POPULATION_FILE:
        raise UserError(f"{path} has no {file}", "--subnet", f"its searches: {', '.join(searches(path))}")
    population = load_population(path, file)
    if text == "best":
        problem = recipe_problem(recipe)
        with counts_of(path):
            require_feasible(problem, population)
            ranked = problem.rank(population.candidates)
        if not ranked:
            raise UserError(f"{path} has no candidate yet", "--subnet", f"search on: aspk search --run {path}")
        return ranked[0].subnet
    found = next((candidate.subnet for candidate in population.candidates if candidate.id == id_), None)
    if found is None:
        raise UserError(
            f"{text!r} is no candidate of {path}",
            "--subnet",
            f"choose best, {', '.join(words)}, an id of aspk report, or a tuple such as '{recipe.baseline()}'",
        )
    return found


def _is_tuple(text: str) -> bool:
    return any(character in text for character in "([,")
