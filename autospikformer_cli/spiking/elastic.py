"""Layers of which a subnet uses the first outputs and inputs (weight entanglement).

Dimension legend: T time steps, B images, H W rows and columns, C channels.
"""

from __future__ import annotations

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
