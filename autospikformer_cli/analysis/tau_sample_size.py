"""How many subnets an interval of Kendall's tau needs. Known before anything is measured."""

from __future__ import annotations

from math import atanh, sqrt, tanh
from statistics import NormalDist

FIELLER = 0.437
"""Variance of atanh(tau) times (n - 4), for n rows of a normal pair (Fieller, Hartley and Pearson, 1957)."""
LEAST_SUBNETS = 6
"""The formula needs more than 4; an interval of fewer than 6 says nothing."""


def expected_half_width(num: int, tau: float, confidence: float = 0.95) -> float:
    """Half the width of tau's interval, of `num` independent rows: 1 if there are fewer than 6.

    tanh(atanh(tau) +- z sqrt(0.437 / (n - 4)))                   (Fieller, Hartley and Pearson, 1957)
    """
    if num < LEAST_SUBNETS:
        return 1.0
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * sqrt(FIELLER / (num - 4))
    return (tanh(atanh(tau) + half) - tanh(atanh(tau) - half)) / 2


def subnets_needed(half_width: float, tau: float, confidence: float = 0.95) -> int:
    """The smallest number of rows whose expected interval is tau +- half_width, or narrower.

    >>> subnets_needed(0.2, 0.0), subnets_needed(0.2, 0.5)
    (45, 28)
    """
    num = LEAST_SUBNETS
    while expected_half_width(num, tau, confidence) > half_width:
        num += 1
    return num
