"""Triton kernels for CUDA: BatchNorm's affine part and LIF in one pass over memory, forward and backward.

A program computes a tile of rows and channels. Its potentials stay in registers over all time steps. Their precision U
is float64 for float64 inputs, and float32 for all others. Sums have no atomic additions: each program writes its own.
The equations are those of `neuron.lif` and `neuron.surrogate_gradient`, operation by operation. No multiply-add
is fused, and divisions round to the nearest. So spikes are those of the reference on a CPU.

Dimension legend: T time steps (constexpr STEPS), M rows (images x positions), C channels, S programs along the rows.
Capitals are known when a kernel is compiled. ROWS, CHANNELS: the size of a tile. REPEATS: x has one step, for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl

from autospikformer_cli.spiking import neuron

kernel: Callable[[Callable[..., Any]], Any] = triton.jit

SIGMOID_SCALE = tl.constexpr(neuron.SIGMOID_SLOPE)
HALF_ARCTAN_SLOPE = tl.constexpr(neuron.ARCTAN_SLOPE / 2)
ARCTAN_SCALE = tl.constexpr(math.pi / 2 * neuron.ARCTAN_SLOPE)
HALF_RECTANGLE = tl.constexpr(neuron.RECTANGLE_WIDTH / 2)
RECTANGLE_HEIGHT = tl.constexpr(1 / neuron.RECTANGLE_WIDTH)


@kernel
def _divided(x: tl.tensor, y: tl.tensor) -> tl.tensor:
    """x / y, rounded to the nearest. Triton's own division of float32 is approximate."""
    if x.dtype == tl.float64:
        return x / y
    else:  # noqa: RET505 - Triton compiles one of two branches, not what follows a return
        return tl.div_rn(x, y)


@kernel
def _fires(u: tl.tensor, threshold: tl.tensor, EXCEEDS: tl.constexpr) -> tl.tensor:
    if EXCEEDS:
        return u > threshold
    else:  # noqa: RET505
        return u >= threshold


@kernel
def _integrated(
    u: tl.tensor, current: tl.tensor, tau: tl.tensor, leak: tl.tensor, DECAY_INPUT: tl.constexpr
) -> tl.tensor:
    """The potential one step later."""
    if DECAY_INPUT:
        return u + _divided(current - u, tau)
    else:  # noqa: RET505
        return u * leak + current


@kernel
def _after_reset(u: tl.tensor, threshold: tl.tensor, EXCEEDS: tl.constexpr, HARD: tl.constexpr) -> tl.tensor:
    """The potential after its spike, if it fires."""
    if HARD:
        return tl.where(_fires(u, threshold, EXCEEDS), 0.0, u)
    else:  # noqa: RET505
        return tl.where(_fires(u, threshold, EXCEEDS), u - threshold, u)


@kernel
def _slope(distance: tl.tensor, SURROGATE: tl.constexpr) -> tl.tensor:
    """The surrogate's derivative at u - threshold.

    sigmoid: a e / (1 + e)^2 with e = exp(-|a x|), which is a s (1 - s) without a difference of nearly equal numbers.
    """
    if SURROGATE == "sigmoid":
        e = tl.exp(-tl.abs(distance * SIGMOID_SCALE))
        return e * SIGMOID_SCALE / ((1.0 + e) * (1.0 + e))
    elif SURROGATE == "arctan":  # noqa: RET505
        x = distance * ARCTAN_SCALE
        return tl.full((), HALF_ARCTAN_SLOPE, x.dtype) / (1.0 + x * x)
    else:
        return tl.where(tl.abs(distance) < HALF_RECTANGLE, RECTANGLE_HEIGHT, 0.0).to(distance.dtype)


@kernel
def _tile(
    block: tl.tensor, rows: tl.tensor, channels: tl.tensor, ROWS: tl.constexpr, CHANNELS: tl.constexpr
) -> tl.tensor:
    """A tile's channels, its places in a step, which of them exist, and the distance between steps."""
    m = tl.cast(block, tl.int64) * ROWS + tl.arange(0, ROWS)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    exists = (m < rows)[:, None] & (c < channels)[None, :]
    return c, m[:, None] * channels + c[None, :], exists, tl.full((), rows, tl.int64) * channels


@kernel
def _by_channel(numbers_C: tl.tensor, c: tl.tensor, channels: tl.tensor) -> tl.tensor:
    """Numbers of a tile's channels, for every row."""
    return tl.load(numbers_C + c, mask=c < channels, other=0.0)[None, :]


@kernel
def _read(
    x_TMC: tl.tensor, t: tl.constexpr, place: tl.tensor, stride: tl.tensor, exists: tl.tensor, U: tl.constexpr
) -> tl.tensor:
    """A tile at a step, in the precision of the potentials."""
    return tl.load(x_TMC + t * stride + place, mask=exists, other=0.0).to(U)


