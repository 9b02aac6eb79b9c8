"""Rank correlation of two columns, and the confidence interval of an accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist


def kendall_tau(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Kendall's tau-b (corrected for ties) of two columns; None for fewer than 2 rows or a constant column.

    Raises ValueError if the columns differ in length.
    """
    if len(a) != len(b):
        raise ValueError(f"columns of {len(a)} and {len(b)} rows have no rank correlation")
    if len(a) < 2 or len(set(a)) < 2 or len(set(b)) < 2:
        return None
    from scipy.stats import kendalltau

    return float(kendalltau(a, b, variant="b").statistic)


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
