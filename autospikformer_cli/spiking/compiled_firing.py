"""BatchNorm and LIF as one operation on a CPU: what hands tensors to the compiled loops.

Dimension legend: T time steps (1: the same at every step), B images, P positions, M = B P rows, C channels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from autospikformer_cli.spiking import lif_kernels
from autospikformer_cli.spiking.backends import Affine, Means
from autospikformer_cli.spiking.neuron import Dynamics, Neuron


class _Scalars(NamedTuple):
    """A layer's constants as the compiled loops take them, in the precision of its currents."""

    tau: Any
    leak: Any
    reaches: Any
    threshold: Any
    decay_input: bool
    hard: bool


def _scalars(neuron: Neuron, dynamics: Dynamics, x: Tensor) -> _Scalars:
    dtype = np.float32 if x.dtype == torch.float32 else np.float64
    tau, leak, threshold = (dtype(each) for each in (neuron.tau, 1 - 1 / neuron.tau, neuron.threshold))
    # Compiled loops ask u >= reaches: u > threshold is u >= the next larger number.
    reaches = threshold if dynamics.fires_at == "reach" else np.nextafter(threshold, dtype(np.inf))
    return _Scalars(tau, leak, reaches, threshold, dynamics.decay_input, dynamics.reset == "hard")


class CompiledLoops:
    """The backend for float32 and float64 on a CPU."""

    def potential_dtype(self, x: Tensor) -> torch.dtype:
        """As Backend: that of x."""
        return x.dtype

    def sums_by_part(self, x_TBPC: Tensor) -> Tensor:
        """As Backend. A part is an image."""
        return torch.from_numpy(lif_kernels.image_sums(x_TBPC.numpy()))

    def fire(
        self, x_TMC: Tensor, scale: Tensor, shift: Tensor, time_step: int, neuron: Neuron, dynamics: Dynamics
    ) -> Tensor:
        """As Backend."""
        together = _rows_together(x_TMC)
        spikes = torch.empty((time_step, *x_TMC.shape[1:]), dtype=x_TMC.dtype)
        arrays = [each.numpy() for each in (_wide(x_TMC, together), scale.repeat(together), shift.repeat(together))]
        lif_kernels.fire_forward(*arrays, _wide(spikes, together).numpy(), *_scalars(neuron, dynamics, x_TMC))
        return spikes

    def gradient(
        self, x_TMC: Tensor, affine: Affine, grad_spikes: Tensor, neuron: Neuron, dynamics: Dynamics,
        means: Means | None,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """As Backend."""
        together, channels = _rows_together(x_TMC), x_TMC.shape[-1]
        grad = torch.empty_like(x_TMC)
        x, grad_spikes, wide_grad = (_wide(each, together) for each in (x_TMC, grad_spikes, grad))
        scale, shift, mean, inverse_std = (each.repeat(together) for each in affine)
        arrays = [each.numpy() for each in (x, scale, shift, grad_spikes, wide_grad, mean, inverse_std)]
        surrogate = lif_kernels.SURROGATES[dynamics.surrogate]
        scalars = _scalars(neuron, dynamics, x_TMC)
        wide_sums = torch.from_numpy(lif_kernels.fire_backward(*arrays, *scalars, dynamics.detach_reset, surrogate))
        if means is None:
            wide_grad *= scale
            return grad, None
        sums = wide_sums.view(2, -1, channels).sum(1)
        of_batch = means(sums).to(x_TMC.dtype).repeat(1, together)
        lif_kernels.normalise_backward(*(each.numpy() for each in (wide_grad, x, mean, inverse_std, scale, *of_batch)))
        return grad, sums


COMPILED_LOOPS = CompiledLoops()


def _rows_together(x_TMC: Tensor) -> int:
    """How many rows loops take as one."""
    return lif_kernels.rows_together(x_TMC.shape[1], x_TMC.shape[2], x_TMC.element_size())


def _wide(x_TMC: Tensor, together: int) -> Tensor:
    """Several rows as one."""
    return x_TMC.view(len(x_TMC), -1, together * x_TMC.shape[-1])
