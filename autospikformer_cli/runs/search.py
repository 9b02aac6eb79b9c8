"""A search that is kept in a run's folder, and its results under any fitness and energy rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.energy.counts import MissingCounts
from autospikformer_cli.errors import UserError
from autospikformer_cli.interruption import Interruption
from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.recipe import Recipe, differing_keys, recipe_from_toml
from autospikformer_cli.report.provenance import Provenance as ShownProvenance
from autospikformer_cli.report.units import format_energy
from autospikformer_cli.runs.assembly import MOVABLE_KEYS, TrainedRun, energy_model
from autospikformer_cli.search.algorithm import Algorithm, make_algorithm
from autospikformer_cli.search.fitness import Fitness, Scored, Scores, make_fitness
from autospikformer_cli.search.fronts import pareto_front
from autospikformer_cli.search.loop import run_search
from autospikformer_cli.space import Subnet
from autospikformer_cli.store import population as stored
from autospikformer_cli.store.population import Population, Provenance, load_population, save_population
from autospikformer_cli.store.supernet import read_training, weights_hash

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet

BASELINE_ID = "baseline"


def recipe_fitness(recipe: Recipe) -> Fitness:
    """F_AEB as a recipe asks for it."""
    energy = energy_model(recipe)
    priced: dict[str, tuple[Measurement, float]] = {}

    def energy_of(candidate: Candidate) -> float:
        known = priced.get(candidate.id)
        if known is None or known[0] is not candidate.measurement:
            joules = energy.of(candidate.subnet, candidate.measurement).energy_j
            priced[candidate.id] = known = (candidate.measurement, joules)
        return known[1]

    return make_fitness(recipe.search, energy_of)


def provenance(run: TrainedRun, images: ImageSet) -> Provenance:
    """How the run's subnets are measured on some images."""
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
    )


@dataclass(frozen=True)
class SearchRun:
    """One search in one run's folder."""

    run: TrainedRun

    def search(self, fresh: bool = False) -> Population:
        """Search to the end, on from what is there or, if fresh, anew with the old population kept beside.

        Raises UserError for a search begun otherwise, KeyboardInterrupt when stopped.
        """
        recipe, session = self.run.recipe, self.run.session
        session.torch_device()
        if not self.run.finished:
            session.say(f"the supernet has been trained for {self.run.epochs} of {recipe.train.epochs} epochs")
        if recipe.model.network == "transformer":
            session.say("the ANN has no neurons: threshold, tau and time_step change nothing")
        images = self.run.images(recipe.search.split, recipe.search.images)
        measured_as = provenance(self.run, images)
        if fresh and (kept := set_aside(self.run.path)):
            session.say(f"the population before is kept as {kept}")
        begun = self._begun(measured_as)
        if begun is not None and begun.state["finished"]:
            return begun
        fitness = recipe_fitness(recipe)
        algorithm = make_algorithm(
            recipe.search,
            recipe.space.search_space(),
            fitness.rank,
            recipe.seed,
            begun.state if begun else None,
            begun.candidates if begun else (),
        )
        return self._search(algorithm, fitness, images, measured_as, begun)

    def _search(
        self, algorithm: Algorithm, fitness: Fitness, images: ImageSet, measured_as: Provenance,
        begun: Population | None,
    ) -> Population:  # fmt: skip
        evaluator = self.run.evaluator()
        archive: Sequence[Candidate] = begun.candidates if begun else ()
        session = self.run.session
        session.say(f"measuring {algorithm.total} subnets on {len(images)} {images.split} images each")
        with (
            Interruption() as interruption,
            session.progress("searching", algorithm.total, start=len(archive)) as progress,
        ):

            def measure(subnet: Subnet) -> Measurement:
                measurement = evaluator.measure(subnet, images).measurement
                progress.advance(1, generation=algorithm.generation + 1)
                return measurement

            baseline = begun.baseline if begun else None
            if baseline is None:
                subnet = self.run.recipe.baseline()
                baseline = Candidate(BASELINE_ID, subnet, 0, evaluator.measure(subnet, images).measurement)

            def save(candidates: Sequence[Candidate]) -> None:
                self._save(candidates, baseline, measured_as, algorithm, finished=False)
                scores = fitness.score(candidates)
                if scores.ranked:
                    best, front = scores.ranked[0], pareto_front(scores.ranked)
                    energy = format_energy(best.energy_j)
                    progress.advance(0, top1=best.top1, energy=energy, front=len(front))

            finished = run_search(algorithm, archive, measure, save, lambda: interruption.requested)
        population = load_population(self.run.path)
        if not finished:
            session.say(f"stopped and saved after {len(population.candidates)} subnets")
            session.say(f"aspk search --run {self.run.path} goes on from there")
            raise KeyboardInterrupt
        return self._save(population.candidates, baseline, measured_as, algorithm, finished=True)

    def _save(
        self, candidates: Sequence[Candidate], baseline: Candidate, measured_as: Provenance, algorithm: Algorithm, *,
        finished: bool,
    ) -> Population:  # fmt: skip
        population = Population(
            recipe_name=self.run.recipe.name,
            recipe_toml=self.run.recipe.to_toml(),
            provenance=measured_as,
            candidates=tuple(candidates),
            baseline=baseline,
            state={**algorithm.state(), "finished": finished, "note": algorithm.note},
        )
        save_population(self.run.path, population)
        return population

    def _begun(self, measured_as: Provenance) -> Population | None:
        """The population to go on with. Raises UserError where it was begun with another recipe, weights or engine."""
        if not (self.run.path / stored.FILE_NAME).is_file():
            return None
        begun = load_population(self.run.path)
        before = recipe_from_toml(begun.recipe_toml)
        keys = [key for key in differing_keys(before, self.run.recipe) if key not in MOVABLE_KEYS]
        if not keys and begun.provenance == measured_as:
            return begun
        engine, go_on = begun.provenance.engine, "go on with the same"
        if keys:
            what = f"with another recipe: {', '.join(keys)}"
        elif replace(measured_as, engine=engine) == begun.provenance:
            what, go_on = f"with the engine {engine}, not {measured_as.engine}", f"go on with --engine {engine}"
        else:
            what = "with other weights, images, precision or device"
        raise UserError(
            f"the search of this run was begun {what}",
            str(self.run.path),
            f"{go_on}, or search anew with --fresh (the old population is kept beside)",
        )


