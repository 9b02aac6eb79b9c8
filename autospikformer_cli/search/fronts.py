"""Pareto fronts of accuracy and energy: more top-1 and less energy are better."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Protocol, TypeVar

import numpy as np

from autospikformer_cli.search.sorting import pareto_points


class Point(Protocol):
    """Anything with a finite accuracy and energy."""

    @property
    def top1(self) -> float:
        """Accuracy in percent."""

    @property
    def energy_j(self) -> float:
        """Energy in joules."""


def count_points(front: Iterable[Point]) -> int:
    """The distinct points of a front: candidates with equal accuracy and energy are one."""
    return len(pareto_points((each.energy_j, -each.top1) for each in front))


P = TypeVar("P", bound=Point)


def pareto_front(points: Iterable[P]) -> list[P]:
    """The points that no other dominates, least energy first. Equal points all stay, in the given order. O(n log n)."""
    front: list[P] = []
    given = list(points)
    energies, top1s = (np.array([getattr(each, name) for each in given], float) for name in ("energy_j", "top1"))
    order = np.lexsort((-top1s, energies))
    leading = top1s[order] >= np.maximum.accumulate(top1s[order])  # others have less accuracy for no less energy
    ordered = [given[place] for place in order[leading].tolist()]
    for _, same_energy in groupby(ordered, key=lambda point: point.energy_j):
        best, *rest = same_energy
        if not front or best.top1 > front[-1].top1:
            front += [best, *(point for point in rest if point.top1 == best.top1)]
    return front
