"""Rank correlation of two columns, and the confidence interval of an accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from math import atanh, sqrt, tanh
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

LEAST_ROWS_OF_AN_INTERVAL = 10
"""Fewer rows say too little of tau's variance for an interval."""


def kendall_tau(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Kendall's tau-b (corrected for ties) of two columns; None for fewer than 2 rows or a constant column.

    tau_b = (P - Q) / sqrt((n0 - t_a) (n0 - t_b))                        (Kendall, 1945)

    with P concordant and Q discordant pairs of n0, and t_a, t_b pairs that are tied in a column. O(n log^2 n).
    Raises ValueError if the columns differ in length.
    """
    pairs = _pair_sums(a, b)
    return None if pairs is None else _tau(pairs)


def tau_interval(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """The interval of Kendall's tau-b for rows that were drawn independently; None if it has none.

    The infinitesimal jackknife (Efron, 1982): with s_i the concordant minus the discordant pairs of row i, a_i and b_i
    its pairs that a column orders, and S, A, B the sums of these over all rows,

    U_i = 2 n s_i / sqrt(A B) - tau n (a_i / A + b_i / B),   var(tau) = sum U_i^2 / n^2

    The interval is symmetric in atanh(tau), so it stays within -1 to 1. None for fewer than 10 rows, and for a tau
    of -1 or 1.
    """
    import numpy as np

    pairs = _pair_sums(a, b)
    if pairs is None or len(a) < LEAST_ROWS_OF_AN_INTERVAL:
        return None
    num, tau = len(a), _tau(pairs)
    if 1.0 - abs(tau) < 1e-12:
        return None
    sum_a, sum_b = float(pairs.ordered_a.sum()), float(pairs.ordered_b.sum())
    influence = 2 * num * pairs.agreement / sqrt(sum_a) / sqrt(sum_b)
    influence = influence - tau * num * (pairs.ordered_a / sum_a + pairs.ordered_b / sum_b)
    deviation = float(np.sqrt((influence**2).sum())) / num / (1 - tau * tau)
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * deviation
    return tanh(atanh(tau) - half), tanh(atanh(tau) + half)


class _PairSums(NamedTuple):
    """For each row, of its pairs with all others: concordant minus discordant ones, and those each column orders."""

    agreement: Counts
    ordered_a: Counts
    ordered_b: Counts


def _tau(pairs: _PairSums) -> float:
    ordered = int(pairs.ordered_a.sum()), int(pairs.ordered_b.sum())
    tau = int(pairs.agreement.sum()) / sqrt(ordered[0]) / sqrt(ordered[1])
    return max(-1.0, min(1.0, tau))


def _pair_sums(a: Sequence[float], b: Sequence[float]) -> _PairSums | None:
    """None for fewer than 2 rows or a constant column. Raises ValueError if the columns differ in length."""
    if len(a) != len(b):
        raise ValueError(f"columns of {len(a)} and {len(b)} rows have no rank correlation")
    if len(a) < 2 or len(set(a)) < 2 or len(set(b)) < 2:
        return None
    import numpy as np

    _, x, tied_x = np.unique(np.asarray(a, float), return_inverse=True, return_counts=True)
    _, y, tied_y = np.unique(np.asarray(b, float), return_inverse=True, return_counts=True)
    _, both, tied_both = np.unique(x * len(tied_y) + y, return_inverse=True, return_counts=True)
    num = len(x)
    ordered_by_both = num - tied_x[x] - tied_y[y] + tied_both[both]
    concordant = _num_below(x, y) + _num_below(len(tied_x) - 1 - x, len(tied_y) - 1 - y)
    return _PairSums(2 * concordant - ordered_by_both, num - tied_x[x], num - tied_y[y])


def _num_below(x: Counts, y: Counts) -> Counts:
    """For each row, how many rows are less in both columns of ranks.

    The rows are sorted by x. Then halves of blocks are merged by y, and each row of a right half counts the rows of
    its left half that are less in y.
    """
    import numpy as np

    num, span = len(x), int(y.max()) + 1
    order = np.lexsort((-y, x))  # rows of equal x: y descends, so that none of them counts another
    ranks, place, below = y[order], np.arange(num), np.zeros(num, np.int64)
    width = 1
    while width < num:
        block, in_left = place // (2 * width), place // width % 2 == 0
        by = np.argsort(((block * span + ranks) * 2) + in_left)  # of equal y, the right half comes first
        less = np.cumsum(in_left[by]) - block[by] * width
        below[by] += np.where(in_left[by], 0, less)
        width *= 2
    found = np.empty(num, np.int64)
    found[order] = below
    return found


def binomial_interval(correct: float, images: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of an accuracy, in percent.

    (p + z^2/2n -+ z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n)         (Wilson, 1927)

    with p = correct / images, n = images, z the normal quantile. An estimated `correct` need not be a whole number.
    Raises ValueError unless 0 <= correct <= images and images > 0.
    """
    if not 0 <= correct <= images or images == 0:
        raise ValueError(f"{correct} of {images} images is no accuracy")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = correct / images
    centre = share + z * z / (2 * images)
    half = z * sqrt(share * (1 - share) / images + (z / (2 * images)) ** 2)
    scale = 100.0 / (1 + z * z / images)
    low = 0.0 if correct == 0 else (centre - half) * scale
    high = 100.0 if correct == images else (centre + half) * scale
    return low, high
