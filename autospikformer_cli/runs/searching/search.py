"""A search that is kept in a run's folder: begun, resumed, or read if it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.executors import (
    IN_PROCESS,
    Executor,
    ExecutorOptions,
    make_executor,
    require_executor,
)
from autospikformer_cli.measurement import Candidate, Measurement, Provenance
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.recipe.fidelity import Value
from autospikformer_cli.runs.conditions import Conditions, other_search_keys
from autospikformer_cli.runs.searching.archive import candidate_ids, known_subnets
from autospikformer_cli.runs.searching.recording import Display, Record
from autospikformer_cli.runs.searching.search_files import SearchFiles
from autospikformer_cli.runs.selection import recipe_problem, require_feasible, selection_notes
from autospikformer_cli.runs.trained_run import TrainedRun
from autospikformer_cli.say import Interruptible, uninterrupted
from autospikformer_cli.search.algorithm import Algorithm, make_algorithm
from autospikformer_cli.search.generations import UnusableState
from autospikformer_cli.search.ids import CandidateIds
from autospikformer_cli.search.limits import none_drawn
from autospikformer_cli.search.loop import run_search
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.population import Population, load_population, read_search
from autospikformer_cli.store.searches import present_search, search_file, search_names
from autospikformer_cli.wording import quoted

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet

BASELINE_ID = "baseline"


@dataclass(frozen=True)
class SearchRun:
    """One search in one run's folder.

    executor: where subnets are measured, by name, with its options. name: the search's; None for one that is made.
    """

    run: TrainedRun
    executor: str = IN_PROCESS
    options: ExecutorOptions = field(default_factory=ExecutorOptions)
    interruptible: Interruptible = uninterrupted
    name: str | None = None

    def search(self, fresh: bool = False) -> Population:
        """Search to the end, on from where this search stopped. What the run's searches measured is not done again.

        fresh: search anew, and measure everything anew. A search before that is another one is kept, as is the one
        that fresh replaces. Raises UserError for what would be measured otherwise, and if no subnet keeps to the
        limits, of which what was measured is kept; KeyboardInterrupt when stopped.
        """
        recipe, say = self.run.recipe, self.run.say
        require_executor(self.executor, self.options)
        self._say_what_to_know()
        last = present_search(self.run.path)
        done = None if fresh else self._finished()
        if done is not None:
            return self._told_finished(done, last)
        images = self.run.searched_images()
        measured_as = self.run.provenance(images)
        conditions = Conditions.of(measured_as, recipe)
        files = SearchFiles(self.run.path, recipe, lambda stored: conditions, say, self.name)
        begun = self._begun(files, fresh)
        if begun is not None and begun.state["finished"]:
            files.bring_forward(begun.name, begun=True)
            return self._told_finished(begun, last)
        problem = recipe_problem(recipe)
        algorithm = self._startable(problem, begun, conditions)
        executor = make_executor(self.executor, self.run.workload(images), self.options)
        fresh = fresh or bool(begun and begun.state.get("fresh"))
        known = known_subnets(self.run.path, conditions, say, self._has_every_count)
        ids = candidate_ids(self.run.path, known, begun)
        measured = {} if fresh else known.measurements
        name = files.new_name() if begun is None else begun.name
        with executor:
            baseline = begun.baseline if begun else None
            if baseline is None:
                baseline = self._baseline(executor, measured)
            measured = {**measured, baseline.subnet: baseline.measurement}
            for loose in problem.loose_limits(baseline):
                say.remark(f"! {loose}")
            empty = self._empty(problem, measured_as, baseline, fresh, name)
            written = partial(files.bring_forward, name, begun=begun is not None)
            population = self._search(algorithm, problem, executor, images, empty, begun, measured, ids, written)
        require_feasible(problem, population)
        return population

    def check(self, fresh: bool = False) -> None:
        """Raises the UserErrors that `search` would, as far as they are known without an image. Writes nothing."""
        begun = self._begun(self._files_on_images_of_theirs, fresh)
        if begun is None:
            self._startable(recipe_problem(self.run.recipe), None, None)
        elif begun.state["finished"]:
            self._told_finished(begun, present_search(self.run.path))
        else:
            now = self.run.conditions_on_images_of(begun.provenance)
            self._startable(recipe_problem(self.run.recipe), begun, now)

    @property
    def _files_on_images_of_theirs(self) -> SearchFiles:
        """The run's searches, each of which may have read the images of this one. No image is read."""
        run = self.run
        return SearchFiles(run.path, run.recipe, run.conditions_on_images_of, run.say, self.name)

    def _begun(self, files: SearchFiles, fresh: bool) -> Population | None:
        """This very search, as far as it is; None if it has not begun. Raises as `SearchFiles.of_this_search`."""
        found = files.of_this_search(fresh)
        return None if found is None else load_population(self.run.path, found)

    def _startable(self, problem: Problem, begun: Population | None, now: Conditions | None) -> Algorithm:
        """The algorithm, at its place. Raises UserError if it cannot go on, or if it finds no subnet to measure.

        now: how it measures.
        """
        if begun is not None and now is not None:
            _require_same_versions(self.run.path, Conditions.of(begun.provenance, self.run.recipe), now)
        algorithm = self._algorithm(problem, begun)
        if not algorithm.ask() and not (begun and begun.candidates) and algorithm.refusals.by_limit:
            raise none_drawn(algorithm.refusals)
        return algorithm

    def _algorithm(self, problem: Problem, begun: Population | None) -> Algorithm:
        """The algorithm of the recipe, at the place where a search was begun. Raises UserError if it finds none."""
        recipe = self.run.recipe
        if begun is None:
            return make_algorithm(recipe.search, problem, recipe.seed, given_by=recipe.given_by)
        try:
            return make_algorithm(recipe.search, problem, recipe.seed, begun.state, begun.candidates, recipe.given_by)
        except UnusableState as error:
            raise UserError(
                f"the search cannot go on: {error}",
                str(search_file(self.run.path, begun.name)),
                f"restore it from a copy, or search anew: aspk search --run {quoted(self.run.path)} --fresh",
            ) from error

    def _told_finished(self, done: Population, last: str | None) -> Population:
        """A finished search, and how it was found. last: the present search before. Raises as `_checked`."""
        found = "found by its keys"
        if self.name is not None:
            found = "found by its name"
        elif done.name == last:
            found = "the last one, with the same keys"
        self._checked(done)
        anew = f"--fresh, or another seed, such as --set seed={self.run.recipe.seed + 1}"
        self.run.say.remark(f"search {done.name} ({found}) is finished: nothing is measured; to search anew: {anew}")
        return done

    def _checked(self, done: Population) -> Population:
        """A finished search. Raises UserError if its best is not known here, or if no candidate keeps its limits."""
        problem = recipe_problem(self.run.recipe, stored=done.objectives)
        problem.require_best()
        require_feasible(problem, done)
        return done

    def _finished(self) -> Population | None:
        """This very search, if the run has it and it is finished. No image is read.

        The wanted or else the present one is asked first, as `SearchFiles.of_this_search` does. None for any other, and
        for one that was measured otherwise: `search` says what is wrong.
        """
        first, names = self.name or present_search(self.run.path), search_names(self.run.path)
        if first not in names:
            return None
        for name in [first] if self.name else sorted(names, key=lambda name: name != first):
            try:
                head = read_search(self.run.path, name)
                before = recipe_from_toml(head.recipe_toml, head.recipe_name)
            except UserError:
                if name == first:
                    return None
                continue
            if other_search_keys(before, self.run.recipe):
                continue
            now = self.run.conditions_as_stored(head.provenance)
            if now is None or not head.state["finished"]:
                return None
            if not Conditions.of(head.provenance, before).differ_in(now):
                self._files_on_images_of_theirs.bring_forward(name, begun=True)
                return load_population(self.run.path, name)
        return None

    def _has_every_count(self, measurement: Measurement) -> bool:
        """An older aspk stored no synaptic events; an ANN has none."""
        return bool(measurement.synapses) or self.run.recipe.model.network == "transformer"

    def _say_what_to_know(self) -> None:
        recipe, say = self.run.recipe, self.run.say
        if not self.run.finished:
            say.remark(f"the supernet has been trained for {self.run.epochs} of {recipe.train.total_epochs} epochs")
        if recipe.model.network == "transformer":
            say.remark("the ANN has no neurons: threshold, tau and time_step change nothing")
        for note in selection_notes(recipe.search.split):
            say.remark(note)

    def _baseline(self, executor: Executor, known: Mapping[Subnet, Measurement]) -> Candidate:
        """What the front is compared with."""
        subnet = self.run.recipe.baseline()
        measured = known.get(subnet) or next(iter(executor.measure([subnet])))[subnet]
        return Candidate(BASELINE_ID, subnet, 0, measured)

    def _empty(
        self, problem: Problem, measured_as: Provenance, baseline: Candidate, fresh: bool, name: str
    ) -> Population:
        """The search's file before its first candidate."""
        recipe = self.run.recipe
        stored = tuple(objective.to_stored() for objective in problem.plugins)
        valued = problem.valued(baseline)
        state: dict[str, object] = {"fresh": fresh}
        return Population(recipe.name, recipe.to_toml(), measured_as, (), valued, state, name=name, objectives=stored)

    def _search(
        self, algorithm: Algorithm, problem: Problem, executor: Executor, images: ImageSet, empty: Population,
        begun: Population | None, known: Mapping[Subnet, Measurement], ids: CandidateIds, written: Callable[[], None],
    ) -> Population:  # fmt: skip
        archive: Sequence[Candidate] = begun.candidates if begun else ()
        say, recipe = self.run.say, self.run.recipe
        say.remark(f"measuring {algorithm.total} subnets on {len(images)} {images.split} images each")
        with (
            self.interruptible() as stop,
            say.progress("searching", algorithm.total, unit="subnets", start=len(archive)) as progress,
        ):

            def measure(subnets: Sequence[Subnet]) -> Iterator[Mapping[Subnet, Measurement]]:
                began = time.perf_counter()
                for part in executor.measure(subnets):
                    display.advance(len(part), time.perf_counter() - began)
                    yield part
                    began = time.perf_counter()

            display = Display(progress, algorithm, recipe.search.generations, images.split, len(archive))
            record = Record(
                self.run.path, empty, algorithm, problem, display, begun, ids, energy_rules(recipe), written
            )
            with record:
                record.save(archive)
                finished = run_search(algorithm, archive, known, measure, record.save, stop, ids)
                if finished:
                    record.finish()
        if not finished:
            say.remark(f"stopped and saved after {len(record.population.candidates)} subnets")
            say.remark(f"aspk search --run {quoted(self.run.path)} goes on from there")
            raise KeyboardInterrupt
        if display.hits:
            say.remark(f"{display.hits} of {algorithm.total} subnets had been measured before")
        return record.population


def _require_same_versions(path: Path, begun: Conditions, now: Conditions) -> None:
    """Raises UserError if a search would go on with other packages, to other last bits."""
    for name, before, number in begun.versions_differ_in(now):
        raise UserError(
            f"the search of this run was begun with {name} {before}, not {number}",
            str(path),
            "go on with the same, or search anew with --fresh (the old population is kept beside)",
        )


def energy_rules(recipe: Recipe) -> dict[str, Value]:
    """The rules that a recipe counts and prices operations by."""
    return {key: value for key, value in recipe.resolved_switches().items() if key.startswith("energy.")}
