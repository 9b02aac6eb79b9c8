"""Compiled loops for a CPU: BatchNorm's affine part and LIF in one pass over memory, forward and backward.

Rows are (image, position) pairs. A row's channels are contiguous: its potentials stay in cache over all time steps.
Every sum runs over fixed chunks of rows, in order: results do not depend on the number of threads.
The equations are those of `neuron.lif`, operation by operation. No arithmetic is fused or reordered.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from autospikformer_cli.spiking.compiled import compiled, inlined

Array = NDArray[Any]
CHUNKS = 32
"""Fixed, whatever the number of threads: it decides the order of sums."""
SURROGATES = {"sigmoid": 0, "arctan": 1, "rectangular": 2}
"""Numbers that stand for `neuron.Surrogate` in compiled loops."""


@inlined
def _integrated(u: Any, current: Any, tau: Any, leak: Any, decay_input: bool) -> Any:
    """The potential one step later."""
    return u + (current - u) / tau if decay_input else u * leak + current


@inlined
def _fires(u: Any, threshold: Any, reach: bool) -> bool:
    """Whether a neuron fires at potential u."""
    return bool(u > threshold or (reach and u == threshold))


@inlined
def _bounds(chunk: int, rows: int) -> tuple[int, int]:
    """First and last row of a chunk."""
    return chunk * rows // CHUNKS, (chunk + 1) * rows // CHUNKS


@compiled(parallel=True)
def image_sums(x_TBPC: Array) -> Array:
    """Sum and sum of squares of every channel of every image, in float64. Shape (2, B, C)."""
    steps, images, positions, channels = x_TBPC.shape
    sums = np.zeros((2, images, channels))
    for b in prange(images):
        for t in range(steps):
            for p in range(positions):
                for c in range(channels):
                    value = np.float64(x_TBPC[t, b, p, c])
                    sums[0, b, c] += value
                    sums[1, b, c] += value * value
    return sums


@inlined
def _integrate(potential: Array, x_TMC: Array, t: int, m: int, scale: Array, shift: Array, tau: Any, leak: Any,
               decay_input: bool) -> None:  # fmt: skip
    """Integrate one row's currents x * scale + shift into its potentials. A single input step repeats."""
    t_in = min(t, x_TMC.shape[0] - 1)
    for c in range(x_TMC.shape[2]):
        current = x_TMC[t_in, m, c] * scale[c] + shift[c]
        potential[c] = _integrated(potential[c], current, tau, leak, decay_input)


@inlined
def _reset(potential: Array, threshold: Any, reach: bool, hard: bool) -> None:
    """Reset the potentials that reach the threshold."""
    zero = potential.dtype.type(0)
    for c in range(len(potential)):
        u = potential[c]
        potential[c] = (zero if hard else u - threshold) if _fires(u, threshold, reach) else u


@compiled(parallel=True)
def fire_forward(x_TMC: Array, scale: Array, shift: Array, spikes_TMC: Array, tau: Any, leak: Any, threshold: Any,
                 decay_input: bool, reach: bool, hard: bool) -> None:  # fmt: skip
    """Spikes from currents x * scale + shift. x has T steps, or one that repeats. Scalars have x's precision."""
    steps, rows, channels = spikes_TMC.shape
    zero, one = x_TMC.dtype.type(0), x_TMC.dtype.type(1)
    for chunk in prange(CHUNKS):
        low, high = _bounds(chunk, rows)
        potential = np.empty(channels, x_TMC.dtype)
        for m in range(low, high):
            potential[:] = zero
            for t in range(steps):
                _integrate(potential, x_TMC, t, m, scale, shift, tau, leak, decay_input)
                for c in range(channels):
                    spikes_TMC[t, m, c] = one if _fires(potential[c], threshold, reach) else zero
                _reset(potential, threshold, reach, hard)


@inlined
def _exp_float32(x: Array, result: Array) -> None:
    """exp of float32 values in -80..0, to 2 units in the last place: 2^n p(r). These loops vectorise, libm's do not.

    n = round(x / ln 2); r = x - n ln 2, subtracted in two parts; p is Taylor's polynomial of degree 7, |r| <= 0.35.
    """
    bits = result.view(np.int32)
    f = np.float32
    for c in range(len(x)):
        # x <= 0, so cutting off x / ln 2 - 0.5 rounds to the nearest. The exponent's bits are those of 2^n.
        power = np.int32(x[c] * f(1.4426950408889634) - f(0.5))
        bits[c] = (power + np.int32(127)) << np.int32(23)
    for c in range(len(x)):
        n = f(np.int32(x[c] * f(1.4426950408889634) - f(0.5)))
        r = (x[c] - n * f(0.693359375)) + n * f(2.12194440e-4)
        p = f(1 / 5040)
        p = p * r + f(1 / 720)
        p = p * r + f(1 / 120)
        p = p * r + f(1 / 24)
        p = p * r + f(1 / 6)
        p = p * r + f(0.5)
        p = p * r + f(1)
        p = p * r + f(1)
        result[c] = result[c] * p


