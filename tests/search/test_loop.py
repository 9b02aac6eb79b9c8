"""The search loop: stopped or killed at any measurement and resumed, it finds what it finds in one go."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

import pytest

from autospikformer_cli.measurement import Candidate, InputCount, Measurement
from autospikformer_cli.search.algorithm import Algorithm, make_algorithm
from autospikformer_cli.search.ids import CandidateIds, asked_ids, last_number
from autospikformer_cli.search.loop import run_search
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.space import SearchSpace, Subnet

GENERATIONS, POPULATION = 3, 4
BUDGET = GENERATIONS * POPULATION


class Killed(Exception):
    """The process died while it measured."""


class Store:
    """What a run's folder is to a search: the last saved archive, and the algorithm's state as JSON text."""

    def __init__(self, algorithm: Algorithm, ids: CandidateIds) -> None:
        self.algorithm, self.ids = algorithm, ids
        self.archives: list[tuple[Candidate, ...]] = []
        self.state = "null"

    def save(self, candidates: Sequence[Candidate]) -> None:
        """Keep everything as it is now."""
        self.archives.append(tuple(candidates))
        ids = self.ids.state({candidate.subnet for candidate in candidates})
        self.state = json.dumps(self.algorithm.state() | {"ids": ids})

    @property
    def archive(self) -> tuple[Candidate, ...]:
        """The last one."""
        return self.archives[-1] if self.archives else ()


class Measurer:
    """Measures subnets, a function of the genome alone; counts; dies or asks to stop at a chosen measurement.

    order: in which parts of so many subnets come.
    """

    def __init__(
        self,
        *,
        dies_at: int | None = None,
        stops_after: int | None = None,
        order: Callable[[Sequence[Subnet]], Sequence[Subnet]] = list,
        part: int = 1,
    ) -> None:
        self.dies_at, self.stops_after, self.order, self.part = dies_at, stops_after, order, part
        self.measured: list[Subnet] = []

    def measure(self, subnets: Sequence[Subnet]) -> Iterator[dict[Subnet, Measurement]]:
        """Part by part."""
        ordered = self.order(subnets)
        for first in range(0, len(ordered), self.part):
            yield {subnet: self.one(subnet) for subnet in ordered[first : first + self.part]}

    def one(self, subnet: Subnet) -> Measurement:
        """Accuracy and energy drawn from the genome."""
        if len(self.measured) == self.dies_at:
            raise Killed
        self.measured.append(subnet)
        draw = Random(str(subnet))
        inputs = (InputCount("only", (draw.randrange(1000),), (1,), 1, 1),)
        return Measurement(draw.randrange(100), 100, 1, inputs, (), 0)

    def stop(self) -> bool:
        """Whether to stop."""
        return self.stops_after is not None and len(self.measured) >= self.stops_after


Make = Callable[[], Algorithm]


@pytest.fixture(params=["evolution", "random", "nsga2", "exhaustive", "nsga2 within limits"])
def make(
    request: pytest.FixtureRequest, tiny_space: SearchSpace, settings: Callable[..., Any],
    problem_of: Callable[..., Problem],
) -> Make:  # fmt: skip
    """Makes the same new algorithm each time."""
    name, _, limited = request.param.partition(" within ")
    limits = {"time_step": 2.0, "energy": 5e-7} if limited or name == "exhaustive" else {}
    wanted = settings(algorithm=name, population=POPULATION, generations=GENERATIONS, parents=3, limits=limits)
    return lambda: make_algorithm(wanted, problem_of(tiny_space, wanted), 7)


def search(
    make: Make, measurer: Measurer, begun: Store | None = None, known: Mapping[Subnet, Measurement] | None = None
) -> tuple[Store, bool]:
    """Search anew, or go on with a store, as another process does; the new store, and whether it ended."""
    algorithm: Any = make()
    ids = CandidateIds()
    if begun is not None and begun.state != "null":
        state = json.loads(begun.state)
        algorithm.restore(state, begun.archive)
        own = {candidate.subnet: candidate.id for candidate in begun.archive} | asked_ids(state)
        ids = CandidateIds(own, last_number(own.values(), state))
    store = Store(algorithm, ids)
    measured = begun.archive if begun else ()
    return store, run_search(algorithm, measured, known or {}, measurer.measure, store.save, measurer.stop, ids)


def test_generations_are_numbered_and_saved(make: Make) -> None:
    measurer = Measurer()
    store, ended = search(make, measurer)
    assert ended
    assert [len(archive) for archive in store.archives] == [1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 12]
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
def test_killed_at_any_measurement_it_goes_on_there(make: Make, measured: int) -> None:
    whole, _ = search(make, Measurer())
    algorithm: Any = make()
    ids = CandidateIds()
    killed, measurer = Store(algorithm, ids), Measurer(dies_at=measured)
    with pytest.raises(Killed):
        run_search(algorithm, (), {}, measurer.measure, killed.save, measurer.stop, ids)
    assert len(killed.archive) == measured

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


@pytest.mark.parametrize("part", [1, 3, 4])
def test_the_order_of_the_parts_changes_nothing(make: Make, part: int) -> None:
    whole, _ = search(make, Measurer())
    shuffled = Random(part)
    backwards = Measurer(order=lambda subnets: shuffled.sample(subnets, len(subnets)), part=part, stops_after=6)
    stopped, ended = search(make, backwards)
    assert not ended
    resumed, ended = search(make, Measurer(order=lambda subnets: subnets[::-1], part=part), stopped)
    assert ended
    assert (resumed.archive, resumed.state) == (whole.archive, whole.state)


def test_what_is_known_is_not_measured(make: Make) -> None:
    whole, _ = search(make, Measurer())
    known = {candidate.subnet: candidate.measurement for candidate in whole.archive[:7]}
    measurer = Measurer()
    store, ended = search(make, measurer, known=known)
    assert ended
    assert measurer.measured == [candidate.subnet for candidate in whole.archive[7:]]
    assert (store.archive, store.state) == (whole.archive, whole.state)


def test_what_the_run_knows_keeps_its_id_and_new_ones_follow_all_others(make: Make) -> None:
    """Another search of the run gave the first six subnets their ids, and ids up to c0040 to others."""
    whole, _ = search(make, Measurer())
    ids = CandidateIds({candidate.subnet: f"c00{30 - n}" for n, candidate in enumerate(whole.archive[:6])}, 40)
    algorithm: Any = make()
    store = Store(algorithm, ids)
    assert run_search(algorithm, (), {}, Measurer().measure, store.save, lambda: False, ids)
    assert [candidate.subnet for candidate in store.archive] == [candidate.subnet for candidate in whole.archive]
    assert [candidate.id for candidate in store.archive] == [
        *(f"c00{number}" for number in range(30, 24, -1)),
        *(f"c00{number}" for number in range(41, 47)),
    ]


def test_a_search_goes_on_with_the_ids_that_it_asked_with(make: Make) -> None:
    """Between its parts another search of the run took the numbers up to 90."""
    stopped, _ = search(make, Measurer(order=lambda subnets: subnets[::-1], stops_after=2))
    assert [candidate.id for candidate in stopped.archive] == ["c0003", "c0004"]
    state = json.loads(stopped.state)
    stopped.state = json.dumps(state | {"ids": state["ids"] | {"last": 90}})
    resumed, ended = search(make, Measurer(), stopped)
    assert ended
    numbers = [*range(1, 5), *range(91, 99)]
    assert [candidate.id for candidate in resumed.archive] == [f"c{number:04}" for number in numbers]
