"""Does a supernet rank its subnets as training them alone would? The answer, and how certain it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import sqrt
from typing import Literal

import numpy as np

from autospikformer_cli.analysis.correlation import LEAST_ROWS_OF_AN_INTERVAL, binomial_interval
from autospikformer_cli.analysis.ranked_answers import NoInterval, RankedAnswers, TauChange, TauInterval
from autospikformer_cli.analysis.ranking_noise import CONFIDENCE, RESAMPLES, Floats
from autospikformer_cli.analysis.tau_sample_size import HALF_WIDTH, expected_half_width, subnets_needed
from autospikformer_cli.space import Subnet


@dataclass(frozen=True)
class PairCounts:
    """Pairs of rows that two columns order alike, that they order in reverse, and that are tied in either."""

    alike: int
    reversed: int
    tied: int


def pair_counts(a: Sequence[float], b: Sequence[float]) -> PairCounts:
    """Count all pairs of rows by how the columns order them.

    >>> pair_counts([1, 2, 3], [5, 7, 7])
    PairCounts(alike=2, reversed=0, tied=1)
    """
    products = [(a[i] - a[j]) * (b[i] - b[j]) for i, j in combinations(range(len(a)), 2)]
    return PairCounts(sum(p > 0 for p in products), sum(p < 0 for p in products), sum(p == 0 for p in products))


def ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value: 1 for the largest; tied values share the mean of their ranks.

    >>> ranks([97.0, 98.5, 97.0])
    [2.5, 1.0, 2.5]
    """
    return [
        sum(other > value for other in values) + (sum(other == value for other in values) + 1) / 2 for value in values
    ]


@dataclass(frozen=True)
class MeasuredWay:
    """Another way of measuring the sample without retraining it, and the tau that it has."""

    name: str
    change: TauChange

    def to_document(self) -> dict[str, object]:
        """As JSON; undefined values are null."""
        found = self.change
        return {
            "way": self.name,
            "kendall_tau": found.tau,
            "corrected_tau": found.corrected,
            "change": found.change,
            "change_interval": _ends(found.interval),
            "no_interval": found.interval.why if isinstance(found.interval, NoInterval) else None,
        }


