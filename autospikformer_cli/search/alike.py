"""Candidates that agree in every measured number, taken together: they differ only in genes without effect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from autospikformer_cli.measurement import Measurement
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
    """Every different result of a ranking, in its order, with the candidates that share it."""
    groups: dict[tuple[Measurement, float, str], list[Scored]] = {}
    for scored in ranked:
        values = str(sorted(scored.candidate.plugin_values.items()))  # as text, nan equals nan
        groups.setdefault((scored.candidate.measurement, scored.energy_j, values), []).append(scored)
    return tuple(Alike(members[0], tuple(each.id for each in members)) for members in groups.values())
