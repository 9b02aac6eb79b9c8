"""Pareto fronts against their definition, and against pymoo."""

import warnings
from dataclasses import dataclass
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospikformer_cli.search.fronts import pareto_front
from autospikformer_cli.search.sorting import dominates

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting


@dataclass(frozen=True)
class Spot:
    """A point with an identity."""

    top1: float
    energy_j: float
    name: int = 0

    @property
    def costs(self) -> tuple[float, float]:
        """Both objectives, less being better."""
        return -self.top1, self.energy_j


SPOTS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=30).map(
    lambda pairs: [Spot(float(top1), float(energy), name) for name, (top1, energy) in enumerate(pairs)]
)


@given(SPOTS)
def test_the_front_is_what_nothing_dominates(spots: list[Spot]) -> None:
    expected = [spot for spot in spots if not any(dominates(other.costs, spot.costs) for other in spots)]
    found = pareto_front(spots)
    assert sorted(spot.name for spot in found) == sorted(spot.name for spot in expected)
    assert [spot.energy_j for spot in found] == sorted(spot.energy_j for spot in found)
    assert [spot.top1 for spot in found] == sorted(spot.top1 for spot in found)


@pytest.mark.parametrize("values", [3, 40, 10_000])
@pytest.mark.parametrize("num", [1, 2, 30, 600])
def test_the_front_is_pymoos_with_ties(num: int, values: int) -> None:
    """Of random points; with few values, many are equal in one objective or in both."""
    for seed in range(4):
        random = Random(seed)
        spots = [Spot(float(random.randrange(values)), random.randrange(values) * 1e-9, name) for name in range(num)]
        expected = NonDominatedSorting().do(np.array([spot.costs for spot in spots]), only_non_dominated_front=True)
        assert sorted(spot.name for spot in pareto_front(spots)) == sorted(map(int, expected))


def test_dominance_needs_one_better_and_none_worse() -> None:
    assert dominates(Spot(77.9, 0.5).costs, Spot(77.8, 0.5).costs)
    assert dominates(Spot(77.9, 0.4).costs, Spot(77.9, 0.5).costs)
    assert not dominates(Spot(77.9, 0.5).costs, Spot(77.9, 0.5).costs)
    assert not dominates(Spot(78.0, 0.6).costs, Spot(77.9, 0.5).costs)


def test_equal_points_all_stay_in_their_order() -> None:
    spots = [Spot(1.0, 1.0, 2), Spot(1.0, 1.0, 1), Spot(0.5, 1.0, 3), Spot(0.4, 0.5, 4)]
    assert [spot.name for spot in pareto_front(spots)] == [4, 2, 1]
    assert pareto_front([]) == []
