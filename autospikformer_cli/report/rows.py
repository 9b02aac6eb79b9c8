"""The lines of a table of candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.analysis.paired import SIGNIFICANCE, mcnemar_of
from autospikformer_cli.search.alike import Alike
from autospikformer_cli.search.fitness import Scored
from autospikformer_cli.space import Subnet

HIGHER, NOT_APART, LOWER, UNTESTED = "+", "~", "-", "?"
"""How an accuracy compares with the baseline's. These are McNemar's exact test of the same images."""


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
        """How its accuracy compares with the baseline's: HIGHER or LOWER by more than chance, NOT_APART or UNTESTED.

        UNTESTED: answers by image are not stored. "" without a baseline, and for what the paper printed.
        """
        if baseline is None or self.printed:
            return ""
        if self.answers is None or baseline.answers is None:
            return UNTESTED
        if mcnemar_of(self.answers, baseline.answers) >= SIGNIFICANCE:
            return NOT_APART
        return HIGHER if self.top1 > baseline.top1 else LOWER

    def saves(self, baseline: CandidateRow | None) -> bool:
        """Whether it needs less energy than the baseline."""
        return baseline is not None and self.energy_j < baseline.energy_j


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


def accurate_share(different: Sequence[Alike], share: float = 0.2) -> tuple[list[Alike], bool]:
    """The most accurate candidates, less energy first in ties: a share of all (the paper: 20 %), with all ties of the
    last one. Second, whether they are no more than that share.
    """
    ordered = sorted(different, key=lambda alike: (-alike.top1, alike.energy_j))
    count = max(1, round(share * len(ordered)))
    accurate = [alike for alike in ordered if alike.top1 >= ordered[min(count, len(ordered)) - 1].top1]
    return accurate, len(accurate) <= count


def top_accuracy(different: Sequence[Alike], limit: int = 10) -> list[Alike]:
    """The first of the most accurate candidates, at most `limit`: the rows of a table."""
    return accurate_share(different)[0][:limit]


def ties_text(different: Sequence[Alike], limit: int = 10) -> str | None:
    """How many are as accurate as the last row of a table of top accuracies, and left out of it; None for none."""
    accurate, _ = accurate_share(different)
    tied = sum(alike.top1 == accurate[limit - 1].top1 for alike in accurate[limit:])
    if not tied:
        return None
    return f"left out: {tied} more with {accurate[limit - 1].top1:.2f} %, which need as much energy or more"
