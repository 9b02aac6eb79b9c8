"""Dominance and Pareto fronts under (most top-1, least energy)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Protocol, TypeVar


class Point(Protocol):
    """Anything with an accuracy in percent and an energy in joules, both finite."""

    @property
    def top1(self) -> float: ...
    @property
    def energy_j(self) -> float: ...


P = TypeVar("P", bound=Point)


def dominates(a: Point, b: Point) -> bool:
    """Whether a is no worse than b in both objectives and better in one."""
    no_worse = a.top1 >= b.top1 and a.energy_j <= b.energy_j
    return no_worse and (a.top1 > b.top1 or a.energy_j < b.energy_j)


def pareto_front(points: Iterable[P]) -> list[P]:
    """The non-dominated points, least energy first; equal points are all kept, in their given order. O(n log n)."""
    front: list[P] = []
    ordered = sorted(points, key=lambda point: (point.energy_j, -point.top1))
    for _, same_energy in groupby(ordered, key=lambda point: point.energy_j):
        best, *rest = same_energy
        if not front or best.top1 > front[-1].top1:
            front += [best, *(point for point in rest if point.top1 == best.top1)]
    return front
