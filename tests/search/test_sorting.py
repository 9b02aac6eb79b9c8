"""Non-dominated sorting, crowding and hypervolume, against pymoo on random fronts with ties."""

import warnings
from dataclasses import replace
from math import inf
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.search.hypervolume import (
    Reference,
    hypervolume,
    reference_of,
    shares_by_evaluation,
    shares_by_generation,
)
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.search.sorting import (
    constrained_fronts,
    coverage,
    crowding,
    dominates,
    fronts,
    non_dominated,
    pareto_points,
)
from autospikformer_cli.space import SearchSpace

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pymoo.indicators.hv import Hypervolume
    from pymoo.operators.survival.rank_and_crowding.metrics import get_crowding_function
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

Points = list[tuple[float, ...]]


def points_of(num_objectives: int) -> st.SearchStrategy[Points]:
    """Few distinct values, so that many are equal."""
    value = st.integers(0, 6).map(float) | st.floats(0, 6, width=16)
    return st.lists(st.tuples(*[value] * num_objectives), min_size=1, max_size=25)


POINTS = points_of(2) | points_of(3)


@given(POINTS)
def test_fronts_are_pymoos(points: Points) -> None:
    expected = NonDominatedSorting().do(np.array(points))
    assert fronts(points) == [sorted(map(int, front)) for front in expected]


@given(POINTS)
def test_what_nothing_dominates_is_the_first_front(points: Points) -> None:
    assert non_dominated(points) == fronts(points)[0]


@given(points_of(2), points_of(2))
def test_coverage_by_its_definition(first: Points, second: Points) -> None:
    """Each distinct point of the second for itself: nobody in the first may be worse in any objective."""
    distinct = set(map(tuple, second))
    covered = [b for b in distinct if any(dominates(a, b) or tuple(a) == b for a in first)]
    assert coverage(first, second) == len(covered) / len(distinct)


def test_a_point_that_several_candidates_have_counts_once() -> None:
    front = [(1.0, 4.0), (1.0, 4.0), (2.0, 2.0)]
    assert pareto_points(front) == [(1.0, 4.0), (2.0, 2.0)]
    assert coverage([(1.0, 4.0)], front) == 0.5


def test_coverage_counts_equal_points_both_ways() -> None:
    here, there = [(1.0, 4.0), (2.0, 2.0)], [(1.0, 4.0), (3.0, 1.0)]
    assert (coverage(here, there), coverage(there, here)) == (0.5, 0.5)
    assert (coverage(here, here), coverage([], here), coverage(here, [])) == (1.0, 0.0, None)


@given(POINTS)
def test_crowding_is_pymoos(points: Points) -> None:
    expected = get_crowding_function("cd").do(np.array(points))
    assert crowding(points) == pytest.approx(list(expected), rel=1e-12, abs=1e-12)


@given(POINTS, st.integers(1, 8))
def test_hypervolume_is_pymoos(points: Points, side: int) -> None:
    """Points beyond the reference too."""
    reference = [float(side)] * len(points[0])
    expected = Hypervolume(ref_point=np.array(reference)).do(np.array(points))
    assert hypervolume(points, reference) == pytest.approx(float(expected), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("values", [4, 100])
@pytest.mark.parametrize("objectives", [2, 3])
def test_many_points_with_ties_are_pymoos(objectives: int, values: int) -> None:
    random = np.random.default_rng(objectives * values)
    points = random.integers(0, values, (400, objectives)).astype(float)
    listed: Points = [tuple(point) for point in points.tolist()]
    reference = [0.9 * values] * objectives
    expected = float(Hypervolume(ref_point=np.array(reference)).do(points))
    assert hypervolume(listed, reference) == pytest.approx(expected, rel=1e-12)
    assert fronts(listed) == [sorted(map(int, front)) for front in NonDominatedSorting().do(points)]


@given(points_of(2), st.lists(st.sampled_from([0.0, 0.0, 0.5, 1.5]), min_size=25, max_size=25))
def test_constraint_domination_by_its_definition(points: Points, drawn: list[float]) -> None:
    """Deb et al. 2002, Definition 1: front after front, what nothing left dominates."""
    violations = drawn[: len(points)]

    def better(a: int, b: int) -> bool:
        if violations[a] or violations[b]:
            return violations[a] < violations[b]
        return dominates(points[a], points[b])

    left, expected = list(range(len(points))), []
    while left:
        front = [place for place in left if not any(better(other, place) for other in left)]
        expected.append(front)
        left = [place for place in left if place not in front]
    assert constrained_fronts(points, violations) == expected


def test_hypervolume_by_hand() -> None:
    assert hypervolume([], (1.0, 1.0)) == 0.0
    assert hypervolume([(0.5, 0.5), (0.25, 0.75), (0.25, 0.75), (2.0, 0.0)], (1.0, 1.0)) == 0.25 + 0.0625
    assert hypervolume([(0.0, 0.0, 0.0)], (2.0, 3.0, 4.0)) == 24.0
    assert hypervolume([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)], (2.0, 2.0, 2.0)) == 7.0
    with pytest.raises(ValueError, match="2 or 3 objectives, not 1"):
        hypervolume([(1.0,)], (2.0,))
    assert crowding([(1.0, 2.0)] * 2) == [inf, inf]


