"""BatchNorm whose statistics come from elsewhere.

Dimension legend: T time steps (1: the same at every step), B images, P positions, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

EPS = 1e-5
"""Added to a variance inside the root."""
MOMENTUM = 0.1


class Moments(NamedTuple):
    """Mean and biased variance of every channel."""

    mean: Tensor
    variance: Tensor

    def first(self, channels: int) -> Moments:
        """Those of the first channels."""
        return Moments(self.mean[:channels], self.variance[:channels])


class ElasticBatchNorm(nn.Module):
    """Parameters and running statistics of the widest layer; a subnet uses its first channels.

    is_sliced: whether subnets differ in how many.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, name: str, is_sliced: bool = True) -> None:
        super().__init__()
        self.name, self.is_sliced = name, is_sliced
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def affine(self, moments: Moments) -> tuple[Tensor, Tensor]:
        """Scale and shift that normalise with the given moments: y = x scale + shift."""
        channels = len(moments.mean)
        scale = self.weight[:channels] * (moments.variance + EPS).rsqrt()
        shift = self.bias[:channels] - moments.mean * scale
        return scale.to(self.weight.dtype), shift.to(self.weight.dtype)

    def scale_and_shift(self, x_TBPC: Tensor, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """What normalises x under the given statistics."""
        return self.affine(statistics.moments(self, x_TBPC.shape[-1], lambda: batch_moments(x_TBPC)))

    def normalised(self, x_TBPC: Tensor, statistics: Statistics) -> Tensor:
        """x normalised under the given statistics."""
        scale, shift = self.scale_and_shift(x_TBPC, statistics)
        return x_TBPC * scale + shift

    @torch.no_grad()
    def track(self, moments: Moments, count: int) -> None:
        """Move the running statistics of the first channels towards a batch's (variance unbiased, as torch's)."""
        channels = len(moments.mean)
        unbiased = moments.variance * (count / max(count - 1, 1))
        self.running_mean[:channels].lerp_(moments.mean.to(self.running_mean), MOMENTUM)
        self.running_var[:channels].lerp_(unbiased.to(self.running_var), MOMENTUM)


class FoldedBatchNorm(ElasticBatchNorm):
    """What is left of a BatchNorm that was folded into the layer before it: nothing to compute, no parameters."""

    def __init__(self, name: str) -> None:
        nn.Module.__init__(self)
        self.name = name

    def scale_and_shift(self, x_TBPC: Tensor, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """One and zero."""
        ones = torch.ones_like(x_TBPC[0, 0, 0])
        return ones, torch.zeros_like(ones)

    def normalised(self, x_TBPC: Tensor, statistics: Statistics) -> Tensor:
        """x itself."""
        return x_TBPC


class Statistics(Protocol):
    """Where a forward pass without gradient takes a layer's moments from."""

    def moments(self, norm: ElasticBatchNorm, channels: int, measure: Callable[[], Moments]) -> Moments:
        """Moments to normalise the first channels with; measure computes those of the batch."""
        ...


def batch_moments(x_TBPC: Tensor) -> Moments:
    """Moments over steps, images and positions, from sums by image in float64.

    The variance is biased, as normalisation in training uses it, and not below 0.
    """
    if x_TBPC.device.type == "cpu":
        from autospikformer_cli.spiking import lif_kernels

        sums_BC, squares_BC = torch.from_numpy(lif_kernels.image_sums(x_TBPC.detach().contiguous().numpy()))
    else:
        sums_BC, squares_BC = x_TBPC.double().sum((0, 2)), x_TBPC.double().square().sum((0, 2))
    count = x_TBPC.numel() // x_TBPC.shape[-1]
    mean, square = sums_BC.sum(0) / count, squares_BC.sum(0) / count
    return Moments(mean, (square - mean.square()).clamp_min(0))


class RunningStatistics:
    """Statistics gathered in training."""

    def moments(self, norm: ElasticBatchNorm, channels: int, measure: Callable[[], Moments]) -> Moments:
        return Moments(norm.running_mean[:channels], norm.running_var[:channels])


class BatchStatistics:
    """Statistics of the very batch where subnets slice, training's elsewhere: as in Auto-Spikformer's published code.

    A prediction depends on the images beside it.
    """

    def moments(self, norm: ElasticBatchNorm, channels: int, measure: Callable[[], Moments]) -> Moments:
        return measure() if norm.is_sliced else RunningStatistics().moments(norm, channels, measure)


@dataclass
class RecordedStatistics:
    """Statistics of the batch, kept by layer: one pass over the calibration images measures a subnet's own."""

    by_layer: dict[str, Moments] = field(default_factory=dict)

    def moments(self, norm: ElasticBatchNorm, channels: int, measure: Callable[[], Moments]) -> Moments:
        self.by_layer[norm.name] = measure()
        return self.by_layer[norm.name]


@dataclass(frozen=True)
class FixedStatistics:
    """Moments measured before, by layer."""

    by_layer: Mapping[str, Moments]

    def moments(self, norm: ElasticBatchNorm, channels: int, measure: Callable[[], Moments]) -> Moments:
        return self.by_layer[norm.name].first(channels)
