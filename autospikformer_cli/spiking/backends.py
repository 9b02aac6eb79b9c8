"""Who computes BatchNorm and neurons together: compiled loops on a CPU, Triton kernels on CUDA, else plain torch.

Dimension legend: T time steps (1: the same at every step), M rows (images x positions), C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from autospikformer_cli.spiking.neuron import Dynamics, Neuron

Means = Callable[[Tensor], Tensor]
"""Gives means over a whole batch, of which x may be a part, from sums over x."""


class Affine(NamedTuple):
    """What turns a layer's input into currents, x scale + shift, and what it stands for: all (C,).

    mean, inverse_std: of x, in training; the normalised input is (x - mean) inverse_std.
    """

    scale: Tensor
    shift: Tensor
    mean: Tensor
    inverse_std: Tensor


class Backend(Protocol):
    """Computes BatchNorm and LIF neurons as one operation. Tensors are contiguous, on the backend's device."""

    def potential_dtype(self, x: Tensor) -> torch.dtype:
        """The precision of potentials, and of scale and shift, if x is the layer's input."""
        ...

    def sums_by_part(self, x_TBPC: Tensor) -> Tensor:
        """Sums and sums of squares (2, parts, C) in float64, over parts that together are the whole input."""
        ...

    def fire(
        self, x_TMC: Tensor, scale: Tensor, shift: Tensor, time_step: int, neuron: Neuron, dynamics: Dynamics
    ) -> Tensor:
        """Spikes (T, M, C) from currents x scale + shift."""
        ...

    def gradient(
        self, x_TMC: Tensor, affine: Affine, grad_spikes: Tensor, neuron: Neuron, dynamics: Dynamics,
        means: Means | None,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """Gradient at x, and sums (2, C) in float64 of the currents' gradient, alone and with the normalised input.

        means: if scale and shift are BatchNorm's with the batch's own moments. If not, there are no sums.
        """
        ...


def has_loops(x: Tensor) -> bool:
    """Whether compiled loops compute with such tensors."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)


def backend_of(x: Tensor) -> Backend | None:
    """The backend for a layer's input. None if plain torch must run: on other devices, and while torch compiles."""
    if torch.compiler.is_compiling():
        return None
    if has_loops(x):
        from autospikformer_cli.spiking.compiled_firing import COMPILED_LOOPS

        return COMPILED_LOOPS
    if x.device.type == "cuda":
        from autospikformer_cli.spiking.triton_firing import TRITON, can_run

        return TRITON if can_run(x.device) else None
    return None
