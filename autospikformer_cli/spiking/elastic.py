"""Layers of which a subnet uses the first outputs and inputs (weight entanglement), and the stem's pooling.

Dimension legend: T time steps, B images, H W rows and columns, C channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from autospikformer_cli.spiking.layout import KERNEL


class ElasticLinear(nn.Module):
    """A linear layer. A subnet uses its first outputs and inputs."""

    def __init__(self, inputs: int, outputs: int, name: str, bias: bool = True) -> None:
        super().__init__()
        self.name = name
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor, outputs: int, half: torch.dtype | None = None) -> Tensor:
        """The first outputs (..., outputs) of x (..., inputs), in x's dtype. half: the dtype to compute them in."""
        bias = None if self.bias is None else self.bias[:outputs]
        weight = self.weight[:outputs, : x.shape[-1]]
        if half is not None:
            return functional.linear(x.to(half), weight.to(half), None if bias is None else bias.to(half)).to(x.dtype)
        if x.ndim == 4 and not torch.is_grad_enabled() and _has_fast_convolution(x):
            return _as_convolution(x, weight, bias)
        return functional.linear(x, weight, bias)


class ElasticConvolution(nn.Module):
    """A 3 x 3 convolution, channels last. A subnet uses its first outputs and inputs.

    It has a bias only if a BatchNorm was folded into it.
    """

    def __init__(self, inputs: int, outputs: int, name: str) -> None:
        super().__init__()
        self.name = name
        self.weight = nn.Parameter(torch.empty(outputs, inputs, KERNEL, KERNEL))
        self.bias: nn.Parameter | None = None

    def forward(self, x_TBHWC: Tensor, outputs: int, half: torch.dtype | None = None) -> Tensor:
        """The first outputs (T, B, H, W, outputs) of x, in x's dtype. half: the dtype to compute them in."""
        if half is not None:
            return self._convolved(x_TBHWC.to(half), outputs).to(x_TBHWC.dtype)
        return self._convolved(x_TBHWC, outputs)

    def _convolved(self, x_TBHWC: Tensor, outputs: int) -> Tensor:
        x_BCHW = x_TBHWC.flatten(0, 1).permute(0, 3, 1, 2)
        weight = self.weight[:outputs, : x_BCHW.shape[1]]
        bias = None if self.bias is None else self.bias[:outputs]
        if weight.dtype != x_BCHW.dtype:
            weight, bias = weight.to(x_BCHW.dtype), None if bias is None else bias.to(x_BCHW.dtype)
        y_BCHW = functional.conv2d(x_BCHW, weight.contiguous(memory_format=torch.channels_last), bias, padding=1)
        y_BHWC = y_BCHW.permute(0, 2, 3, 1)
        return y_BHWC.reshape(*x_TBHWC.shape[:2], *y_BHWC.shape[1:])


def _has_fast_convolution(x: Tensor) -> bool:
    """Whether oneDNN convolves. On a CPU it is faster than torch's own products by a sixth."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.compiler.is_compiling()


def _as_convolution(x_TBND: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Compute a linear layer as a 1 x 1 convolution."""
    x_BDN1 = x_TBND.flatten(0, 1)[:, :, None].permute(0, 3, 1, 2)
    kernel = weight[:, :, None, None].contiguous(memory_format=torch.channels_last)
    y_BCN1 = functional.conv2d(x_BDN1, kernel, bias)
    return y_BCN1.permute(0, 2, 3, 1).reshape(*x_TBND.shape[:-1], len(weight))


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
        if _has_loops(x_BHWC):
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
        if not _has_loops(grad):
            return _input_gradient(grad, place, *ctx.size)
        from autospikformer_cli.spiking.pool_kernels import pool_backward

        grad_x = grad.new_zeros((len(grad), *ctx.size, grad.shape[-1]))
        pool_backward(grad.contiguous().numpy(), place.numpy(), grad_x.numpy())
        return grad_x


def _has_loops(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)


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
