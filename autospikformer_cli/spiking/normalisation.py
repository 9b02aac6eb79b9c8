"""BatchNorm that takes its statistics from elsewhere.

Dimension legend: T time steps (1: the same at every step), B images, P positions, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from autospikformer_cli.spiking.backends import backend_of

EPS = 1e-5
"""Added to a variance inside the root."""
MOMENTUM = 0.1
"""Weight of a batch's moments in the running statistics."""


class Moments(NamedTuple):
    """Mean and biased variance of every channel."""

    mean: Tensor
    variance: Tensor

    def first(self, channels: int) -> Moments:
        """The moments of the first channels."""
        return Moments(self.mean[:channels], self.variance[:channels])

    @classmethod
    def from_sums(cls, sums: Tensor, count: int) -> Moments:
        """From sums as `channel_sums` gives them. count: values of a channel."""
        mean, square = sums / count
        return cls(mean, (square - mean.square()).clamp_min(0))  # rounding can make the difference negative


class ElasticBatchNorm(nn.Module):
    """Parameters and running statistics of the widest layer. A subnet uses its first channels.

    is_sliced: whether subnets differ in the number of channels.
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
        """Scale and shift that normalise x with the given statistics."""
        return self.affine(statistics.moments(self, x_TBPC.shape[-1], lambda: batch_moments(x_TBPC)))

    def normalised(self, x_TBPC: Tensor, statistics: Statistics) -> Tensor:
        """x, normalised with the given statistics."""
        scale, shift = self.scale_and_shift(x_TBPC, statistics)
        return x_TBPC * scale + shift

    @torch.no_grad()
    def track(self, moments: Moments, count: int) -> None:
        """Move the running statistics of the first channels towards a batch's. The variance is unbiased, as torch's.

        count: values of a channel in the batch.
        """
        channels = len(moments.mean)
        unbiased = moments.variance * (count / max(count - 1, 1))
        self.running_mean[:channels].lerp_(moments.mean.to(self.running_mean), MOMENTUM)
        self.running_var[:channels].lerp_(unbiased.to(self.running_var), MOMENTUM)


class FoldedBatchNorm(ElasticBatchNorm):
    """What is left of a BatchNorm that was folded into the layer before it: no parameters, nothing to compute."""

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


class AffineBatchNorm(ElasticBatchNorm):
    """A BatchNorm whose moments are fixed: its scale and shift, computed in advance."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: ElasticBatchNorm) -> None:
        nn.Module.__init__(self)
        self.name = norm.name
        scale, shift = norm.affine(Moments(norm.running_mean, norm.running_var))
        self.register_buffer("scale", scale.detach())
        self.register_buffer("shift", shift.detach())

    def scale_and_shift(self, x_TBPC: Tensor, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """As computed in advance."""
        return self.scale, self.shift


class Statistics(Protocol):
    """Where a forward pass without gradient gets a layer's moments."""

    def moments(self, norm: ElasticBatchNorm, channels: int, measure: Callable[[], Moments]) -> Moments:
        """Moments that normalise the first channels.

        measure: computes the batch's.
        """
        ...


def batch_moments(x_TBPC: Tensor) -> Moments:
    """Moments over steps, images and positions, from sums by image, or of other parts, in float64.

    The variance is biased, as normalisation in training uses it, and at least 0.
    """
    return Moments.from_sums(channel_sums(x_TBPC), x_TBPC.numel() // x_TBPC.shape[-1])


def channel_sums(x_TBPC: Tensor) -> Tensor:
    """Sum of each channel's values, and of their squares: (2, C), float64, without gradient."""
    x_TBPC = x_TBPC.detach()
    backend = backend_of(x_TBPC)
    if backend is None:  # a norm and a sum of another type make no wide copy of x
        sums_BC = x_TBPC.sum((0, 2), dtype=torch.float64)
        squares_BC = torch.linalg.vector_norm(x_TBPC, dim=(0, 2), dtype=torch.float64).square()
    else:
        sums_BC, squares_BC = backend.sums_by_part(x_TBPC.contiguous())
    return torch.stack([sums_BC.sum(0), squares_BC.sum(0)])


class RunningStatistics:
    """Statistics gathered in training."""

    def moments(self, norm: ElasticBatchNorm, channels: int, measure: Callable[[], Moments]) -> Moments:
        """Training's moments."""
        return Moments(norm.running_mean[:channels], norm.running_var[:channels])


class BatchStatistics:
    """The batch's statistics in layers that subnets slice, training's elsewhere.

    Auto-Spikformer's published code does so. A prediction depends on the other images of the batch.
    """

    def moments(self, norm: ElasticBatchNorm, channels: int, measure: Callable[[], Moments]) -> Moments:
        """The batch's moments, or training's."""
        return measure() if norm.is_sliced else RunningStatistics().moments(norm, channels, measure)


@dataclass
class RecordedStatistics:
    """The batch's statistics, recorded by layer. One pass over the calibration images measures a subnet's own."""

    by_layer: dict[str, Moments] = field(default_factory=dict)

    def moments(self, norm: ElasticBatchNorm, channels: int, measure: Callable[[], Moments]) -> Moments:
        """The batch's moments, which are recorded."""
        self.by_layer[norm.name] = measure()
        return self.by_layer[norm.name]


@dataclass(frozen=True)
class FixedStatistics:
    """Moments measured before, by layer."""

    by_layer: Mapping[str, Moments]

    def moments(self, norm: ElasticBatchNorm, channels: int, measure: Callable[[], Moments]) -> Moments:
        """The layer's first moments."""
        return self.by_layer[norm.name].first(channels)