@inlined
def _surrogate(slopes: Array, work: Array, potential: Array, threshold: Any, surrogate: int) -> None:
    """The surrogate's slopes at the potentials, `neuron.surrogate_gradient`. work: memory for a row."""
    kind = potential.dtype.type
    four, one, pi, half, lowest = kind(4), kind(1), kind(math.pi), kind(0.5), kind(-80)
    if surrogate == 0:
        for c in range(len(slopes)):
            # Below -80 the slope is practically 0, and 2^n would leave float32's range.
            work[c] = max(-abs(four * (potential[c] - threshold)), lowest)
        if potential.itemsize == 4:
            _exp_float32(work, slopes)
        else:
            for c in range(len(slopes)):
                slopes[c] = math.exp(work[c])
        for c in range(len(slopes)):
            s = one + slopes[c]
            slopes[c] = four * slopes[c] / (s * s)
    elif surrogate == 1:
        for c in range(len(slopes)):
            x = pi * (potential[c] - threshold)
            slopes[c] = one / (one + x * x)
    else:
        for c in range(len(slopes)):
            slopes[c] = one if abs(potential[c] - threshold) < half else kind(0)


@compiled(parallel=True)
def fire_backward(x_TMC: Array, scale: Array, shift: Array, grad_spikes_TMC: Array, grad_TMC: Array, mean: Array,
                  inverse_std: Array, tau: Any, leak: Any, threshold: Any, decay_input: bool, reach: bool, hard: bool,
                  detach: bool, surrogate: int) -> Array:  # fmt: skip
    """Gradient at the output of the affine part, written to grad, which has as many steps as x.

    Returns for every channel its sum, and its sum with the normalised input: float64, shape (2, C).
    """
    steps, rows, channels = grad_spikes_TMC.shape
    partial: Array = np.zeros((CHUNKS, 2, channels))
    zero, one = x_TMC.dtype.type(0), x_TMC.dtype.type(1)
    constant = x_TMC.shape[0] == 1
    for chunk in prange(CHUNKS):
        low, high = _bounds(chunk, rows)
        before = np.empty((steps, channels), x_TMC.dtype)
        potential, slopes = np.empty(channels, x_TMC.dtype), np.empty(channels, x_TMC.dtype)
        work = np.empty(channels, x_TMC.dtype)
        carried, total = np.empty(channels, x_TMC.dtype), np.empty(channels, x_TMC.dtype)
        for m in range(low, high):
            potential[:] = zero
            for t in range(steps):
                _integrate(potential, x_TMC, t, m, scale, shift, tau, leak, decay_input)
                before[t] = potential
                _reset(potential, threshold, reach, hard)
            carried[:] = zero
            total[:] = zero
            for t in range(steps - 1, -1, -1):
                _surrogate(slopes, work, before[t], threshold, surrogate)
                t_in = 0 if constant else t
                for c in range(channels):
                    u = before[t, c]
                    fired = _fires(u, threshold, reach)
                    grad_spike = grad_spikes_TMC[t, m, c]
                    if not detach:  # the next potential also depends on the spike, through the reset
                        grad_spike -= carried[c] * (u if hard else threshold)
                    survives = zero if hard and fired else one
                    grad_u = grad_spike * slopes[c] + carried[c] * survives
                    grad_current = grad_u / tau if decay_input else grad_u
                    carried[c] = grad_u - grad_current if decay_input else grad_u * leak
                    if constant:  # all steps read the same current: their gradients add up
                        total[c] += grad_current
                    else:
                        total[c] = grad_current
                    grad_TMC[t_in, m, c] = total[c]
                if t == 0 or not constant:
                    for c in range(channels):
                        normalised = (x_TMC[t_in, m, c] - mean[c]) * inverse_std[c]
                        partial[chunk, 0, c] += total[c]
                        partial[chunk, 1, c] += total[c] * normalised
    sums: Array = partial.sum(axis=0)
    return sums


@compiled(parallel=True)
def normalise_backward(grad_TMC: Array, x_TMC: Array, mean: Array, inverse_std: Array, scale: Array,
                       mean_grad: Array, mean_product: Array) -> None:  # fmt: skip
    """BatchNorm's gradient at its input, in place: scale (g - mean(g) - normalised x * mean(g * normalised x))."""
    steps, rows, channels = x_TMC.shape
    for chunk in prange(CHUNKS):
        low, high = _bounds(chunk, rows)
        for t in range(steps):
            for m in range(low, high):
                for c in range(channels):
                    normalised = (x_TMC[t, m, c] - mean[c]) * inverse_std[c]
                    grad = grad_TMC[t, m, c] - mean_grad[c] - normalised * mean_product[c]
                    grad_TMC[t, m, c] = grad * scale[c]
