"""The search loop: stopped or killed at any measurement and resumed, it finds what it finds in one go."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from autospikformer_cli.measurement import Candidate, InputCount, Measurement
from autospikformer_cli.search.algorithm import Algorithm
from autospikformer_cli.search.evolution import Evolution
from autospikformer_cli.search.fitness import Fitness
from autospikformer_cli.search.loop import run_search
from autospikformer_cli.search.random_search import RandomSearch
from autospikformer_cli.space import SearchSpace, Subnet

GENERATIONS, POPULATION = 3, 4
BUDGET = GENERATIONS * POPULATION


class Killed(Exception):
    """The process died while it measured."""


class Store:
    """What a run's folder is to a search: the last saved archive, and the algorithm's state as JSON text."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self.archives: list[tuple[Candidate, ...]] = []
        self.state = "null"

    def save(self, candidates: Sequence[Candidate]) -> None:
        """Keep everything as it is now."""
        self.archives.append(tuple(candidates))
        self.state = json.dumps(self.algorithm.state())

    @property
    def archive(self) -> tuple[Candidate, ...]:
        """The last one."""
        return self.archives[-1] if self.archives else ()


class Measurer:
    """Measures subnets, a function of the genome alone; counts; dies or asks to stop at a chosen measurement."""

    def __init__(self, *, dies_at: int | None = None, stops_after: int | None = None) -> None:
        self.dies_at, self.stops_after = dies_at, stops_after
        self.measured: list[Subnet] = []

    def measure(self, subnet: Subnet) -> Measurement:
        """Accuracy and energy drawn from the genome."""
        if len(self.measured) == self.dies_at:
            raise Killed
        self.measured.append(subnet)
        draw = Random(str(subnet))
        inputs = (InputCount("only", (draw.randrange(1000),), (1,), 1, 1),)
        return Measurement(draw.randrange(100), 100, 1, inputs, (), 0)

    def stop(self) -> bool:
        """Whether to stop."""
        return len(self.measured) == self.stops_after


Make = Callable[[], Algorithm]


@pytest.fixture(params=["evolution", "random"])
def make(request: pytest.FixtureRequest, tiny_space: SearchSpace, energy_of: Callable[[Candidate], float]) -> Make:
    """Makes the same new algorithm each time."""
    budget: dict[str, Any] = {"population": POPULATION, "generations": GENERATIONS, "seed": 7}
    rank = Fitness(0.5, "archive", energy_of).rank
    if request.param == "random":
        return lambda: RandomSearch(tiny_space, **budget)
    return lambda: Evolution(tiny_space, parents=3, p_depth=0.3, p_mutation=0.4, rank=rank, **budget)


def search(make: Make, measurer: Measurer, begun: Store | None = None) -> tuple[Store, bool]:
    """Search anew, or go on with a store, as another process does; the new store, and whether it ended."""
    algorithm: Any = make()
    if begun is not None and begun.state != "null":
        algorithm.restore(json.loads(begun.state), begun.archive)
    store = Store(algorithm)
    measured = begun.archive if begun else ()
    return store, run_search(algorithm, measured, measurer.measure, store.save, measurer.stop)


def test_generations_are_numbered_and_saved(make: Make) -> None:
    measurer = Measurer()
    store, ended = search(make, measurer)
    assert ended
    assert [len(archive) for archive in store.archives] == [4, 8, 12]
    assert [candidate.id for candidate in store.archive] == [f"c{number:04}" for number in range(1, BUDGET + 1)]
    assert [candidate.generation for candidate in store.archive] == [0] * 4 + [1] * 4 + [2] * 4
    assert [candidate.subnet for candidate in store.archive] == measurer.measured
    assert len(set(measurer.measured)) == BUDGET


@pytest.mark.parametrize("measured", range(BUDGET))
def test_stopped_at_any_measurement_it_goes_on_there(make: Make, measured: int) -> None:
    whole, _ = search(make, Measurer())
    first, second = Measurer(stops_after=measured), Measurer()
    stopped, ended = search(make, first)
    assert not ended
    assert len(stopped.archive) == measured

    resumed, ended = search(make, second, stopped)
    assert ended
    assert resumed.archive == whole.archive
    assert resumed.state == whole.state
    assert first.measured + second.measured == [candidate.subnet for candidate in whole.archive]


@pytest.mark.parametrize("measured", range(BUDGET))
def test_killed_at_any_measurement_it_repeats_its_generation(make: Make, measured: int) -> None:
    whole, _ = search(make, Measurer())
    algorithm: Any = make()
    killed, measurer = Store(algorithm), Measurer(dies_at=measured)
    with pytest.raises(Killed):
        run_search(algorithm, (), measurer.measure, killed.save, measurer.stop)
    assert len(killed.archive) == measured // POPULATION * POPULATION

    resumed, ended = search(make, Measurer(), killed)
    assert ended
    assert (resumed.archive, resumed.state) == (whole.archive, whole.state)


def test_stopped_twice_in_one_generation(make: Make) -> None:
    whole, _ = search(make, Measurer())
    once, _ = search(make, Measurer(stops_after=5))
    twice, _ = search(make, Measurer(stops_after=2), once)
    assert len(twice.archive) == 7
    resumed, ended = search(make, Measurer(), twice)
    assert ended
    assert (resumed.archive, resumed.state) == (whole.archive, whole.state)


def test_a_search_that_has_ended_measures_nothing_more(make: Make) -> None:
    whole, _ = search(make, Measurer())
    measurer = Measurer(dies_at=0)
    again, ended = search(make, measurer, whole)
    assert ended
    assert again.archives == []
