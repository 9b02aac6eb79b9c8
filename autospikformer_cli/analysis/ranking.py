"""Does a supernet rank its subnets as training them alone would? Which to retrain, and how certain the answer is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import factorial
from random import Random

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.analysis.correlation import binomial_interval, kendall_tau
from autospikformer_cli.space import Subnet

Integers = NDArray[np.int64]

RESAMPLES = 2000
CONFIDENCE = 0.95


def stratified_order(accuracies: Sequence[float], names: Sequence[str], seed: int) -> list[int]:
    """Row numbers in an order whose first n are a stratified sample, for every n.

    The rows are sorted by accuracy and halved, again and again. Each half without a row in the sample gives one, drawn
    by lot, in the order in which the other halves gave theirs. So for 2^k <= n < 2^(k+1), each of 2^k equal strata of
    accuracy has one or two of the first n rows. A larger sample contains a smaller one. Lots are a function of seed
    and name. Raises ValueError if the columns differ in length.
    """
    if len(accuracies) != len(names):
        raise ValueError(f"{len(accuracies)} accuracies of {len(names)} names")
    lots = [Random(f"ranking {seed} {name}").random() for name in names]
    rows = sorted(range(len(names)), key=lambda row: (accuracies[row], names[row]))
    strata, order = [rows], [min(rows, key=lots.__getitem__)] if rows else []
    while len(order) < len(rows):
        taken, free = [], []
        for stratum, row in zip(strata, order, strict=True):
            halves = stratum[: len(stratum) // 2], stratum[len(stratum) // 2 :]
            own, other = halves if row in halves[0] else halves[::-1]
            taken.append(own)
            if other:
                free.append(other)
        strata = taken + free
        order += [min(half, key=lots.__getitem__) for half in free]
    return order


@dataclass(frozen=True)
class TauInterval:
    """Percentile interval of a bootstrapped tau-b. drawn: number of resamples. resamples: those that had a tau."""

    low: float
    high: float
    resamples: int
    drawn: int


def bootstrap_tau(
    a: Sequence[float], b: Sequence[float], seed: int, resamples: int = RESAMPLES, confidence: float = CONFIDENCE
) -> TauInterval | None:
    """The interval of Kendall's tau-b over resamples of the rows, with replacement; None if no tau exists.

    With s_ij = sign(a_i - a_j), t_ij = sign(b_i - b_j) and w_i how often a resample has row i,

    tau-b = sum w_i w_j s_ij t_ij / sqrt(sum w_i w_j |s_ij| sum w_i w_j |t_ij|)             (Kendall, 1945)

    A resample with a constant column has no tau and is left out. Shapes: R resamples, N rows.
    Raises ValueError if the columns differ in length.
    """
    if kendall_tau(a, b) is None:
        return None
    signs_a, signs_b = (np.sign(np.subtract.outer(column, column)).astype(np.int64) for column in (a, b))
    times_RN = np.random.default_rng(seed).multinomial(len(a), np.full(len(a), 1 / len(a)), size=resamples)

    def pairs(matrix_NN: Integers) -> Integers:
        sums_R: Integers = ((times_RN @ matrix_NN) * times_RN).sum(axis=1)
        return sums_R

    squared_R = pairs(np.abs(signs_a)) * pairs(np.abs(signs_b))
    ordered = squared_R > 0
    if not ordered.any():
        return None
    taus = pairs(signs_a * signs_b)[ordered] / np.sqrt(squared_R[ordered])
    low, high = np.quantile(taus, [(1 - confidence) / 2, (1 + confidence) / 2])
    return TauInterval(float(low), float(high), int(ordered.sum()), resamples)


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
class Retrained:
    """A subnet's numbers of correct answers, with inherited weights and after retraining it alone."""

    id: str
    subnet: Subnet
    inherited: int
    retrained: int