@dataclass(frozen=True, eq=False)
class Ranking:
    """A sample of a space, with inherited weights and retrained.

    diverged: those of the sample that are left out, as a retraining diverged. answers: of the others.
    calibration_images: None if BatchNorm was not recalibrated. epochs, train_images, from_scratch, seeds: of the
    retraining. space_size: number of subnets to draw from. seed: of sample and bootstrap.
    """

    subnets: tuple[Subnet, ...]
    diverged: tuple[Subnet, ...]
    answers: RankedAnswers
    ways: tuple[MeasuredWay, ...]
    split: str
    batchnorm: str
    calibration_images: int | None
    engine: str
    epochs: int
    train_images: int
    from_scratch: bool
    space_size: int
    seeds: tuple[int, ...]
    seed: int

    @property
    def images(self) -> int:
        """Number of images of the split."""
        return len(self.answers.inherited_NI[0])

    @cached_property
    def correct_by_seed(self) -> list[list[int]]:
        """Numbers of correct answers of each subnet after each of its retrainings."""
        found: list[list[int]] = np.rint(self.answers.retrained_NSI.sum(axis=2)).astype(int).tolist()
        return found

    @cached_property
    def columns(self) -> tuple[list[float], list[float]]:
        """Numbers of correct answers: inherited, and retrained, the latter a mean over seeds."""
        inherited: list[float] = self.answers.inherited_NI.sum(axis=1).tolist()
        return inherited, [sum(each) / len(each) for each in self.correct_by_seed]

    @cached_property
    def pairs(self) -> PairCounts:
        """How the two columns order each pair of subnets."""
        return pair_counts(*self.columns)

    @cached_property
    def moves(self) -> list[tuple[float, float, float]]:
        """For each subnet: its inherited rank, its retrained rank, and the number of ranks that it rose."""
        return [(before, after, before - after) for before, after in zip(*map(ranks, self.columns), strict=True)]

    @cached_property
    def deviations(self) -> dict[str, float | None]:
        """Standard deviations in points: of both columns, and of their noise. seed_noise: None for one seed."""
        v = self.answers.variances
        variances: dict[str, Floats] = {
            "inherited": v.spread_a,
            "retrained": v.spread_b,
            "inherited_noise": v.images_a,
            "retrained_noise": v.images_b,
            "seed_noise": v.seeds,
        }
        found: dict[str, float | None] = {name: _points(each) for name, each in variances.items()}
        return found | ({"seed_noise": None} if len(self.seeds) == 1 else {})

    @property
    def is_above_ceiling(self) -> bool:
        """Whether tau is larger than what noise leaves of a perfect ranking on average. Chance alone does that."""
        answers = self.answers
        return answers.tau is not None and answers.ceiling is not None and answers.tau > answers.ceiling.mean

    @property
    def verdict(self) -> Literal["better", "worse"] | None:
        """Whether the supernet ranks better or worse than chance; None if the sample does not say."""
        answers, tau, interval = self.answers, self.answers.tau, self.answers.interval
        if tau is None or len(self.subnets) < LEAST_ROWS_OF_AN_INTERVAL:
            return None
        if abs(tau) == 1.0:
            return "better" if tau > 0 else "worse"
        above = answers.ceiling is not None and tau > answers.ceiling.high
        if isinstance(interval, NoInterval) or above or interval.low <= 0 <= interval.high:
            return None
        return "better" if interval.low > 0 else "worse"

    @property
    def meaning(self) -> str:
        """What tau and its interval say about the supernet, in a sentence."""
        num, tau, interval = len(self.subnets), self.answers.tau, self.answers.interval
        if tau is None:
            flat = [
                name for name, column in zip(("inherited", "retrained"), self.columns, strict=True) if _flat(column)
            ]
            return (
                f"These {num} subnets do not say how the supernet ranks: in {' and in '.join(flat)} accuracy they are "
                "all equal. Take a larger --sample, or more images."
            )
        if num < LEAST_ROWS_OF_AN_INTERVAL:
            return (
                f"{num} subnets are too few for a verdict on the ranking: it needs {LEAST_ROWS_OF_AN_INTERVAL} at "
                f"least, and {self.subnets_needed} for an interval of about ±{HALF_WIDTH:g}."
            )
        if self.verdict is not None and abs(tau) == 1.0:
            order = "the same order" if tau > 0 else "the opposite order"
            return (
                f"So the supernet ranks {self.verdict} than chance: all pairs are in {order}, as {num} subnets are by "
                "chance less than once in a million times. By how much, a larger --sample would say."
            )
        if self.verdict is not None:
            how = f"ranks {self.verdict} than chance"
            return f"So the supernet {how}; by how much, {num} subnets say only to within the interval."
        if isinstance(interval, NoInterval):
            return f"So {num} subnets do not say whether the supernet ranks better than chance: {interval.why}."
        if interval.low <= 0 <= interval.high:
            return f"So {num} subnets do not say whether the supernet ranks better than chance: 0 lies in the interval."
        return (
            f"tau lies above all that this noise leaves of a perfect ranking: {num} subnets know neither tau nor its "
            f"ceiling. Take {self.subnets_needed} subnets or more, or more images."
        )

    @property
    def subnets_needed(self) -> int:
        """For an interval of about ±0.2, if tau is what it seems; of too few subnets it may be anything, so 0."""
        few = len(self.subnets) < LEAST_ROWS_OF_AN_INTERVAL
        return max(subnets_needed(HALF_WIDTH, 0.0 if few else self._tau_inside), len(self.subnets) + 1)

    def to_document(self) -> dict[str, object]:
        """The sample as JSON, in the order drawn. Accuracies are in percent; undefined values are null."""
        answers, pairs, interval = self.answers, self.pairs, self.answers.interval
        return {
            "kendall_tau": answers.tau,
            "tau_interval": _ends(interval),
            "no_interval": interval.why if isinstance(interval, NoInterval) else None,
            "expected_half_width": None if isinstance(interval, NoInterval) else self.expected_half_width,
            "tau_ceiling": None if answers.ceiling is None else answers.ceiling.to_document(),
            "corrected_tau": answers.corrected,
            "corrected_interval": _ends(answers.corrected_interval),
            "deviations": self.deviations,
            "ways": [each.to_document() for each in self.ways],
            "confidence": CONFIDENCE,
            "resamples": RESAMPLES,
            "resamples_with_an_order": 0 if isinstance(interval, NoInterval) else interval.resamples,
            "pairs": {"alike": pairs.alike, "reversed": pairs.reversed, "tied": pairs.tied},
            "verdict": self.verdict,
            "meaning": self.meaning,
            "split": self.split,
            "images": self.images,
            "batchnorm": self.batchnorm,
            "calibration_images": self.calibration_images,
            "engine": self.engine,
            "epochs": self.epochs,
            "train_images": self.train_images,
            "from_scratch": self.from_scratch,
            "seeds": list(self.seeds),
            "seed": self.seed,
            "space_size": self.space_size,
            "diverged": [subnet.to_numbers() for subnet in self.diverged],
            "subnets": [self._row(place) for place in range(len(self.subnets))],
        }

    @property
    def expected_half_width(self) -> float:
        """Of an interval of this tau, as formulas have it for so many subnets."""
        return expected_half_width(len(self.subnets), self._tau_inside)

    @property
    def _tau_inside(self) -> float:
        return max(-0.99, min(0.99, self.answers.tau or 0.0))

    def _row(self, place: int) -> dict[str, object]:
        before, after, moved = self.moves[place]
        inherited, retrained = (column[place] for column in self.columns)
        by_seed = zip(self.seeds, self.correct_by_seed[place], strict=True)
        return {
            "subnet": self.subnets[place].to_numbers(),
            "inherited": _accuracy_document(inherited, self.images, before),
            "retrained": _accuracy_document(retrained, self.images, after),
            "by_seed": [
                {"seed": seed, "correct": correct, "top1": 100.0 * correct / self.images} for seed, correct in by_seed
            ],
            "moved": moved,
        }


def _flat(column: Sequence[float]) -> bool:
    return len(set(column)) < 2


def _points(variance: Floats) -> float:
    return 100.0 * sqrt(max(0.0, float(variance[0])))


def _ends(interval: TauInterval | NoInterval) -> list[float] | None:
    return None if isinstance(interval, NoInterval) else [interval.low, interval.high]


def _accuracy_document(correct: float, images: int, rank: float) -> dict[str, object]:
    """correct: a mean over seeds need not be whole. The interval is of images alone."""
    interval = list(binomial_interval(correct, images))
    return {"top1": 100.0 * correct / images, "top1_interval": interval, "correct": correct, "rank": rank}
