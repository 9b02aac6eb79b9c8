"""BatchNorm and neurons as one operation: compiled loops for LIF on a CPU, plain torch elsewhere.

Dimension legend: T time steps (1: the same at every step), B images, P positions, M = B P rows, C channels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from autospikformer_cli.spiking.neuron import Dynamics, Neuron
from autospikformer_cli.spiking.neuron_kinds import NeuronKind
from autospikformer_cli.spiking.normalisation import (
    EPS,
    ElasticBatchNorm,
    Moments,
    SharedBatch,
    Statistics,
    batch_moments,
    normalise_shared,
    shared_means,
    shared_moments,
)


class _Scalars(NamedTuple):
    """A layer's constants as the compiled loops take them, in the precision of its currents."""

    tau: Any
    leak: Any
    reaches: Any
    threshold: Any
    decay_input: bool
    hard: bool


def _scalars(neuron: Neuron, dynamics: Dynamics, x: Tensor) -> _Scalars:
    import numpy as np

    dtype = np.float32 if x.dtype == torch.float32 else np.float64
    tau, leak, threshold = (dtype(each) for each in (neuron.tau, 1 - 1 / neuron.tau, neuron.threshold))
    # Compiled loops ask u >= reaches: u > threshold is u >= the next larger number.
    reaches = threshold if dynamics.fires_at == "reach" else np.nextafter(threshold, dtype(np.inf))
    return _Scalars(tau, leak, reaches, threshold, dynamics.decay_input, dynamics.reset == "hard")


class _TrainedFiring(torch.autograd.Function):
    """Normalise with the batch's moments, then fire. Only the layer's input is saved for the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, x_TMC: Tensor, weight: Tensor, bias: Tensor, moments: Moments | None, time_step: int,
        neuron: Neuron, dynamics: Dynamics, count: int, shared: SharedBatch | None,
    ) -> Tensor:  # fmt: skip
        from autospikformer_cli.spiking import lif_kernels

        channels = x_TMC.shape[-1]
        if moments is None:
            mean, inverse_std = torch.zeros(channels), torch.ones(channels)
        else:
            mean, inverse_std = moments.mean, (moments.variance + EPS).rsqrt()
        # The batch's moments are float64: scale and shift are rounded once.
        scale, shift = weight * inverse_std, bias - mean * weight * inverse_std
        together = lif_kernels.rows_together(x_TMC.shape[1], channels, x_TMC.element_size())
        wide_TMC = x_TMC.view(len(x_TMC), -1, together * channels)
        by_channel = [each.to(x_TMC.dtype).repeat(together) for each in (scale, shift, mean, inverse_std)]
        spikes = torch.empty((time_step, *x_TMC.shape[1:]), dtype=x_TMC.dtype)
        scalars = _scalars(neuron, dynamics, x_TMC)
        arrays = (each.numpy() for each in (wide_TMC, *by_channel[:2], spikes.view(time_step, *wide_TMC.shape[1:])))
        lif_kernels.fire_forward(*arrays, *scalars)
        ctx.save_for_backward(x_TMC, *by_channel)
        ctx.scalars, ctx.dynamics, ctx.normalised = scalars, dynamics, moments is not None
        ctx.count, ctx.shared = count, shared
        return spikes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        from autospikformer_cli.spiking import lif_kernels

        x_TMC, *by_channel = ctx.saved_tensors
        grad = torch.empty_like(x_TMC)
        wide = (-1, len(by_channel[0]))  # the channels of one row, or of several
        x, grad_spikes, wide_grad = (each.view(len(each), *wide) for each in (x_TMC, gradients[0].contiguous(), grad))
        arrays = [each.numpy() for each in (x, *by_channel[:2], grad_spikes, wide_grad, *by_channel[2:])]
        surrogate = lif_kernels.SURROGATES[ctx.dynamics.surrogate]
        sums = torch.from_numpy(lif_kernels.fire_backward(*arrays, *ctx.scalars, ctx.dynamics.detach_reset, surrogate))
        sums = sums.view(2, -1, x_TMC.shape[-1]).sum(1)
        scale, _, mean, inverse_std = by_channel
        if ctx.normalised:
            means = shared_means(sums, ctx.count, ctx.shared).to(x_TMC.dtype).repeat(1, len(scale) // sums.shape[1])
            arrays = [each.numpy() for each in (wide_grad, x, mean, inverse_std, scale, *means)]
            lif_kernels.normalise_backward(*arrays)
            if ctx.shared is not None and ctx.shared.is_idle:
                wide_grad.zero_()
        else:
            wide_grad *= scale
        sums = sums.to(x_TMC.dtype)  # of the gradient: bias; of gradient times normalised input: weight
        return grad, sums[1], sums[0], None, None, None, None, None, None


def _can_compile(x: Tensor) -> bool:
    """Whether the compiled loops can run on x."""
    suited = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    return suited and not torch.compiler.is_compiling()


def fire(x_TMC: Tensor, scale: Tensor, shift: Tensor, time_step: int, neuron: Neuron, dynamics: Dynamics) -> Tensor:
    """Spikes (T, M, C) of LIF neurons from currents x scale + shift, by compiled loops, without gradient."""
    from autospikformer_cli.spiking import lif_kernels

    spikes = torch.empty((time_step, *x_TMC.shape[1:]), dtype=x_TMC.dtype)
    arrays = [tensor.detach().contiguous().numpy() for tensor in (x_TMC, scale, shift)]
    lif_kernels.fire_forward(*arrays, spikes.numpy(), *_scalars(neuron, dynamics, x_TMC))
    return spikes


def _train_compiled(
    x_TMC: Tensor, weight: Tensor, bias: Tensor, moments: Moments | None, time_step: int, neuron: Neuron,
    dynamics: Dynamics, count: int = 0, shared: SharedBatch | None = None,
) -> Tensor:  # fmt: skip
    spikes: Tensor = _TrainedFiring.apply(  # type: ignore[no-untyped-call]
        x_TMC.contiguous(), weight, bias, moments, time_step, neuron, dynamics, count, shared
    )
    return spikes


def normalise_in_training(x_TBPC: Tensor, norm: ElasticBatchNorm, shared: SharedBatch | None = None) -> Tensor:
    """Normalise x (T, B, P, C) with its batch's moments, and update the running statistics.

    shared: the batch that x is a part of; None for x alone.
    Returns (T, M, C), with gradient. A single row is its own mean: only the bias is left.
    """
    channels = x_TBPC.shape[-1]
    if shared is not None:
        moments, count = shared_moments(x_TBPC, shared)
        norm.track(moments, count)
        return normalise_shared(x_TBPC.flatten(0, 2), norm, moments, count, shared).view_as(x_TBPC).flatten(1, 2)
    if x_TBPC.numel() == channels:  # torch refuses to normalise a single row
        norm.track(batch_moments(x_TBPC), 1)
        return norm.bias[:channels].expand(1, 1, -1)
    mean, variance, weight, bias = (
        each[:channels] for each in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    normalised = torch.nn.functional.batch_norm(x_TBPC.flatten(0, 2), mean, variance, weight, bias, training=True)
    return normalised.view_as(x_TBPC).flatten(1, 2)


def _train_and_fire(
    x_TBPC: Tensor, norm: ElasticBatchNorm, kind: NeuronKind, time_step: int, neuron: Neuron,
    shared: SharedBatch | None,
) -> Tensor:  # fmt: skip
    lif = _as_lif(kind, neuron, x_TBPC, learning=True)
    if lif is None:
        spikes: Tensor = kind(normalise_in_training(x_TBPC, norm, shared), time_step, neuron)
        return spikes
    channels = x_TBPC.shape[-1]
    moments, count = shared_moments(x_TBPC, shared)
    norm.track(moments, count)
    weight, bias = norm.weight[:channels], norm.bias[:channels]
    return _train_compiled(x_TBPC.flatten(1, 2), weight, bias, moments, time_step, lif, kind.dynamics, count, shared)


def _as_lif(kind: NeuronKind, neuron: Neuron, x: Tensor, *, learning: bool) -> Neuron | None:
    """The LIF neuron that compiled loops run. None if torch must run instead: it trains the neurons' own parameters."""
    if not _can_compile(x) or (learning and next(kind.parameters(), None) is not None):
        return None
    return kind.as_lif(neuron)


