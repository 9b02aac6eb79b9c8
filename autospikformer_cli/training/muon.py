"""Muon: an optimizer whose steps of a matrix are orthogonal (Jordan et al. 2024).

torch.optim.Muon is not used. It orthogonalises in bfloat16, which many CPUs have no instructions for. On one thread of
such a CPU, a step for the matrices of cifar10-small-laptop takes twice as long as in float32 (14 ms against 7 ms), and
the matrices differ by 2 %. It takes matrices alone, no kernels of convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

MUON_MOMENTUM = 0.9
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic polynomial (Jordan et al. 2024). It grows small singular values fast, and ends near 1."""
NUM_STEPS = 3
"""Repetitions of the polynomial. Jordan's runs on CIFAR10 have 3, those of language models 5."""
LEAST_NORM = 1e-7
"""Added to a matrix's norm, so that a matrix of zeros stays one."""


def orthogonalised(matrix: Tensor, steps: int = NUM_STEPS) -> Tensor:
    """The nearest orthogonal matrix U V^T of M = U S V^T, roughly: singular values between 0.68 and 1.2.

    X <- a X + b (X X^T) X + c (X X^T)^2 X, from X = M / |M|      (Newton-Schulz; Jordan et al. 2024)

    Singular values that are tiny next to the norm stay below that, and zero rows and columns stay zero.
    Shapes: (rows, columns) -> the same, in the same dtype.
    """
    a, b, c = COEFFICIENTS
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if is_tall else matrix
    x = x / (x.norm() + LEAST_NORM)
    for _ in range(steps):
        squared = x @ x.T
        polynomial = torch.addmm(squared, squared, squared, beta=b, alpha=c)
        x = torch.addmm(x, polynomial, x, beta=a)
    return x.T if is_tall else x


class Muon(Optimizer):
    """Momentum, whose step is orthogonalised. A convolution is a matrix of outputs by inputs and kernel.

    B <- m B + (1 - m) G;  W <- (1 - lr decay) W - lr max(1, rows / columns)^1/2 orthogonal(m B + (1 - m) G)
    A parameter without a gradient does not move. Nothing moves if `found_inf` is set, a flag on the parameters' device.
    Where a subnet uses a part of a matrix, the gradient of the rest is zero: the rest moves by its momentum alone, as
    it does under AdamW.
    """

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
        self.found_inf: Tensor | None = None

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient. A closure is not called."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group["lr"], group["weight_decay"])

    def _move(self, parameter: Tensor, lr: float, weight_decay: float) -> None:
        gradient = parameter.grad
        assert gradient is not None
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        before = () if self.found_inf is None else (parameter.clone(), state["momentum"].clone())
        momentum = state["momentum"].lerp_(gradient, 1 - MUON_MOMENTUM)
        matrix = gradient.lerp(momentum, MUON_MOMENTUM).flatten(1)
        rows, columns = matrix.shape
        direction = orthogonalised(matrix).view_as(parameter)
        kept, moved = 1 - lr * weight_decay, -lr * max(1.0, rows / columns) ** 0.5
        # torch refuses factors beyond the dtype. Its largest number ends in weights that are not finite: a divergence.
        largest = torch.finfo(parameter.dtype).max
        parameter.mul_(max(kept, -largest)).add_(direction, alpha=max(moved, -largest))
        for value, old in zip((parameter, momentum), before, strict=False):
            value.copy_(torch.where(self.found_inf != 0, old, value))  # type: ignore[arg-type]
