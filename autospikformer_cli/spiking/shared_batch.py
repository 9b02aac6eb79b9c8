"""BatchNorm in training, of a whole batch or of a batch that several processes share.

Dimension legend: T time steps (1: the same at every step), B images, P positions, M rows, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from autospikformer_cli.spiking.normalisation import EPS, ElasticBatchNorm, Moments, batch_moments, channel_sums


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


@dataclass(frozen=True)
class LayerBatch:
    """The whole batch of a layer in training. count: values of a channel in it. shared: None if one process has all."""

    moments: Moments
    count: int
    shared: SharedBatch | None = None

    @classmethod
    def of(cls, x_TBPC: Tensor, shared: SharedBatch | None) -> LayerBatch:
        """That of which x is a part, or all."""
        steps, images, positions, _ = x_TBPC.shape
        sums = channel_sums(x_TBPC)
        if shared is not None:
            images = shared.images
            sums = shared.sum(torch.zeros_like(sums) if shared.is_idle else sums)
        count = steps * images * positions
        return cls(Moments.from_sums(sums, count), count, shared)

    def means(self, sums: Tensor) -> Tensor:
        """Means over the whole batch of what this process has summed over its part."""
        return (sums if self.shared is None else self.shared.sum(sums)) / self.count

    def gradient(self, grad: Tensor) -> Tensor:
        """The gradient at this process's part, which is 0 if it has no image of the batch."""
        return torch.zeros_like(grad) if self.shared is not None and self.shared.is_idle else grad


class _SharedNormalisation(torch.autograd.Function):
    """BatchNorm with the moments of a batch that is shared.

    Its gradient at the input is that of the whole batch: g_x = scale (g - mean(g) - z mean(g z)), z = (x - mean) / std.
    Those at weight and bias are sums over the part; the gradients of all parts are summed elsewhere.
    """

    @staticmethod
    def forward(ctx: Any, x_MC: Tensor, weight: Tensor, bias: Tensor, batch: LayerBatch) -> Tensor:
        inverse_std = (batch.moments.variance + EPS).rsqrt().to(weight.dtype)
        normalised = (x_MC - batch.moments.mean.to(weight.dtype)) * inverse_std
        ctx.save_for_backward(normalised, weight * inverse_std)
        ctx.batch, ctx.dtype = batch, x_MC.dtype
        return normalised * weight + bias

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        normalised, scale = ctx.saved_tensors
        (grad,) = gradients
        sums = torch.stack([grad.sum(0, dtype=torch.float64), (grad * normalised).sum(0, dtype=torch.float64)])
        mean_grad, mean_product = ctx.batch.means(sums).to(grad.dtype)
        grad_x = ctx.batch.gradient(scale * (grad - mean_grad - normalised * mean_product))
        sums = sums.to(grad.dtype)
        return grad_x.to(ctx.dtype), sums[1], sums[0], None


def normalise_in_training(x_TBPC: Tensor, norm: ElasticBatchNorm, shared: SharedBatch | None = None) -> Tensor:
    """Normalise x (T, B, P, C) with its batch's moments, and update the running statistics.

    shared: the batch that x is a part of; None for x alone.
    Returns (T, M, C), with gradient. A single row is its own mean: only the bias is left.
    """
    channels = x_TBPC.shape[-1]
    mean, variance, weight, bias = (
        each[:channels] for each in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    if shared is not None:
        batch = LayerBatch.of(x_TBPC, shared)
        norm.track(batch.moments, batch.count)
        normalised = _SharedNormalisation.apply(x_TBPC.flatten(0, 2), weight, bias, batch)  # type: ignore[no-untyped-call]
    elif x_TBPC.numel() == channels:  # torch refuses to normalise a single row
        norm.track(batch_moments(x_TBPC), 1)
        return norm.bias[:channels].expand(1, 1, -1)
    else:
        normalised = torch.nn.functional.batch_norm(x_TBPC.flatten(0, 2), mean, variance, weight, bias, training=True)
    result: Tensor = normalised.view_as(x_TBPC).flatten(1, 2)
    return result
