"""The lines of a table of candidates."""

from __future__ import annotations

from dataclasses import dataclass

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.search.fitness import Scored


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One candidate, measured here or printed in the paper. None: not known.

    energy_j: joules for the inference of one image. top1: percent. interval: 95 %, in percent.
    """

    label: str
    subnet: str
    energy_j: float
    top1: float
    interval: tuple[float, float] | None = None
    firing_rate: float | None = None
    params: int | None = None
    fitness: float | None = None

    def beats(self, other: CandidateRow | None) -> bool:
        """Whether both objectives are better: less energy and more accuracy."""
        return other is not None and self.energy_j < other.energy_j and self.top1 > other.top1


def candidate_row(scored: Scored, label: str | None = None) -> CandidateRow:
    """The row of a scored candidate. label: its id, by default."""
    measured = scored.candidate.measurement
    return CandidateRow(
        label=scored.id if label is None else label,
        subnet=str(scored.subnet),
        energy_j=scored.energy_j,
        top1=scored.top1,
        interval=binomial_interval(measured.correct, measured.images),
        firing_rate=measured.firing_rate,
        params=measured.params,
        fitness=scored.fitness,
    )


def top_accuracy(ranked: tuple[Scored, ...], share: float = 0.2, limit: int = 10) -> list[Scored]:
    """The most accurate candidates, less energy first in ties: a share of all (the paper: 20 %), at most `limit`."""
    count = min(limit, max(1, round(share * len(ranked))))
    return sorted(ranked, key=lambda scored: (-scored.top1, scored.energy_j))[:count]