@kernel
def fire_tiles(
    x_TMC: tl.tensor, scale_C: tl.tensor, shift_C: tl.tensor, spikes_TMC: tl.tensor, rows: tl.tensor,
    channels: tl.tensor, tau: tl.float64, leak: tl.float64, threshold: tl.float64, STEPS: tl.constexpr,
    REPEATS: tl.constexpr, U: tl.constexpr, DECAY_INPUT: tl.constexpr, EXCEEDS: tl.constexpr, HARD: tl.constexpr,
    ROWS: tl.constexpr, CHANNELS: tl.constexpr,
) -> None:  # fmt: skip
    """Spikes of LIF neurons from currents x scale + shift."""
    c, place, exists, stride = _tile(tl.program_id(0), rows, channels, ROWS, CHANNELS)
    scale, shift = _by_channel(scale_C, c, channels), _by_channel(shift_C, c, channels)
    tau, leak, threshold = tl.full((), tau, U), tl.full((), leak, U), tl.full((), threshold, U)
    u = tl.zeros((ROWS, CHANNELS), U)
    for t in tl.static_range(STEPS):
        current = _read(x_TMC, 0 if REPEATS else t, place, stride, exists, U) * scale + shift
        u = _integrated(u, current, tau, leak, DECAY_INPUT)
        fired = _fires(u, threshold, EXCEEDS)
        spikes = tl.where(fired, 1.0, 0.0).to(spikes_TMC.dtype.element_ty)
        tl.store(spikes_TMC + t * stride + place, spikes, mask=exists)
        u = _after_reset(u, threshold, EXCEEDS, HARD)


@kernel
def _potentials(
    x_TMC: tl.tensor, scale: tl.tensor, shift: tl.tensor, place: tl.tensor, stride: tl.tensor, exists: tl.tensor,
    tau: tl.tensor, leak: tl.tensor, threshold: tl.tensor, STEPS: tl.constexpr, REPEATS: tl.constexpr, U: tl.constexpr,
    DECAY_INPUT: tl.constexpr, EXCEEDS: tl.constexpr, HARD: tl.constexpr,
) -> tl.tensor:  # fmt: skip
    """The potentials of a tile at every step, before the reset, as fire_tiles has them."""
    potentials = ()
    u = tl.zeros(place.shape, U)
    for t in tl.static_range(STEPS):
        current = _read(x_TMC, 0 if REPEATS else t, place, stride, exists, U) * scale + shift
        u = _integrated(u, current, tau, leak, DECAY_INPUT)
        potentials = potentials + (u,)  # type: ignore[assignment]  # noqa: RUF005 - Triton knows no unpacking
        u = _after_reset(u, threshold, EXCEEDS, HARD)
    return potentials


@kernel
def _step_back(
    u: tl.tensor, later: tl.tensor, grad_spike: tl.tensor, tau: tl.tensor, leak: tl.tensor, threshold: tl.tensor,
    DECAY_INPUT: tl.constexpr, EXCEEDS: tl.constexpr, HARD: tl.constexpr, DETACH: tl.constexpr,
    SURROGATE: tl.constexpr,
) -> tl.tensor:  # fmt: skip
    """Gradients at a step's current, and at the potential before the step.

    later: the gradient at the potential after the step's reset.
    """
    if not DETACH:  # the next potential also depends on the spike, through the reset
        grad_spike = grad_spike - later * (u if HARD else threshold)
    kept = tl.where(_fires(u, threshold, EXCEEDS), 0.0, later) if HARD else later
    grad_u = grad_spike * _slope(u - threshold, SURROGATE) + kept
    if DECAY_INPUT:
        grad = _divided(grad_u, tau)
        return grad, grad_u - grad
    else:  # noqa: RET505
        return grad_u, grad_u * leak


@kernel
def gradient_sums(
    x_TMC: tl.tensor, scale_C: tl.tensor, shift_C: tl.tensor, mean_C: tl.tensor, inverse_std_C: tl.tensor,
    grad_spikes_TMC: tl.tensor, sums_S2C: tl.tensor, rows: tl.tensor, channels: tl.tensor, tau: tl.float64,
    leak: tl.float64, threshold: tl.float64, STEPS: tl.constexpr, REPEATS: tl.constexpr, U: tl.constexpr,
    DECAY_INPUT: tl.constexpr, EXCEEDS: tl.constexpr, HARD: tl.constexpr, DETACH: tl.constexpr,
    SURROGATE: tl.constexpr, TILES: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
) -> None:  # fmt: skip
    """For every channel the sum of the currents' gradient, and its sum with the normalised input: float64.

    A program adds up TILES tiles of rows, in order.
    """
    tau, leak, threshold = tl.full((), tau, U), tl.full((), leak, U), tl.full((), threshold, U)
    total = tl.zeros((ROWS, CHANNELS), tl.float64)
    product = tl.zeros((ROWS, CHANNELS), tl.float64)
    for tile in range(TILES):
        c, place, exists, stride = _tile(tl.program_id(0) * TILES + tile, rows, channels, ROWS, CHANNELS)
        scale, shift = _by_channel(scale_C, c, channels), _by_channel(shift_C, c, channels)
        mean, inverse_std = _by_channel(mean_C, c, channels), _by_channel(inverse_std_C, c, channels)
        potentials = _potentials(x_TMC, scale, shift, place, stride, exists, tau, leak, threshold, STEPS, REPEATS, U,
                                 DECAY_INPUT, EXCEEDS, HARD)  # fmt: skip
        later = tl.zeros((ROWS, CHANNELS), U)
        for t in tl.static_range(STEPS - 1, -1, -1):
            grad_spike = _read(grad_spikes_TMC, t, place, stride, exists, U)
            grad, later = _step_back(potentials[t], later, grad_spike, tau, leak, threshold, DECAY_INPUT, EXCEEDS,
                                     HARD, DETACH, SURROGATE)  # fmt: skip
            grad = tl.where(exists, grad, 0.0)
            x = _read(x_TMC, 0 if REPEATS else t, place, stride, exists, U)
            total += grad.to(tl.float64)
            product += (grad * ((x - mean) * inverse_std)).to(tl.float64)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    sums = sums_S2C + tl.program_id(0).to(tl.int64) * 2 * channels + c
    tl.store(sums, tl.sum(total, 0), mask=c < channels)
    tl.store(sums + channels, tl.sum(product, 0), mask=c < channels)


