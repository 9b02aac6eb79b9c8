"""A search's file while it runs: written as often as it is worth its time, and whole however the search ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from autospikformer_cli.measurement import Candidate, InputCount, Measurement
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.results import recipe_problem
from autospikformer_cli.runs.searching import recording
from autospikformer_cli.runs.searching.recording import Display, Record
from autospikformer_cli.say import SILENT
from autospikformer_cli.search.algorithm import Algorithm, make_algorithm
from autospikformer_cli.search.objectives import Price
from autospikformer_cli.search.problem import Problem, make_problem
from autospikformer_cli.store import pace
from autospikformer_cli.store.population import (
    HypervolumeHistory,
    Population,
    Provenance,
    load_population,
    read_search,
    save_population,
)

MEASURED_AS = Provenance("validation", "", 1, "", 0, "running", "sound", "", "float32", "cpu", 1)
RECIPE = load_recipe(
    "quickstart", ['search.algorithm="random"', "search.population=12", "search.generations=1", "search.parents=1"]
)
NOBODY = Population("tiny", "", MEASURED_AS, (), None, {"fresh": False}, name="first")
MEASURE = {
    "objectives": ["top1", "energy"], "reference": [0.0, 2.0], "ideal": [100.0, 0.0], "limits": {},
    "energy": {"energy.head": True},
}  # fmt: skip


@pytest.fixture
def candidates() -> list[Candidate]:
    """All of a search of twelve subnets."""
    algorithm = search_of_twelve()
    measured = Measurement(1, 2, 3, (InputCount("only", (7,), (7,), 8, 9),), (), 0)
    return [Candidate(f"c{place:04}", subnet, 0, measured) for place, subnet in enumerate(algorithm.ask(), 1)]


def problem() -> Problem:
    """Every subnet costs a joule."""
    whole = recipe_problem(RECIPE)
    return make_problem(RECIPE.search, whole.space, whole.shape, lambda candidate: Price(1.0, 1.0))


def search_of_twelve() -> Algorithm:
    return make_algorithm(RECIPE.search, problem(), 0)


def record_of(run: Path, begun: Population | None = None) -> Record:
    algorithm = search_of_twelve()
    with SILENT.progress("searching", 1) as progress:
        display = Display(progress, algorithm, 1, "validation", 0)
    return Record(run, NOBODY, algorithm, problem(), display, begun)


@dataclass
class Clock:
    """Seconds that pass only when told, and in every save two."""

    now: float = 0.0
    saved: list[tuple[float, int]] = field(default_factory=list)
    """When each save ended, and how many candidates it has."""

    def save(self, run: Path, population: Population) -> None:
        self.now += 2.0
        self.saved.append((self.now, len(population.candidates)))
        save_population(run, population)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What records go by."""
    clock = Clock()
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(recording, "save_population", clock.save)
    return clock


def test_what_waits_is_saved_at_the_end_and_after_an_error(
    tmp_path: Path, candidates: list[Candidate], clock: Clock
) -> None:

    def search_that_fails() -> None:
        with record_of(tmp_path) as record:
            for number in range(1, 8):
                clock.now += 5.0
                record.save(candidates[:number])
            assert read_search(tmp_path).num_candidates == 1  # the next is not worth its time so soon
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        search_that_fails()
    stopped = load_population(tmp_path)
    assert (stopped.candidates, stopped.state["finished"]) == (tuple(candidates[:7]), False)

    with record_of(tmp_path, stopped) as record:
        record.save(candidates)
        record.finish()
    finished = load_population(tmp_path)
    assert (finished.candidates, finished.state["finished"]) == (tuple(candidates), True)
    assert finished == record.population


def test_saving_takes_its_share_of_the_time(tmp_path: Path, candidates: list[Candidate], clock: Clock) -> None:
    """A save takes 2 s, a subnet 10 s."""
    with record_of(tmp_path) as record:
        for number in range(1, 12):
            clock.now += 10.0
            record.save(candidates[:number])
    assert clock.saved == [(12.0, 1), (54.0, 5), (96.0, 9), (118.0, 11)]


def test_what_the_file_holds_is_not_written_again(tmp_path: Path, candidates: list[Candidate], clock: Clock) -> None:
    with record_of(tmp_path) as record:
        record.save(candidates[:3])
    assert len(clock.saved) == 1
    with record_of(tmp_path, load_population(tmp_path)) as record:
        record.save(candidates[:3])
    assert len(clock.saved) == 1


def test_hypervolume_behind_every_generation(tmp_path: Path, candidates: list[Candidate]) -> None:
    """All twelve have 50 % and one joule, as the baseline: half of 100 % by half of two joules."""
    nobody = replace(NOBODY, baseline=candidates[0])
    algorithm = search_of_twelve()
    with SILENT.progress("searching", 1) as progress:
        display = Display(progress, algorithm, 1, "validation", 0)
        record = Record(tmp_path, nobody, algorithm, problem(), display, None, energy_rules={"energy.head": True})
        with record:
            algorithm.ask()
            record.save(candidates[:7])
            assert record.population.hypervolume == HypervolumeHistory((), MEASURE)
            algorithm.tell(candidates)
            record.save(candidates)
    stored = load_population(tmp_path)
    assert stored.hypervolume == HypervolumeHistory((0.25,), MEASURE)

    again = Record(tmp_path, nobody, algorithm, problem(), display, stored, energy_rules={"energy.head": True})
    again.save(candidates)
    assert again.population == stored
    other = Record(tmp_path, nobody, algorithm, problem(), display, stored, energy_rules={"energy.head": False})
    other.save(candidates)
    assert other.population.hypervolume == HypervolumeHistory((0.25,), {**MEASURE, "energy": {"energy.head": False}})
