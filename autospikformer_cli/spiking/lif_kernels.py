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
from autospikformer_cli.spiking.lif_gradient import arctan_gradient, rectangular_gradient, sigmoid_gradient
from autospikformer_cli.spiking.vector_code import VECTOR_BYTES, lanes

Array = NDArray[Any]
CHUNKS = 32
"""Fixed, whatever the number of threads: it decides the order of sums."""
SURROGATES = {"sigmoid": 0, "arctan": 1, "rectangular": 2}
"""Numbers that stand for `neuron.Surrogate` in compiled loops."""


def rows_together(rows: int, channels: int, itemsize: int) -> int:
    """How many rows loops take as one, so that channels fill whole vectors. 1 if they do not divide the rows."""
    width = lanes(itemsize)
    together = width // math.gcd(channels, width)
    return 1 if rows % together else together


@inlined
def _integrated(u: Any, current: Any, tau: Any, leak: Any, decay_input: bool) -> Any:
    """The potential one step later."""
    return u + (current - u) / tau if decay_input else u * leak + current


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
def _reset(potential: Array, reaches: Any, threshold: Any, hard: bool) -> None:
    """Reset the potentials that fire."""
    zero = potential.dtype.type(0)
    for c in range(len(potential)):
        u = potential[c]
        potential[c] = (zero if hard else u - threshold) if u >= reaches else u


@compiled(parallel=True)
def fire_forward(x_TMC: Array, scale: Array, shift: Array, spikes_TMC: Array, tau: Any, leak: Any, reaches: Any,
                 threshold: Any, decay_input: bool, hard: bool) -> None:  # fmt: skip
    """Spikes from currents x * scale + shift. x has T steps, or one that repeats. Scalars have x's precision.

    reaches: the lowest potential that fires. threshold: what a soft reset subtracts.
    """
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
                    spikes_TMC[t, m, c] = one if potential[c] >= reaches else zero
                _reset(potential, reaches, threshold, hard)


@compiled(parallel=True)
def fire_backward(x_TMC: Array, scale: Array, shift: Array, grad_spikes_TMC: Array, grad_TMC: Array, mean: Array,
                  inverse_std: Array, tau: Any, leak: Any, reaches: Any, threshold: Any, decay_input: bool, hard: bool,
                  detach: bool, surrogate: int) -> Array:  # fmt: skip
    """Gradient at the output of the affine part, written to grad, which has as many steps as x.

    Returns for every channel its sum, and its sum with the normalised input: float64, shape (2, C).
    """
    steps, rows, channels = grad_spikes_TMC.shape
    partial: Array = np.zeros((CHUNKS, 2, channels))
    for chunk in prange(CHUNKS):
        low, high = _bounds(chunk, rows)
        before = np.empty((steps, VECTOR_BYTES // x_TMC.itemsize), x_TMC.dtype)
        for m in range(low, high):
            if surrogate == 0:
                sigmoid_gradient(x_TMC, scale, shift, grad_spikes_TMC, grad_TMC, mean, inverse_std, before, partial, m,
                                 chunk, tau, leak, reaches, threshold, decay_input, hard, detach)  # fmt: skip
            elif surrogate == 1:
                arctan_gradient(x_TMC, scale, shift, grad_spikes_TMC, grad_TMC, mean, inverse_std, before, partial, m,
                                chunk, tau, leak, reaches, threshold, decay_input, hard, detach)  # fmt: skip
            else:
                rectangular_gradient(x_TMC, scale, shift, grad_spikes_TMC, grad_TMC, mean, inverse_std, before, partial,
                                     m, chunk, tau, leak, reaches, threshold, decay_input, hard, detach)  # fmt: skip
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
