"""How many subnets an interval of Kendall's tau needs. Known before anything is measured."""

from __future__ import annotations

from math import atanh, sqrt, tanh
from statistics import NormalDist

from autospikformer_cli.analysis.correlation import LEAST_ROWS_OF_AN_INTERVAL

FIELLER = 0.437
"""Variance of atanh(tau) times (n - 4), for n rows of a normal pair (Fieller, Hartley and Pearson, 1957)."""
HALF_WIDTH = 0.2
"""Of the interval that a number of subnets is stated for."""


def expected_half_width(num: int, tau: float, confidence: float = 0.95) -> float:
    """Half the width of tau's interval, of `num` independent rows: 1, which is all, of fewer than 5.

    tanh(atanh(tau) ± z sqrt(0.437 / (n - 4)))                   (Fieller, Hartley and Pearson, 1957)
    """
    if num < 5:
        return 1.0
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * sqrt(FIELLER / (num - 4))
    return (tanh(atanh(tau) + half) - tanh(atanh(tau) - half)) / 2


def subnets_needed(half_width: float, tau: float, confidence: float = 0.95) -> int:
    """The smallest number of rows whose expected interval is tau ± half_width, or narrower; 10 at least.

    >>> subnets_needed(0.2, 0.0), subnets_needed(0.2, 0.5)
    (45, 28)
    """
    num = LEAST_ROWS_OF_AN_INTERVAL
    while expected_half_width(num, tau, confidence) > half_width:
        num += 1
    return num
