"""A search while it runs: it saves its file at a pace that costs little time, and shows where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.recipe.fidelity import Value
from autospikformer_cli.runs.predictor_quality import STATE_KEY, assessed
from autospikformer_cli.say import Progress, Shown
from autospikformer_cli.search.algorithm import Algorithm
from autospikformer_cli.search.fronts import count_points, pareto_front
from autospikformer_cli.search.hypervolume import reference_of, shares_by_generation
from autospikformer_cli.search.ids import CandidateIds
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.store.pace import SavingPace
from autospikformer_cli.store.population import HypervolumeHistory, Population, SearchTiming, save_population
from autospikformer_cli.units import format_energy


@dataclass
class Display:
    """The values next to a search's bar.

    begun: candidates from before this process. measured: subnets that this process measured, in so many seconds.
    hits: known before.
    """

    progress: Progress
    algorithm: Algorithm
    generations: int
    split: str
    begun: int
    measured: int = 0
    seconds: float = 0.0
    hits: int = 0

    def __post_init__(self) -> None:
        """The first line already names test images."""
        if self.split == "test":
            self.progress.advance(0, split="TEST")

    def advance(self, number: int, seconds: float) -> None:
        """`number` more subnets are measured, in so many seconds."""
        self.measured += number
        self.seconds += seconds
        self.progress.advance(number)

    def show(self, candidates: Sequence[Candidate], problem: Problem, hypervolume: HypervolumeHistory | None) -> None:
        """Show where the search stands: all candidates so far, and the hypervolume after the last generation."""
        hits = max(self.hits, len(candidates) - self.begun - self.measured)
        self.progress.skip(hits - self.hits)
        self.hits = hits
        goes_on = len(candidates) < self.algorithm.total
        generation = min(self.algorithm.generation + goes_on, self.generations)
        shown: dict[str, Shown] = {"generation": f"{generation}/{self.generations}"}
        if hits:
            shown["reused"] = hits
        scores = problem.fitness.score(candidates)
        if scores.ranked:
            best = scores.ranked[0]
            shown["front"] = count_points(pareto_front(scores.ranked))
            if hypervolume and hypervolume.shares:
                shown["hypervolume"] = f"{hypervolume.shares[-1]:.4f}"
            shown["best"] = f"{best.id}, {best.top1:.2f} %, {format_energy(best.energy_j)}"
        self.progress.advance(0, **shown)


@dataclass
class Record:
    """Keeps a search's file up to date.

    Inside its context it saves at the times of its pace, and once more when the context ends, however it ends. What a
    killed process had not saved is measured again, to the same numbers.
    ids: give candidates their ids. energy_rules: rules that energy and hypervolume are computed under. written: called
    after the first write, so that the search before stays the present one until there is another.
    """

    path: Path
    empty: Population
    algorithm: Algorithm
    problem: Problem
    display: Display
    begun: InitVar[Population | None]
    ids: CandidateIds = field(default_factory=CandidateIds)
    energy_rules: Mapping[str, Value] = field(default_factory=dict)
    written: Callable[[], None] = lambda: None
    population: Population = field(init=False)
    _saved: Population = field(init=False)
    _has_written: bool = field(default=False, init=False)
    _pace: SavingPace = field(default_factory=SavingPace, init=False)

    def __post_init__(self, begun: Population | None) -> None:
        """begun: what the file holds; None without a file."""
        self.population = self._saved = begun or self.empty
        self._before = begun.timing if begun else None
        self._reference = reference_of(self.problem, self.empty.baseline)
        self._valued: dict[str, Candidate] = {}
        self._hypervolume: HypervolumeHistory | None = None
        if self._reference is not None:
            bounds = {limit.objective.name: limit.bound for limit in self.problem.limits.limits}
            rules: dict[str, object] = {"limits": bounds, "energy": dict(self.energy_rules)}
            stored = begun.hypervolume if begun else None
            measure = self._reference.to_document() | rules
            same = stored is not None and stored.measure == measure
            self._hypervolume = stored if same else HypervolumeHistory((), measure)

    def save(self, candidates: Sequence[Candidate]) -> None:
        """Take over all candidates that are measured so far, and save them if a save is due.

        Each gets its values in the objectives of plugins once. Those of an earlier process are computed anew, so that
        one version of a plugin gave them all.
        """
        for candidate in candidates:
            if candidate.id not in self._valued:
                self._valued[candidate.id] = self.problem.valued(candidate)
        candidates = [self._valued[candidate.id] for candidate in candidates]
        self._measure_hypervolume(candidates)
        self.display.show(candidates, self.problem, self._hypervolume)
        self.population = replace(self.empty, candidates=tuple(candidates), hypervolume=self._hypervolume)
        self.population = replace(self.population, state=self._state(False), timing=self._timing())
        if candidates and self._pace.is_due() and self.population != self._saved:
            self._write()

    def finish(self) -> None:
        """Mark the search as finished. If it predicts, its state says how well."""
        quality = assessed(self.algorithm)
        found: dict[str, object] = {} if quality is None else {STATE_KEY: quality.to_document()}
        self.population = replace(self.population, state=self._state(True) | found)

    def _state(self, finished: bool) -> dict[str, object]:
        ids = self.ids.state({candidate.subnet for candidate in self.population.candidates})
        # A plugin's state may lack these. Who watches the search reads them.
        done = {"generation": self.algorithm.generation, "total": self.algorithm.total}
        state = {**self.empty.state, **done, **self.algorithm.state(), "ids": ids}
        return {**state, "finished": finished, "note": self.algorithm.note}

    def _timing(self) -> SearchTiming:
        """Of this process, and of those before that measured for this search."""
        before = self._before or SearchTiming(0.0, 0)
        return SearchTiming(before.seconds + self.display.seconds, before.subnets + self.display.measured)

    def _measure_hypervolume(self, candidates: Sequence[Candidate]) -> None:
        """Measure it after each generation that has ended since the last time."""
        if self._reference is None or self._hypervolume is None:
            return
        missing = range(len(self._hypervolume.shares), self.algorithm.generation)
        more = shares_by_generation(self.problem, self._reference, candidates, missing)
        self._hypervolume = replace(self._hypervolume, shares=(*self._hypervolume.shares, *more))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.population.candidates and self.population != self._saved:
            self._write()

    def _write(self) -> None:
        with self._pace.saving():
            save_population(self.path, self.population)
        self._saved = self.population
        if not self._has_written:
            self._has_written = True
            self.written()
