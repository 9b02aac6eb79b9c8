"""Rank correlation of two columns, and the confidence interval of an accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist


def kendall_tau(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Kendall's tau-b (corrected for ties) of two columns; None for fewer than 2 rows or a constant column.

    tau_b = (P - Q) / sqrt((n0 - t_a) (n0 - t_b))                        (Kendall, 1945)

    with P concordant and Q discordant pairs of n0, and t_a, t_b pairs that are tied in a column. O(n^2).
    Raises ValueError if the columns differ in length.
    """
    if len(a) != len(b):
        raise ValueError(f"columns of {len(a)} and {len(b)} rows have no rank correlation")
    if len(a) < 2 or len(set(a)) < 2 or len(set(b)) < 2:
        return None
    import numpy as np

    x, y = np.asarray(a, float), np.asarray(b, float)
    difference = tied_x = tied_y = 0
    for row in range(len(x) - 1):
        order_x, order_y = np.sign(x[row + 1 :] - x[row]), np.sign(y[row + 1 :] - y[row])
        difference += int((order_x * order_y).sum())
        tied_x += int((order_x == 0).sum())
        tied_y += int((order_y == 0).sum())
    pairs = len(x) * (len(x) - 1) // 2
    tau = difference / sqrt(pairs - tied_x) / sqrt(pairs - tied_y)
    return max(-1.0, min(1.0, tau))


def binomial_interval(correct: int, images: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of an accuracy, in percent.

    (p + z^2/2n -+ z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n)         (Wilson, 1927)

    with p = correct / images, n = images, z the normal quantile. Raises ValueError unless 0 <= correct <= images and
    images > 0.
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