def test_the_box_is_from_the_baseline_to_the_ideal(
    tiny_space: SearchSpace,
    problem_of,
    make_candidate,
    settings,  # type: ignore[no-untyped-def]
) -> None:
    problem: Problem = problem_of(tiny_space, settings(objectives=("top1", "energy", "params")))
    baseline: Candidate = make_candidate(50.0, 10, params=100)
    box = reference_of(problem, baseline)
    assert isinstance(box, Reference)
    assert box.to_document() == {
        "objectives": ["top1", "energy", "params"],
        "reference": [0.0, 2e-8, 200.0],
        "ideal": [100.0, 0.0, 0.0],
    }
    assert box.share([problem.values(baseline) or ()]) == pytest.approx(0.125)
    assert reference_of(problem, None) is None
    assert reference_of(problem, make_candidate(50.0, 0)) is None

    better = make_candidate(100.0, 10, params=100, generation=1)
    beyond = make_candidate(100.0, 30, params=1, generation=2)
    shares = shares_by_generation(problem, box, [baseline, better, beyond], range(3))
    assert shares == pytest.approx([0.125, 0.25, 0.25])
    assert shares_by_evaluation(problem, box, [baseline, better, beyond]) == pytest.approx(shares)
    limited: Problem = problem_of(tiny_space, settings(objectives=("top1", "energy", "params"), limits={"params": 99}))
    assert shares_by_evaluation(limited, box, [better, beyond]) == [0.0, 0.0], "beyond keeps the limit, out of the box"
    assert shares_by_generation(limited, box, [baseline, better], range(2)) == [0.0, 0.0]


@pytest.mark.parametrize("objectives", [("top1", "energy"), ("top1", "energy", "params")])
def test_a_share_after_each_evaluation_is_that_of_all_until_then(
    objectives: tuple[str, ...], tiny_space: SearchSpace, problem_of, make_candidate, settings,  # type: ignore[no-untyped-def]
) -> None:  # fmt: skip
    problem: Problem = problem_of(tiny_space, settings(objectives=objectives, limits={"params": 90}))
    random = Random(0)
    found: list[Candidate] = [
        make_candidate(100.0 * random.randrange(20) / 20, random.randrange(1, 25), params=random.randrange(10, 100))
        for _ in range(80)
    ]
    box = reference_of(problem, make_candidate(50.0, 10, params=50))
    assert isinstance(box, Reference)
    kept = [problem.values(each) if problem.feasible(each) else None for each in found]
    expected = [box.share([values for values in kept[:end] if values]) for end in range(1, 81)]
    assert len(set(expected)) > 5
    assert shares_by_evaluation(problem, box, found) == pytest.approx(expected, rel=1e-12)
    grown = [replace(each, generation=place) for place, each in enumerate(found)]
    assert shares_by_generation(problem, box, grown[::-1], range(80)) == pytest.approx(expected, rel=1e-12)
    if len(objectives) == 2:
        assert shares_by_evaluation(problem, box, found) == expected, "to the last bit"