def scale_and_fire(x_TMC: Tensor, scale: float, kind: NeuronKind, time_step: int, neuron: Neuron) -> Tensor:
    """Spikes (T, M, C) of x times a constant, with gradient if gradients are enabled."""
    learning = torch.is_grad_enabled()
    lif = _as_lif(kind, neuron, x_TMC, learning=learning)
    if lif is None:
        spikes: Tensor = kind(x_TMC * scale, time_step, neuron)
        return spikes
    scales = torch.full((x_TMC.shape[-1],), scale, dtype=x_TMC.dtype)
    zeros = torch.zeros_like(scales)
    if not learning:
        return fire(x_TMC, scales, zeros, time_step, lif, kind.dynamics)
    return _train_compiled(x_TMC, scales, zeros, None, time_step, lif, kind.dynamics)


def normalise_and_fire(
    x_TBPC: Tensor,
    norm: ElasticBatchNorm,
    kind: NeuronKind,
    statistics: Statistics | None,
    time_step: int,
    neuron: Neuron,
    shared: SharedBatch | None = None,
) -> Tensor:
    """Spikes (T, B, P, C) of BatchNorm and the neurons after it. statistics: of BatchNorm; None to train.

    shared: in training, the batch that x is a part of; None for x alone.
    """
    if statistics is None:
        spikes = _train_and_fire(x_TBPC, norm, kind, time_step, neuron, shared)
    else:
        lif = _as_lif(kind, neuron, x_TBPC, learning=False)
        if lif is None:
            spikes = kind(norm.normalised(x_TBPC, statistics).flatten(1, 2), time_step, neuron)
        else:
            scale, shift = norm.scale_and_shift(x_TBPC, statistics)
            spikes = fire(x_TBPC.flatten(1, 2), scale, shift, time_step, lif, kind.dynamics)
    return spikes.reshape(time_step, *x_TBPC.shape[1:])
