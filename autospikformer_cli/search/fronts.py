"""Pareto fronts of accuracy and energy: more top-1 and less energy are better."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Protocol, TypeVar


class Point(Protocol):
    """Anything with a finite accuracy and energy."""

    @property
    def top1(self) -> float:
        """Accuracy in percent."""

    @property
    def energy_j(self) -> float:
        """Energy in joules."""


P = TypeVar("P", bound=Point)


def pareto_front(points: Iterable[P]) -> list[P]:
    """The points that no other dominates, least energy first. Equal points all stay, in the given order. O(n log n)."""
    front: list[P] = []
    ordered = sorted(points, key=lambda point: (point.energy_j, -point.top1))
    for _, same_energy in groupby(ordered, key=lambda point: point.energy_j):
        best, *rest = same_energy
        if not front or best.top1 > front[-1].top1:
            front += [best, *(point for point in rest if point.top1 == best.top1)]
    return front
