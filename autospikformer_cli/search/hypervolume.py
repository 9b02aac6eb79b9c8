"""Hypervolume: the share of the box between a reference point and the ideal that candidates dominate."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf, isfinite
from operator import ne

import numpy as np

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.search.objectives import Objective
from autospikformer_cli.search.problem import Problem


def hypervolume(points: Iterable[Sequence[float]], reference: Sequence[float]) -> float:
    """Exact volume that points dominate, up to a reference point, in 2 or 3 objectives. Less is better.

    A point that is not better than the reference in every objective adds nothing. With two objectives, one sweep adds
    up the area. With three, it adds slices between ascending third values. A slice's base is the area that the points
    up to its height dominate. Raises ValueError for another number of objectives.
    """
    inside = {tuple(point) for point in points if all(x < r for x, r in zip(point, reference, strict=True))}
    if len(reference) == 2:
        return _area([(x, y) for x, y in inside], reference[0], reference[1])
    if len(reference) != 3:
        raise ValueError(f"hypervolume is computed for 2 or 3 objectives, not {len(reference)}")
    volume, staircase, below = 0.0, _Staircase(reference[0], reference[1]), reference[2]
    for height, slice_ in groupby(sorted(inside, key=lambda point: point[2]), key=lambda point: point[2]):
        volume += staircase.area * (height - below)
        for x, y, _ in slice_:
            staircase.add(x, y)
        below = height
    return volume + staircase.area * (reference[2] - below)


def _area(points: Iterable[tuple[float, float]], width: float, height: float) -> float:
    area, lowest = 0.0, height
    for x, y in sorted(points):
        if y < lowest:
            area += (width - x) * (lowest - y)
            lowest = y
    return area


class _Staircase:
    """The points of a plane that no other dominates, x ascending and y descending, and the area that they dominate."""

    def __init__(self, width: float, height: float) -> None:
        self._width, self._height = width, height
        self._points: list[tuple[float, float]] = []
        self.area = 0.0

    def add(self, x: float, y: float) -> None:
        """Add a point, unless another dominates it."""
        place = bisect_left(self._points, (x, y))
        if place and self._points[place - 1][1] <= y:
            return
        end = place
        while end < len(self._points) and self._points[end][1] >= y:
            end += 1
        self._points[place:end] = [(x, y)]
        self.area = _area(self._points, self._width, self._height)


@dataclass(frozen=True)
class Reference:
    """The box that contains the hypervolume. point: the worst values that still count. ideal: the best values."""

    objectives: tuple[Objective, ...]
    point: tuple[float, ...]
    ideal: tuple[float, ...]

    def share(self, values: Iterable[Sequence[float]]) -> float:
        """The share of the box, 0 to 1, that points dominate. values: each point's objectives."""
        return hypervolume(self.scaled(list(values)), (1.0,) * len(self.objectives))

    def scaled(self, values: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
        """Points in the box: 0 is the ideal, 1 the worst value that still counts. Less is better in all."""
        if not values:
            return []
        best, worst = np.array(self.ideal), np.array(self.point)
        scaled = np.maximum(0.0, (np.array(values, float) - best) / (worst - best))
        return [tuple(point) for point in scaled.tolist()]

    def to_document(self) -> dict[str, object]:
        """In JSON types, in the units of the objectives."""
        return {
            "objectives": [objective.name for objective in self.objectives],
            "reference": list(self.point),
            "ideal": list(self.ideal),
        }


def reference_of(problem: Problem, baseline: Candidate | None) -> Reference | None:
    """The box of a baseline: 0 in "more" objectives, twice its value in "less" ones.

    It is fixed before a search begins. So the share never falls from one generation to the next, and a search that is
    resumed goes on with the same measure. `box_of` is a box for searches that have ended.
    None without a usable baseline, and if an objective is not known here.
    """
    values = None if baseline is None or not problem.objectives else problem.values(baseline)
    if values is None:
        return None
    pairs = list(zip(problem.objectives, values, strict=True))
    point = tuple(0.0 if objective.better == "more" else 2.0 * value for objective, value in pairs)
    ideal = tuple(objective.ideal for objective in problem.objectives)
    finite = all(isfinite(worst) and worst != best for worst, best in zip(point, ideal, strict=True))
    return Reference(problem.objectives, point, ideal) if finite else None


def box_of(problem: Problem, points: Sequence[Sequence[float]]) -> Reference | None:
    """The box from the worst value of some points to the best one, in each objective. points: `Problem.values` of each.

    So the shares of what is compared spread over the whole range of 0 to 1. None if an objective is not known here, or
    is the same for all points.
    """
    if not points or not problem.objectives:
        return None
    lowest, highest = np.array(points, float).min(axis=0).tolist(), np.array(points, float).max(axis=0).tolist()
    more = [objective.better == "more" for objective in problem.objectives]
    point = tuple(low if best_is_high else high for low, high, best_is_high in zip(lowest, highest, more, strict=True))
    ideal = tuple(high if best_is_high else low for low, high, best_is_high in zip(lowest, highest, more, strict=True))
    return Reference(problem.objectives, point, ideal) if all(map(ne, point, ideal)) else None


def shares_by_generation(
    problem: Problem, reference: Reference, candidates: Sequence[Candidate], generations: range
) -> list[float]:
    """For each of `generations`, the share that all feasible candidates up to it dominate together."""
    ordered = sorted(candidates, key=lambda candidate: candidate.generation)
    shares = [0.0, *shares_by_evaluation(problem, reference, ordered)]
    numbers = [candidate.generation for candidate in ordered]
    return [shares[bisect_right(numbers, generation)] for generation in generations]


def shares_by_evaluation(problem: Problem, reference: Reference, candidates: Sequence[Candidate]) -> list[float]:
    """For each candidate in turn, the share that it and all before it dominate together. Infeasible ones add nothing.

    Only the points that no other dominates are remembered, and only a new one of these changes the share.
    """
    problem.price_all(candidates)
    values = [problem.values(candidate) if problem.feasible(candidate) else None for candidate in candidates]
    points = iter(reference.scaled([each for each in values if each is not None]))
    shares: list[float] = []
    share, front = 0.0, _Front(len(reference.objectives))
    for each in values:
        point = None if each is None else next(points)
        if point is not None and max(point) < 1.0 and front.add(point):
            share = hypervolume(front.points, (1.0,) * len(point))
        shares.append(share)
    return shares


class _Front:
    """The points that no other dominates. Less is better."""

    def __init__(self, num_objectives: int) -> None:
        self._is_plane = num_objectives == 2
        self.points: list[tuple[float, ...]] = []

    def add(self, point: tuple[float, ...]) -> bool:
        """Whether a point belongs to the front; if so, those that it dominates leave."""
        if self._is_plane:  # the points ascend in the first value and descend in the second
            place = bisect_right(self.points, (point[0], inf))
            if place and self.points[place - 1][1] <= point[1]:
                return False
            end = place
            while end < len(self.points) and self.points[end][1] >= point[1]:
                end += 1
            first = place - 1 if place and self.points[place - 1][0] == point[0] else place
            self.points[first:end] = [point]
            return True
        if any(_covers(known, point) for known in self.points):
            return False
        self.points = [known for known in self.points if not _covers(point, known)] + [point]
        return True


def _covers(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether the first point is no worse than the second in any objective."""
    return all(x <= y for x, y in zip(first, second, strict=True))


@dataclass(frozen=True)
class Hypervolumes:
    """The dominated share of a search's box, after each generation."""

    reference: Reference
    shares: tuple[float, ...]

    def to_document(self) -> dict[str, object]:
        """In JSON types."""
        return {**self.reference.to_document(), "by_generation": list(self.shares)}