def set_aside(run: Path) -> Path | None:
    """Move a run's population to population-2.h5 or the next free name; None where there is none."""
    path = run / stored.FILE_NAME
    if not path.is_file():
        return None
    number = 2
    while (aside := path.with_stem(f"{path.stem}-{number}")).exists():
        number += 1
    return path.rename(aside)


@dataclass(frozen=True)
class SearchResults:
    """A population scored and priced by a recipe."""

    scores: Scores
    baseline: Scored | None
    provenance: ShownProvenance


@contextmanager
def _counts_of(path: Path) -> Iterator[None]:
    """Raises UserError where a convention needs counts that a stored population lacks."""
    try:
        yield
    except MissingCounts as missing:
        raise UserError(
            f"its candidates were stored before synaptic events were counted: {missing.what}",
            str(path),
            f"aspk search --recount --run {path} measures them again, or choose another convention",
        ) from None


def score_population(path: Path, population: Population, recipe: Recipe) -> SearchResults:
    """Results of a stored population under a recipe's fitness and energy rules; nothing is measured again."""
    fitness = recipe_fitness(recipe)
    with _counts_of(path):
        scores = fitness.score(population.candidates)
    measured = population.provenance
    shown = ShownProvenance(
        dataset=recipe.data.dataset,
        split=measured.split,
        images=measured.images,
        batchnorm=measured.batchnorm,
        calibration_images=measured.calibration_images or None,
        fidelity=measured.fidelity,
        energy_profile=recipe.energy.hardware.name,
        energy_convention=recipe.energy.named_convention.name,
        algorithm=str(population.state["algorithm"]),
        alpha=recipe.search.alpha,
        normalise=recipe.search.normalise,
        bounds=scores.bounds,
        seed=recipe.seed,
        epochs=measured.epochs,
        engine=measured.engine,
        events=_events_text(recipe, measured.frames),
        imported_from=origin.file if (origin := read_training(path).origin) else "",
        switches=recipe.switches(),
        resolved=recipe.resolved_switches(),
        note=str(population.state.get("note", "")),
    )
    baseline = fitness.of_outsider(population.baseline, scores) if population.baseline else None
    return SearchResults(scores, baseline, shown)


def _events_text(recipe: Recipe, frames: int) -> str:
    if not frames:
        return ""
    how = f"{frames} frames a recording, of equal {recipe.data.split_by}; polarities {recipe.data.polarity}"
    return f"{how}; a subnet with T steps reads T of them, evenly"


def select_subnet(text: str, recipe: Recipe, path: Path | None) -> Subnet:
    """The subnet that --subnet names: best, largest, smallest, baseline, a candidate's id, or a tuple.

    path: the run whose population knows candidates; None where there is none. Raises UserError.
    """
    from autospikformer_cli.space import parse_subnet

    space = recipe.space.search_space()
    words = {"largest": space.largest, "smallest": space.smallest, "baseline": recipe.baseline}
    if text in words:
        return words[text]()
    if any(character in text for character in "([,"):
        return space.require(parse_subnet(text))
    if path is None:
        fix = f"choose {', '.join(words)}, or a tuple such as '{recipe.baseline()}'"
        raise UserError(f"{text!r} names no subnet of a recipe", "--subnet", fix)
    population = load_population(path)
    if text == "best":
        with _counts_of(path):
            ranked = recipe_fitness(recipe).rank(population.candidates)
        if not ranked:
            raise UserError(f"{path} has no candidate yet", "--subnet", f"search on: aspk search --run {path}")
        return ranked[0].subnet
    found = next((candidate.subnet for candidate in population.candidates if candidate.id == text), None)
    if found is None:
        raise UserError(
            f"{text!r} is no candidate of {path}",
            "--subnet",
            f"choose best, {', '.join(words)}, an id of aspk report, or a tuple such as '{recipe.baseline()}'",
        )
    return found
