"""How far chance decides the order of networks by accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.analysis.paired import SIGNIFICANCE, mcnemar_with_each
from autospikformer_cli.measurement import Measurement


@dataclass(frozen=True, slots=True)
class RankingNoise:
    """The accuracies of networks on the same images, next to what is known of each.

    networks, images: numbers of them. widest: the width of the widest 95 % interval, in points of percent. spread:
    highest minus lowest accuracy, in points. num_apart: networks that differ from the most accurate one by more than
    chance (McNemar's exact test); None if that was not tested: some answers are not stored, or the spread is wider.
    """

    networks: int
    images: int
    widest: float
    spread: float
    num_apart: int | None

    @property
    def mostly_chance(self) -> bool:
        """Whether all accuracies lie within one interval, and less than half of the others differ from the best."""
        if self.spread > self.widest:
            return False
        return self.num_apart is None or 2 * self.num_apart < self.networks - 1

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "widest_interval": self.widest,
            "spread": self.spread,
            "num_apart": self.num_apart,
            "mostly_chance": self.mostly_chance,
        }


def ranking_noise(measured: Sequence[Measurement]) -> RankingNoise | None:
    """That of networks measured on the same images; None for fewer than two networks."""
    if len(measured) < 2:
        return None
    numbers_right = {each.correct for each in measured}
    images = measured[0].images
    intervals = [binomial_interval(correct, images) for correct in numbers_right]
    widest = max(high - low for low, high in intervals)
    spread = 100.0 * (max(numbers_right) - min(numbers_right)) / images
    num_apart = _num_apart(measured) if spread <= widest else None
    return RankingNoise(len(measured), images, widest, spread, num_apart)


def _num_apart(measured: Sequence[Measurement]) -> int | None:
    best = max(measured, key=lambda each: each.correct).answers
    answers = [each.answers for each in measured if each.answers is not None]
    if best is None or len(answers) < len(measured):
        return None
    return sum(probability < SIGNIFICANCE for probability in mcnemar_with_each(best, answers))
