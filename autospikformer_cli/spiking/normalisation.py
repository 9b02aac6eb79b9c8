"""BatchNorm that takes its statistics from elsewhere.

Dimension legend: T time steps (1: the same at every step), B images, P positions, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

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
    """Moments over steps, images and positions, from sums by image in float64.

    The variance is biased, as normalisation in training uses it, and at least 0.
    """
    return _moments(*_sums(x_TBPC), x_TBPC.numel() // x_TBPC.shape[-1])


def _sums(x_TBPC: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the values of each channel, and of their squares, by image first: float64 (C,)."""
    if x_TBPC.device.type == "cpu":
        from autospikformer_cli.spiking import lif_kernels

        sums_BC, squares_BC = torch.from_numpy(lif_kernels.image_sums(x_TBPC.detach().contiguous().numpy()))
    else:
        sums_BC, squares_BC = x_TBPC.double().sum((0, 2)), x_TBPC.double().square().sum((0, 2))
    return sums_BC.sum(0), squares_BC.sum(0)


def _moments(sums: Tensor, squares: Tensor, count: int) -> Moments:
    mean, square = sums / count, squares / count
    return Moments(mean, (square - mean.square()).clamp_min(0))  # rounding can make the difference negative


class SharedBatch(Protocol):
    """A batch of which several processes compute a part each. They call `sum` equally often, in the same order."""

    @property
    def is_idle(self) -> bool:
        """Whether this process has no image of the batch. It then computes with an image that does not count."""
        ...

    @property
    def images(self) -> int:
        """Images of the whole batch."""
        ...

    def sum(self, values: Tensor) -> Tensor:
        """The sum of the values over all processes, the same bits in each."""
        ...


def shared_moments(x_TBPC: Tensor, shared: SharedBatch | None) -> tuple[Moments, int]:
    """The moments of the whole batch, as `batch_moments`, and the number of a channel's values in it.

    shared: None if x is the whole batch.
    """
    steps, images, positions, _ = x_TBPC.shape
    if shared is None:
        return batch_moments(x_TBPC), steps * images * positions
    own, count = torch.stack(_sums(x_TBPC.detach())), steps * shared.images * positions
    sums, squares = shared.sum(torch.zeros_like(own) if shared.is_idle else own)
    return _moments(sums, squares, count), count


def shared_means(sums: Tensor, count: int, shared: SharedBatch | None) -> Tensor:
    """Means over the whole batch of what each process has summed over its part. count: as `shared_moments` gives it."""
    return (sums if shared is None else shared.sum(sums)) / count


class _SharedNormalisation(torch.autograd.Function):
    """BatchNorm with the moments of a batch that is shared.

    Its gradient at the input is that of the whole batch: g_x = scale (g - mean(g) - z mean(g z)), z = (x - mean) / std.
    Those at weight and bias are sums over the part; the gradients of all parts are summed elsewhere.
    """

    @staticmethod
    def forward(
        ctx: Any, x_MC: Tensor, weight: Tensor, bias: Tensor, moments: Moments, count: int, shared: SharedBatch
    ) -> Tensor:
        inverse_std = (moments.variance + EPS).rsqrt().to(x_MC.dtype)
        normalised = (x_MC - moments.mean.to(x_MC.dtype)) * inverse_std
        ctx.save_for_backward(normalised, weight * inverse_std)
        ctx.count, ctx.shared = count, shared
        return normalised * weight + bias

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        normalised, scale = ctx.saved_tensors
        (grad,) = gradients
        sums = torch.stack([grad.double().sum(0), (grad * normalised).double().sum(0)])
        mean_grad, mean_product = shared_means(sums, ctx.count, ctx.shared).to(grad.dtype)
        grad_x = scale * (grad - mean_grad - normalised * mean_product)
        if ctx.shared.is_idle:
            grad_x.zero_()
        sums = sums.to(grad.dtype)
        return grad_x, sums[1], sums[0], None, None, None


def normalise_shared(x_MC: Tensor, norm: ElasticBatchNorm, moments: Moments, count: int, shared: SharedBatch) -> Tensor:
    """Normalise x (M, C) with gradient, with the moments and the count that `shared_moments` gave."""
    channels = x_MC.shape[-1]
    normalised: Tensor = _SharedNormalisation.apply(  # type: ignore[no-untyped-call]
        x_MC, norm.weight[:channels], norm.bias[:channels], moments, count, shared
    )
    return normalised


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