@dataclass(frozen=True)
class Ranking:
    """A retrained sample of an archive.

    images: number of images of the split. calibration_images: None if BatchNorm was not recalibrated. epochs,
    train_images, from_scratch: of the retraining. archive: number of candidates to sample from. searches: names
    of those that measured them. seed: of sample, retraining and bootstrap.
    """

    subnets: tuple[Retrained, ...]
    split: str
    images: int
    batchnorm: str
    calibration_images: int | None
    engine: str
    epochs: int
    train_images: int
    from_scratch: bool
    archive: int
    searches: tuple[str, ...]
    seed: int

    @cached_property
    def columns(self) -> tuple[list[int], list[int]]:
        """Numbers of correct answers: inherited, and retrained."""
        return [each.inherited for each in self.subnets], [each.retrained for each in self.subnets]

    @cached_property
    def tau(self) -> float | None:
        """Kendall's tau-b; None if all subnets of a column are equally accurate."""
        return kendall_tau(*self.columns)

    @cached_property
    def interval(self) -> TauInterval | None:
        """The interval of tau, bootstrapped over the subnets of the sample."""
        return bootstrap_tau(*self.columns, self.seed)

    @cached_property
    def pairs(self) -> PairCounts:
        """How the two columns order each pair of subnets."""
        return pair_counts(*self.columns)

    @cached_property
    def moves(self) -> list[tuple[float, float, float]]:
        """For each subnet: its inherited rank, its retrained rank, and the number of ranks that it rose."""
        return [(before, after, before - after) for before, after in zip(*map(ranks, self.columns), strict=True)]

    @property
    def meaning(self) -> str:
        """What tau and its interval say about the supernet, in a sentence."""
        num, interval = len(self.subnets), self.interval
        if self.tau is None or interval is None:
            flat = [
                name for name, column in zip(("inherited", "retrained"), self.columns, strict=True) if _flat(column)
            ]
            return (
                f"These {num} subnets do not tell how the supernet ranks: in {' and in '.join(flat)} accuracy they are "
                "all equal. Take a larger --sample, or search on more images."
            )
        if interval.low == interval.high:
            order = "the same order" if self.tau > 0 else "the opposite order"
            return (
                f"All pairs are in {order}, so all resamples agree and the interval is no measure of doubt: by chance "
                f"{num} subnets fall so once in {factorial(num):,} times. A larger --sample puts it to the test."
            )
        if interval.low <= 0 <= interval.high:
            return (
                f"So {num} subnets do not tell whether the supernet ranks better than chance: 0 lies in the interval. "
                "About 4 times as many would halve it."
            )
        how = "better" if interval.low > 0 else "worse"
        return (
            f"So the supernet ranks {how} than chance; by how much, {num} subnets tell only to within the interval. "
            "About 4 times as many would halve it."
        )

    def to_document(self) -> dict[str, object]:
        """The sample as JSON, in the order drawn. Accuracies are in percent; undefined values are null."""
        interval, pairs = self.interval, self.pairs
        return {
            "kendall_tau": self.tau,
            "tau_interval": None if interval is None else [interval.low, interval.high],
            "confidence": CONFIDENCE,
            "resamples": RESAMPLES,
            "resamples_with_an_order": 0 if interval is None else interval.resamples,
            "pairs": {"alike": pairs.alike, "reversed": pairs.reversed, "tied": pairs.tied},
            "meaning": self.meaning,
            "split": self.split,
            "images": self.images,
            "batchnorm": self.batchnorm,
            "calibration_images": self.calibration_images,
            "engine": self.engine,
            "epochs": self.epochs,
            "train_images": self.train_images,
            "from_scratch": self.from_scratch,
            "seed": self.seed,
            "num_candidates": self.archive,
            "num_searches": len(self.searches),
            "searches": list(self.searches),
            "subnets": [
                {
                    "id": each.id,
                    "subnet": each.subnet.to_numbers(),
                    "inherited": _accuracy_document(each.inherited, self.images, move[0]),
                    "retrained": _accuracy_document(each.retrained, self.images, move[1]),
                    "moved": move[2],
                }
                for each, move in zip(self.subnets, self.moves, strict=True)
            ],
        }


def _flat(column: Sequence[int]) -> bool:
    return len(set(column)) < 2


def _accuracy_document(correct: int, images: int, rank: float) -> dict[str, object]:
    interval = list(binomial_interval(correct, images))
    return {"top1": 100.0 * correct / images, "top1_interval": interval, "correct": correct, "rank": rank}
