"""Are the redundant channels the higher ones (paper, Section 3)? Kendall's tau, and an exact permutation test of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.analysis.correlation import kendall_tau
from autospikformer_cli.analysis.paired import SIGNIFICANCE

Floats = NDArray[np.float64]
OrderVerdict = Literal["confirmed", "not confirmed", "cannot be told"]

DECIMALS = 12
"""Similarities that agree in so many decimals are tied: sums are rounded differently."""
CLAIM = "most of the redundant channels are found at higher-order channels"
"""The paper's words (Section 3)."""


@dataclass(frozen=True)
class ChannelOrder:
    """How redundancy goes with a channel's number.

    tau: Kendall's tau-b of number and mean SSIM; None if it is undefined. p_higher, p_lower: the share of all orders of
    the channels with at least, or at most, this tau. least_p: that of the best possible tau.
    lower_half, upper_half: mean of the mean SSIM over the lower and the upper half of the channels; of an odd number,
    without the middle one.
    """

    num_channels: int
    tau: float | None
    p_higher: float | None
    p_lower: float | None
    least_p: float
    lower_half: float
    upper_half: float

    @property
    def verdict(self) -> OrderVerdict:
        """Of the paper's claim, that higher channels are more redundant.

        It cannot be told if tau is undefined, or if even a perfect order of so few channels could be chance.
        """
        if self.p_higher is None or self.least_p >= SIGNIFICANCE:
            return "cannot be told"
        return "confirmed" if self.p_higher < SIGNIFICANCE else "not confirmed"

    @property
    def meaning(self) -> str:
        """The verdict in a sentence."""
        told = f'It cannot be told whether "{CLAIM}"'
        if self.tau is None:
            return f"{told}: all channels are equally redundant"
        if self.verdict == "cannot be told":
            return f"{told}: even a perfect order of {self.num_channels} such channels may be chance"
        said = f'The paper\'s claim, "{CLAIM}",'
        if self.verdict == "confirmed":
            return f"{said} is confirmed in this network"
        if self.p_lower is not None and self.p_lower < SIGNIFICANCE:
            return f"{said} is not confirmed in this network: the lower channels are the redundant ones"
        return f"{said} is not confirmed in this network: this order may be chance"

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "kendall_tau": self.tau,
            "p_higher": self.p_higher,
            "p_lower": self.p_lower,
            "mean_ssim_lower_half": self.lower_half,
            "mean_ssim_upper_half": self.upper_half,
            "verdict": self.verdict,
            "meaning": self.meaning,
        }


def channel_order(mean_ssim: Sequence[float]) -> ChannelOrder:
    """Kendall's tau-b of a channel's number and its mean SSIM, with the exact permutation test over channel numbers.

    Channels' redundancies depend on each other: each pair's SSIM is in two of them. The test does not need them to be
    independent. Its null hypothesis is that the channels could have been numbered in any order: rows and columns of the
    matrix are permuted together, so the means keep their values and change their places. Raises ValueError for fewer
    than 2 channels.
    """
    num = len(mean_ssim)
    if num < 2:
        raise ValueError("a single channel has no order")
    means = np.round(np.asarray(mean_ssim, np.float64), DECIMALS)
    tau = kendall_tau(list(range(num)), list(means))
    concordant, discordant = (
        int(np.triu(ordered, 1).sum()) for ordered in (means[:, None] < means, means[:, None] > means)
    )
    chances = discordant_chances(np.unique(means, return_counts=True)[1])
    half = num // 2
    return ChannelOrder(
        num_channels=num,
        tau=tau,
        p_higher=None if tau is None else _share(chances[: discordant + 1]),
        p_lower=None if tau is None else _share(chances[: concordant + 1]),  # as many ways as with as few discordant
        least_p=float(chances[0]),
        lower_half=float(np.mean(mean_ssim[:half])),
        upper_half=float(np.mean(mean_ssim[-half:])),
    )


def _share(chances: Floats) -> float:
    return min(1.0, float(chances.sum()))


def discordant_chances(tied: Sequence[int] | NDArray[np.int64]) -> Floats:
    """The probability of each number of discordant pairs, from 0 on, if all orders of n values are equally likely.

    tied: how many values are equal, for each different value. The generating function is the multinomial

    prod_{i=1..n} (1 - q^i) / prod_g prod_{i=1..t_g} (1 - q^i)                              (MacMahon, 1915)

    Groups are placed one after the other, so that every step is a polynomial without negative coefficients.
    """
    chances, placed = np.ones(1), 0
    for group in tied:
        for i in range(1, int(group) + 1):
            chances = _divided(_times(chances, placed + i), i) * (i / (placed + i))
        placed += int(group)
    return np.maximum(chances, 0.0)


def _times(chances: Floats, power: int) -> Floats:
    """A polynomial times 1 - q^power."""
    longer = np.concatenate([chances, np.zeros(power)])
    longer[power:] -= chances
    return longer


def _divided(chances: Floats, power: int) -> Floats:
    """A multiple of 1 - q^power, divided by it: sums of every power-th coefficient."""
    rows = -(-len(chances) // power)
    padded = np.concatenate([chances, np.zeros(rows * power - len(chances))])
    return padded.reshape(rows, power).cumsum(axis=0).ravel()[: len(chances) - power]
