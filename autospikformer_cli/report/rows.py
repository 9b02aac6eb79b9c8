"""The lines of a table of candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.analysis.paired import SIGNIFICANCE, mcnemar_of
from autospikformer_cli.search.alike import Alike
from autospikformer_cli.search.fitness import Scored
from autospikformer_cli.space import Subnet

WIN = "+"
WITHIN_CHANCE = "~"


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One candidate, measured here or printed in the paper. None: not known.

    energy_j: joules for the inference of one image. top1: percent. interval: 95 %, in percent.
    silent: numbers of silent layers and channels. answers: see `measurement.Measurement`.
    printed: whether the figures are the paper's, which no test can compare. num_alike: candidates in this line.
    plugin_values: by name of the objective.
    """

    label: str
    subnet: Subnet
    energy_j: float
    top1: float
    interval: tuple[float, float] | None = None
    firing_rate: float | None = None
    params: int | None = None
    fitness: float | None = None
    silent: tuple[int, int] | None = None
    answers: bytes | None = None
    printed: bool = False
    num_alike: int = 1
    plugin_values: Mapping[str, float] = field(default_factory=dict, compare=False)

    def mark(self, baseline: CandidateRow | None) -> str:
        """How it compares with the baseline, if it needs less energy.

        WIN: equal accuracy, or higher accuracy by more than chance (McNemar's exact test on the same images).
        WITHIN_CHANCE: higher accuracy, by no more than chance, or without stored answers to test it by.
        "": lower accuracy or no less energy.
        """
        if baseline is None or not self.energy_j < baseline.energy_j or self.top1 < baseline.top1:
            return ""
        if self.printed or self.top1 == baseline.top1:
            return WIN
        known = self.answers is not None and baseline.answers is not None
        return WIN if known and self._by_more_than_chance(baseline) else WITHIN_CHANCE

    def _by_more_than_chance(self, other: CandidateRow) -> bool:
        assert self.answers is not None
        assert other.answers is not None
        return mcnemar_of(self.answers, other.answers) < SIGNIFICANCE


def candidate_row(scored: Scored, label: str | None = None, num_alike: int = 1) -> CandidateRow:
    """The row of a scored candidate. label: its id, by default."""
    measured = scored.candidate.measurement
    return CandidateRow(
        label=scored.id if label is None else label,
        subnet=scored.subnet,
        energy_j=scored.energy_j,
        top1=scored.top1,
        interval=binomial_interval(measured.correct, measured.images),
        firing_rate=measured.firing_rate,
        params=measured.params,
        fitness=scored.fitness,
        silent=(len(measured.silent_layers), measured.silent_channels) if measured.spikes else None,
        answers=measured.answers,
        num_alike=num_alike,
        plugin_values=scored.candidate.plugin_values,
    )


def equal_looking_notes(rows: Sequence[CandidateRow]) -> list[str]:
    """For rows of different subnets with equal numbers: why they are not one row. They differ in a count.

    Few counts are priced. For example, the convention `sound` prices attention by its mean input rate, and not by its
    events, in which two numbers of heads differ.
    """
    groups: dict[object, list[CandidateRow]] = {}
    for row in rows:
        if row.answers is not None:
            numbers = (row.energy_j, row.top1, row.answers, row.params, row.firing_rate, row.silent)
            groups.setdefault(numbers, []).append(row)
    found = [group for group in groups.values() if len({row.subnet for row in group}) > 1]
    return [
        f"{', '.join(row.label for row in group)}: equal numbers, but other counts, which other rules may price"
        for group in found
    ]


def row_of_alike(alike: Alike) -> CandidateRow:
    """The row of candidates that agree in every measured number: that of the best of them."""
    return candidate_row(alike.best, num_alike=len(alike.ids))


def top_accuracy(different: tuple[Alike, ...], share: float = 0.2, limit: int = 10) -> list[Alike]:
    """The most accurate candidates, less energy first in ties: a share of all (the paper: 20 %), at most `limit`."""
    count = min(limit, max(1, round(share * len(different))))
    return sorted(different, key=lambda alike: (-alike.top1, alike.energy_j))[:count]
