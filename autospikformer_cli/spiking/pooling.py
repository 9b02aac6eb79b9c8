"""The stem's max-pool: maxima of 3 x 3 windows with stride 2, and in training a gradient that adds in a fixed order.

Dimension legend: T time steps, B images, H W rows and columns, C channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.spiking.backends import has_loops


def max_pool(x_TBHWC: Tensor) -> Tensor:
    """Maxima of 3 x 3 windows with stride 2. The side is halved and rounded up."""
    x_BHWC = x_TBHWC.flatten(0, 1)
    if torch.is_grad_enabled() and x_TBHWC.requires_grad and not torch.compiler.is_compiling():
        pooled_BHWC: Tensor = _MaxPool.apply(x_BHWC)  # type: ignore[no-untyped-call]
    else:
        pooled_BHWC = functional.max_pool2d(x_BHWC.permute(0, 3, 1, 2), 3, stride=2, padding=1).permute(0, 2, 3, 1)
    return pooled_BHWC.reshape(*x_TBHWC.shape[:2], *pooled_BHWC.shape[1:])


class _MaxPool(torch.autograd.Function):
    """torch's maxima. Of each window a byte is kept: which of its 9 places has the first maximum.

    torch keeps the input and an int64 a window. On a GPU, its backward pass adds in no fixed order; this one has one.
    """

    @staticmethod
    def forward(ctx: Any, x_BHWC: Tensor) -> Tensor:
        ctx.size = x_BHWC.shape[1:3]
        if has_loops(x_BHWC):
            from autospikformer_cli.spiking.pool_kernels import pool_forward

            batch, channels = x_BHWC.shape[0], x_BHWC.shape[3]
            pooled = x_BHWC.new_empty((batch, *(-(-side // 2) for side in ctx.size), channels))
            place = torch.empty(pooled.shape, dtype=torch.uint8)
            pool_forward(x_BHWC.contiguous().numpy(), pooled.numpy(), place.numpy())
        else:
            pooled, place = _pooled(x_BHWC)
        ctx.save_for_backward(place)
        return pooled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (place,) = ctx.saved_tensors
        grad = gradients[0]
        if not has_loops(grad):
            return _input_gradient(grad, place, *ctx.size)
        from autospikformer_cli.spiking.pool_kernels import pool_backward

        grad_x = grad.new_zeros((len(grad), *ctx.size, grad.shape[-1]))
        pool_backward(grad.contiguous().numpy(), place.numpy(), grad_x.numpy())
        return grad_x


def _pooled(x_BHWC: Tensor) -> tuple[Tensor, Tensor]:
    """Maxima, and which place of its window each has, from 0 to 8."""
    width = x_BHWC.shape[2]
    pooled, indices = functional.max_pool2d(x_BHWC.permute(0, 3, 1, 2), 3, stride=2, padding=1, return_indices=True)
    top, left = (2 * torch.arange(each, device=x_BHWC.device) - 1 for each in pooled.shape[2:])
    row = indices.div(width, rounding_mode="floor")
    place = 3 * (row - top[:, None]) + indices - width * row - left
    return pooled.permute(0, 2, 3, 1), place.to(torch.uint8).permute(0, 2, 3, 1)


def _input_gradient(grad_BHWC: Tensor, place_BHWC: Tensor, height: int, width: int) -> Tensor:
    """Each window's gradient, added to the place of its maximum."""
    rows, columns = grad_BHWC.shape[1:3]
    padded = grad_BHWC.new_zeros((len(grad_BHWC), 2 * rows + 1, 2 * columns + 1, grad_BHWC.shape[-1]))
    for number in range(9):
        row, column = divmod(number, 3)
        part = padded[:, row : row + 2 * rows : 2, column : column + 2 * columns : 2]
        part += grad_BHWC * (place_BHWC == number)
    return padded[:, 1 : height + 1, 1 : width + 1]
