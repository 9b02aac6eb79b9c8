"""Does a supernet rank its subnets as training them alone would? Which to retrain, and how certain the answer is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.analysis.correlation import kendall_tau

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
