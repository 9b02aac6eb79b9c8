"""Candidates that agree in every measured number, taken together: they differ only in genes without effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autospikformer_cli.search.fitness import Scored


@dataclass(frozen=True, slots=True)
class Alike:
    """Scored candidates with equal measurements, equal energy and equal values in the objectives of plugins.

    best: the first of them in the ranking. ids: of all of them, in the ranking's order.
    """

    best: Scored
    ids: tuple[str, ...]

    @property
    def top1(self) -> float:
        """Accuracy in percent."""
        return self.best.top1

    @property
    def energy_j(self) -> float:
        """Energy of an image in joules."""
        return self.best.energy_j


def different(ranked: Sequence[Scored]) -> tuple[Alike, ...]:
    """Every different result of a ranking, in its order, with the candidates that share it.

    Few candidates share an energy. These are compared in every count.
    """
    energies = np.array([scored.energy_j for scored in ranked])
    _, inverse, times = np.unique(energies, return_inverse=True, return_counts=True)
    groups: list[list[Scored]] = []
    near: dict[tuple[object, ...], list[list[Scored]]] = {}
    for scored, is_alone in zip(ranked, (times[inverse] == 1).tolist(), strict=True):
        group = None if is_alone else _group_of(scored, near)
        if group is None:
            groups.append([scored])
        elif group:
            group.append(scored)
        else:
            group.append(scored)
            groups.append(group)
    return tuple(Alike(members[0], tuple([each.id for each in members])) for members in groups)


def _group_of(scored: Scored, near: dict[tuple[object, ...], list[list[Scored]]]) -> list[Scored]:
    """The group of the candidates that a scored one is alike, which is empty for the first. near: groups so far."""
    measured, values = scored.candidate.measurement, scored.candidate.plugin_values
    shown = str(sorted(values.items())) if values else ""  # as text, nan equals nan
    found = near.setdefault((scored.energy_j, measured.correct, measured.params, measured.answers, shown), [])
    for group in found:
        if group[0].candidate.measurement == measured:
            return group
    found.append([])
    return found[-1]
