"""Non-dominated sorting and crowding distance (Deb et al. 2002, NSGA-II). Less is better in all objectives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from math import inf

Costs = Sequence[float]


def dominates(a: Costs, b: Costs) -> bool:
    """Whether a is no worse than b in any objective, and better in at least one."""
    return tuple(a) != tuple(b) and all(x <= y for x, y in zip(a, b, strict=True))


def fronts(points: Sequence[Costs]) -> list[list[int]]:
    """Positions of the points, ascending, in each front: first the non-dominated points, then those that only they
    dominate, and so on.

    In lexicographic order no point dominates an earlier one. So each point goes to the first front without a member
    that dominates it (Zhang et al. 2015, efficient non-dominated sort). Equal points share a front.
    """
    found: list[list[int]] = []
    for place in sorted(range(len(points)), key=lambda place: tuple(points[place])):
        for front in found:
            if not any(dominates(points[other], points[place]) for other in reversed(front)):
                front.append(place)
                break
        else:
            found.append([place])
    return [sorted(front) for front in found]


def non_dominated(points: Sequence[Costs]) -> list[int]:
    """Positions of the points that no other dominates, ascending: the first of `fronts`, without the others."""
    found: list[int] = []
    for place in sorted(range(len(points)), key=lambda place: tuple(points[place])):
        if len(points[place]) == 2:  # of all before, the last one found has the least second value
            out = bool(found) and dominates(points[found[-1]], points[place])
        else:
            out = any(dominates(points[other], points[place]) for other in reversed(found))
        if not out:
            found.append(place)
    return sorted(found)


def pareto_points(front: Iterable[Costs]) -> list[tuple[float, ...]]:
    """The distinct points of a front, in its order: candidates with equal objectives are one point.

    >>> pareto_points([(1.0, 4.0), (1.0, 4.0), (2.0, 3.0)])
    [(1.0, 4.0), (2.0, 3.0)]
    """
    return list(dict.fromkeys(map(tuple, front)))


def coverage(first: Sequence[Costs], second: Sequence[Costs]) -> float | None:
    """The share of the second points that a point of the first equals or dominates; None if there is no second point.

    C(A, B) = |{b in B: some a in A is nowhere worse than b}| / |B|      (Zitzler and Thiele, 1998)

    C(A, B) and C(B, A) are two numbers: equal points are covered both ways, and points of which none dominates the
    other neither way. A point that several candidates have counts once.
    """
    points = pareto_points(second)
    if not points:
        return None
    covered = sum(any(all(x <= y for x, y in zip(a, b, strict=True)) for a in first) for b in points)
    return covered / len(points)


def constrained_fronts(points: Sequence[Costs], violations: Sequence[float]) -> list[list[int]]:
    """`fronts` under constraint domination: feasible points first, then the others by how far they violate limits."""
    feasible = [place for place, violation in enumerate(violations) if not violation]
    found = [[feasible[place] for place in front] for front in fronts([points[place] for place in feasible])]
    worse = sorted((place for place, violation in enumerate(violations) if violation), key=lambda p: (violations[p], p))
    return found + [list(same) for _, same in groupby(worse, key=lambda place: violations[place])]


def crowding(points: Sequence[Costs]) -> list[float]:
    """Crowding distance of each point of a front: the distance between its two neighbours, divided by the range,
    averaged over objectives.

    Extremes of an objective have infinite distance, unless all points are equal in it. One or two points both have.
    """
    if len(points) <= 2:
        return [inf] * len(points)
    distances = [0.0] * len(points)
    num_objectives = len(points[0])
    for objective in range(num_objectives):
        order = sorted(range(len(points)), key=lambda place: points[place][objective])
        values = [points[place][objective] for place in order]
        span = values[-1] - values[0]
        if span == 0:
            continue
        distances[order[0]] = distances[order[-1]] = inf
        for position in range(1, len(order) - 1):
            distances[order[position]] += (values[position + 1] - values[position - 1]) / span / num_objectives
    return distances
