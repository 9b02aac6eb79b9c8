"""BatchNorm and neurons as one operation: a backend for LIF neurons where there is one, plain torch elsewhere.

Dimension legend: T time steps (1: the same at every step), B images, P positions, M = B P rows, C channels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from autospikformer_cli.spiking.backends import Affine, Backend, backend_of
from autospikformer_cli.spiking.neuron import Dynamics, Neuron
from autospikformer_cli.spiking.neuron_kinds import NeuronKind
from autospikformer_cli.spiking.normalisation import EPS, ElasticBatchNorm, Statistics
from autospikformer_cli.spiking.shared_batch import LayerBatch, SharedBatch, normalise_in_training


class _Fused(NamedTuple):
    """Neurons that a backend computes together with what comes before them."""

    backend: Backend
    neuron: Neuron
    dynamics: Dynamics


def _fused(kind: NeuronKind, neuron: Neuron, x: Tensor, *, learning: bool) -> _Fused | None:
    """The LIF neurons that a backend runs. None if torch must run instead: it trains the neurons' own parameters."""
    backend = backend_of(x)
    if backend is None or (learning and next(kind.parameters(), None) is not None):
        return None
    lif = kind.as_lif(neuron)
    return None if lif is None else _Fused(backend, lif, kind.dynamics)


class _TrainedFiring(torch.autograd.Function):
    """Normalise with the batch's moments, then fire. Only the layer's input is saved for the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, x_TMC: Tensor, weight: Tensor, bias: Tensor, batch: LayerBatch | None, time_step: int, fused: _Fused
    ) -> Tensor:
        if batch is None:
            affine = Affine(weight, bias, torch.zeros_like(weight), torch.ones_like(weight))
        else:
            mean, inverse_std = batch.moments.mean, (batch.moments.variance + EPS).rsqrt()
            # The batch's moments are float64: scale and shift are rounded once.
            affine = Affine(weight * inverse_std, bias - mean * weight * inverse_std, mean, inverse_std)
        dtype = fused.backend.potential_dtype(x_TMC)
        affine = Affine(*(each.to(dtype) for each in affine))
        ctx.save_for_backward(x_TMC, *affine)
        ctx.fused, ctx.batch, ctx.dtype = fused, batch, weight.dtype
        return fused.backend.fire(x_TMC, affine.scale, affine.shift, time_step, fused.neuron, fused.dynamics)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x_TMC, *affine = ctx.saved_tensors
        fused: _Fused = ctx.fused
        batch: LayerBatch | None = ctx.batch
        means = None if batch is None else batch.means
        grad, sums = fused.backend.gradient(
            x_TMC, Affine(*affine), gradients[0].contiguous(), fused.neuron, fused.dynamics, means
        )
        if batch is None or sums is None:
            return grad, None, None, None, None, None
        sums = sums.to(ctx.dtype)  # of the gradient: bias; of gradient times normalised input: weight
        return batch.gradient(grad), sums[1], sums[0], None, None, None


def fire(
    backend: Backend, x_TMC: Tensor, scale: Tensor, shift: Tensor, time_step: int, neuron: Neuron, dynamics: Dynamics
) -> Tensor:
    """Spikes (T, M, C) of LIF neurons from currents x scale + shift, without gradient."""
    dtype = backend.potential_dtype(x_TMC)
    scale, shift = (each.detach().to(dtype).contiguous() for each in (scale, shift))
    return backend.fire(x_TMC.detach().contiguous(), scale, shift, time_step, neuron, dynamics)


def _train_and_fire(
    x_TBPC: Tensor, norm: ElasticBatchNorm, kind: NeuronKind, time_step: int, neuron: Neuron,
    shared: SharedBatch | None,
) -> Tensor:  # fmt: skip
    fused = _fused(kind, neuron, x_TBPC, learning=True)
    if fused is None:
        spikes: Tensor = kind(normalise_in_training(x_TBPC, norm, shared), time_step, neuron)
        return spikes
    channels = x_TBPC.shape[-1]
    batch = LayerBatch.of(x_TBPC, shared)
    norm.track(batch.moments, batch.count)
    return _train(fused, x_TBPC.flatten(1, 2), norm.weight[:channels], norm.bias[:channels], batch, time_step)


def _train(
    fused: _Fused, x_TMC: Tensor, weight: Tensor, bias: Tensor, batch: LayerBatch | None, time_step: int
) -> Tensor:
    spikes: Tensor = _TrainedFiring.apply(  # type: ignore[no-untyped-call]
        x_TMC.contiguous(), weight, bias, batch, time_step, fused
    )
    return spikes


def scale_and_fire(x_TMC: Tensor, scale: float, kind: NeuronKind, time_step: int, neuron: Neuron) -> Tensor:
    """Spikes (T, M, C) of x times a constant, with gradient if gradients are enabled."""
    learning = torch.is_grad_enabled()
    fused = _fused(kind, neuron, x_TMC, learning=learning)
    if fused is None:
        spikes: Tensor = kind(x_TMC * scale, time_step, neuron)
        return spikes
    scales = x_TMC.new_full((x_TMC.shape[-1],), scale, dtype=fused.backend.potential_dtype(x_TMC))
    zeros = torch.zeros_like(scales)
    if learning:
        return _train(fused, x_TMC, scales, zeros, None, time_step)
    return fire(fused.backend, x_TMC, scales, zeros, time_step, fused.neuron, fused.dynamics)


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
        fused = _fused(kind, neuron, x_TBPC, learning=False)
        if fused is None:
            spikes = kind(norm.normalised(x_TBPC, statistics).flatten(1, 2), time_step, neuron)
        else:
            scale, shift = norm.scale_and_shift(x_TBPC, statistics)
            x_TMC = x_TBPC.flatten(1, 2)
            spikes = fire(fused.backend, x_TMC, scale, shift, time_step, fused.neuron, fused.dynamics)
    return spikes.reshape(time_step, *x_TBPC.shape[1:])
