"""Candidates that agree in every measured number, taken together: they differ only in genes without effect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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


def different(ranked: Iterable[Scored]) -> tuple[Alike, ...]:
    """Every different result of a ranking, in its order, with the candidates that share it.

    Numbers that are quickly compared come first: those that agree in them are few, and are compared in every count.
    """
    groups: list[list[Scored]] = []
    near: dict[tuple[object, ...], list[list[Scored]]] = {}
    for scored in ranked:
        measured, values = scored.candidate.measurement, scored.candidate.plugin_values
        shown = str(sorted(values.items())) if values else ""  # as text, nan equals nan
        key = (measured.correct, measured.params, measured.answers, scored.energy_j, shown)
        found = near.setdefault(key, [])
        group = next((each for each in found if each[0].candidate.measurement == measured), None)
        if group is None:
            groups.append([scored])
            found.append(groups[-1])
        else:
            group.append(scored)
    return tuple(Alike(members[0], tuple([each.id for each in members])) for members in groups)
