"""What one line of a table of candidates holds."""

from __future__ import annotations

from dataclasses import dataclass

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.search.fitness import Scored


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One candidate, measured here or printed in the paper.

    top1 and interval (95 %) in percent, energy in joules an inference of one image; None where it is not known.
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
    """The row of a scored candidate, by its id or another label."""
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
    """The most accurate candidates, ties by energy: a share of all (the paper's top 20 %), `limit` of them at most."""
    count = min(limit, max(1, round(share * len(ranked))))
    return sorted(ranked, key=lambda scored: (-scored.top1, scored.energy_j))[:count]