@kernel
def input_gradient(
    x_TMC: tl.tensor, scale_C: tl.tensor, shift_C: tl.tensor, mean_C: tl.tensor, inverse_std_C: tl.tensor,
    grad_spikes_TMC: tl.tensor, means_2C: tl.tensor, grad_TMC: tl.tensor, rows: tl.tensor, channels: tl.tensor,
    tau: tl.float64, leak: tl.float64, threshold: tl.float64, STEPS: tl.constexpr, REPEATS: tl.constexpr,
    U: tl.constexpr, DECAY_INPUT: tl.constexpr, EXCEEDS: tl.constexpr, HARD: tl.constexpr, DETACH: tl.constexpr,
    SURROGATE: tl.constexpr, NORMALISED: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
) -> None:  # fmt: skip
    """Gradient at x: scale g, or BatchNorm's scale (g - mean(g) - normalised x * mean(g * normalised x)).

    g is the gradient at the currents. means: those two of the formula, if NORMALISED.
    """
    c, place, exists, stride = _tile(tl.program_id(0), rows, channels, ROWS, CHANNELS)
    scale, shift = _by_channel(scale_C, c, channels), _by_channel(shift_C, c, channels)
    tau, leak, threshold = tl.full((), tau, U), tl.full((), leak, U), tl.full((), threshold, U)
    potentials = _potentials(x_TMC, scale, shift, place, stride, exists, tau, leak, threshold, STEPS, REPEATS, U,
                             DECAY_INPUT, EXCEEDS, HARD)  # fmt: skip
    later = tl.zeros((ROWS, CHANNELS), U)
    total = tl.zeros((ROWS, CHANNELS), U)
    for t in tl.static_range(STEPS - 1, -1, -1):
        grad_spike = _read(grad_spikes_TMC, t, place, stride, exists, U)
        grad, later = _step_back(potentials[t], later, grad_spike, tau, leak, threshold, DECAY_INPUT, EXCEEDS, HARD,
                                 DETACH, SURROGATE)  # fmt: skip
        total = total + grad if REPEATS else grad  # all steps read the same current if it repeats
        if not REPEATS or t == 0:
            if NORMALISED:
                mean, inverse_std = _by_channel(mean_C, c, channels), _by_channel(inverse_std_C, c, channels)
                normalised = (_read(x_TMC, t, place, stride, exists, U) - mean) * inverse_std
                mean_grad = _by_channel(means_2C, c, channels).to(U)
                mean_product = _by_channel(means_2C + channels, c, channels).to(U)
                total = total - mean_grad - normalised * mean_product
            tl.store(grad_TMC + t * stride + place, (total * scale).to(grad_TMC.dtype.element_ty), mask=exists)


@kernel
def moment_sums(
    x_MC: tl.tensor,
    sums_S2C: tl.tensor,
    rows: tl.tensor,
    channels: tl.tensor,
    TILES: tl.constexpr,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
) -> None:
    """Sum and sum of squares of every channel, in float64. A program adds up TILES tiles of rows, in order."""
    total = tl.zeros((ROWS, CHANNELS), tl.float64)
    squares = tl.zeros((ROWS, CHANNELS), tl.float64)
    for tile in range(TILES):
        c, place, exists, _ = _tile(tl.program_id(0) * TILES + tile, rows, channels, ROWS, CHANNELS)
        x = tl.load(x_MC + place, mask=exists, other=0.0).to(tl.float64)
        total += x
        squares += x * x
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    sums = sums_S2C + tl.program_id(0).to(tl.int64) * 2 * channels + c
    tl.store(sums, tl.sum(total, 0), mask=c < channels)
    tl.store(sums + channels, tl.sum(squares, 0), mask=c < channels)
