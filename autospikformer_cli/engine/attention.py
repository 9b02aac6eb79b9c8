"""Compiled loops for the two products of spiking self-attention. They add whole numbers, so the order does not matter.

Dimension legend: T time steps, B images, N tokens, D embedding dimension, W width of a head.
q (k^T v) and (q k^T) v are two sums of rows each: every active channel, or token, selects a row of integers to add.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.engine.kernels import Lists, Neurons, list_image, make_lists
from autospikformer_cli.spiking.compiled import compiled, inlined
from autospikformer_cli.spiking.vector_code import VECTOR_BYTES, lanes
from autospikformer_cli.spiking.vectors import MAX_VECTORS, add_rows, copy, fire_row

Array = NDArray[Any]
LANES = lanes(4)
TILE = MAX_VECTORS * LANES
BITS_PER_WORD = 64


class Spikes(NamedTuple):
    """One head's spikes of one image and step.

    indices: (rows, most in a row); the first num[row] of each row count.
    bits: (words, rows), the same spikes as bits of words.
    """

    indices: Array
    num: Array
    bits: Array


class Heads(NamedTuple):
    """Spikes of one image, of all heads. nexts: for each step and token, the first spike of the next head."""

    lists: Lists
    nexts: Array


class AttentionScratch(NamedTuple):
    """Memory for one image, and for one head of it at one step.

    between: q k^T or k^T v.
    mixed: the product of all three.
    indices, values: the non-zero products of one token.
    scales, shifts, spikes: of one token's neurons.
    potentials: of all tokens' neurons.
    """

    q_heads: Heads
    k_heads: Heads
    v_heads: Heads
    q: Spikes
    k: Spikes
    v: Spikes
    q_columns: Spikes
    k_columns: Spikes
    v_columns: Spikes
    v_rows: Array
    k_transposed: Array
    between: Array
    mixed: Array
    indices: Array
    values: Array
    ones: Array
    shared: Array
    scales: Array
    shifts: Array
    potentials: Array
    spikes: Array


def make_attention_scratch(q_TBND: Array, heads: int, scale: float, neurons: Neurons) -> AttentionScratch:
    """Allocate the memory. scale: factor of the product, before the neurons."""
    tokens, width = q_TBND.shape[2], q_TBND.shape[3] // heads
    padded, padded_tokens = _up(width, LANES), _up(tokens, LANES)
    dtype = neurons.tau.dtype
    columns = _up(width, lanes(dtype.itemsize))
    between = (tokens, padded_tokens) if tokens <= width else (width, padded)
    shifts = np.zeros((1, columns), dtype)
    shifts[:, width:] = np.nan  # columns that pad the last vector never fire
    return AttentionScratch(
        q_heads=_heads(q_TBND),
        k_heads=_heads(q_TBND),
        v_heads=_heads(q_TBND),
        q=_spikes(tokens, width),
        k=_spikes(tokens, width),
        v=_spikes(tokens, width),
        q_columns=_spikes(width, tokens),
        k_columns=_spikes(width, tokens),
        v_columns=_spikes(width, tokens),
        v_rows=np.zeros((tokens, padded), np.int32),
        k_transposed=np.zeros((width, padded_tokens), np.int32),
        between=np.zeros(between, np.int32),
        mixed=np.empty((tokens, padded), np.int32),
        indices=np.empty(tokens, np.int32),
        values=np.empty(tokens, np.int32),
        ones=np.ones(max(width, tokens), np.int32),
        shared=np.empty(max(width, tokens), np.uint64),
        scales=np.full((1, columns), scale, dtype),
        shifts=shifts,
        potentials=np.empty((tokens, columns), dtype),
        spikes=np.empty(columns, np.uint8),
    )


def _heads(x_TBND: Array) -> Heads:
    """Memory for one image's spikes."""
    lists = make_lists(x_TBND, np.int32, is_binary=True)
    return Heads(lists, np.empty(len(lists.starts) - 1, np.int64))


def _spikes(rows: int, most: int) -> Spikes:
    """Memory for one head's spikes, at most `most` in a row."""
    words = _up(most, BITS_PER_WORD) // BITS_PER_WORD
    return Spikes(np.empty((rows, most), np.int32), np.empty(rows, np.int64), np.empty((words, rows), np.uint64))


def _up(number: int, step: int) -> int:
    """The next multiple of step."""
    return -(-number // step) * step


@inlined
def _list(x_TBND: Array, b: int, heads: Heads, counts_BT4: Array) -> None:
    """List the spikes of one image."""
    list_image(x_TBND, b, True, x_TBND.shape[2], 1, heads.lists, counts_BT4)
    for place in range(len(heads.nexts)):
        heads.nexts[place] = heads.lists.starts[place]


@inlined
def _take(heads: Heads, t: int, low: int, high: int, rows: Spikes, columns: Spikes) -> None:
    """Take the next head's spikes at one step, channels low to high: by token and by channel, ascending."""
    columns.num[:] = 0
    columns.bits[:] = 0
    rows.bits[:] = 0
    tokens, one, indices = len(rows.num), np.uint64(1), heads.lists.indices
    for n in range(tokens):
        place = t * tokens + n
        first = heads.nexts[place]
        j, end = first, heads.lists.starts[place + 1]
        while j < end and indices[j] < high:
            c = indices[j] - low
            rows.indices[n, j - first] = c
            columns.indices[c, columns.num[c]] = n
            columns.num[c] += 1
            columns.bits[n // BITS_PER_WORD, c] |= one << np.uint64(n % BITS_PER_WORD)
            rows.bits[c // BITS_PER_WORD, n] |= one << np.uint64(c % BITS_PER_WORD)
            j += 1
        heads.nexts[place] = j
        rows.num[n] = j - first


@inlined
def _fill(spikes: Spikes, matrix_RC: Array) -> None:
    """Write spikes as a matrix of 0 and 1."""
    matrix_RC[:] = 0
    for r in range(len(spikes.num)):
        for j in range(spikes.num[r]):
            matrix_RC[r, spikes.indices[r, j]] = 1


@inlined
def _add_listed(out_RC: Array, spikes: Spikes, matrix_RC: Array, ones: Array) -> None:
    """out[r] = sum of the matrix rows that the spikes of r select. Columns are whole vectors."""
    columns, most = matrix_RC.shape[1], spikes.indices.shape[1]
    for r in range(len(spikes.num)):
        for c in range(0, columns, TILE):
            vectors = min(TILE, columns - c) // LANES
            start = r * columns + c
            add_rows(out_RC, start, matrix_RC, c, columns, spikes.indices, r * most, ones, 0, spikes.num[r], vectors)


@inlined
def _add_weighted(scratch: AttentionScratch) -> None:
    """mixed = between v: for each token, its non-zero products with the others, times their v."""
    tokens, padded = scratch.mixed.shape
    for n in range(tokens):
        num = 0
        for m in range(tokens):
            weight = scratch.between[n, m]
            scratch.indices[num] = m
            scratch.values[num] = weight
            num += 1 if weight != 0 else 0
        for c in range(0, padded, TILE):
            vectors = min(TILE, padded - c) // LANES
            start = n * padded + c
            add_rows(
                scratch.mixed, start, scratch.v_rows, c, padded, scratch.indices, 0, scratch.values, 0, num, vectors
            )


@inlined
def _common(spikes: Spikes, row: int, others: Spikes, shared: Array) -> int:
    """How many rows of the others share a spike with one row."""
    num = len(others.num)
    for r in range(num):
        shared[r] = spikes.bits[0, row] & others.bits[0, r]
    for w in range(1, len(spikes.bits)):
        for r in range(num):
            shared[r] |= spikes.bits[w, row] & others.bits[w, r]
    common = 0
    for r in range(num):
        common += 1 if shared[r] != 0 else 0
    return common


@inlined
def _count(scratch: AttentionScratch, b: int, t: int, events_BT4: Array) -> None:
    """Add the events of both orders: of q k^T, of its product with v, of k^T v, and of q's product with it."""
    for n in range(len(scratch.k.num)):
        events_BT4[b, t, 2] += scratch.k.num[n] * scratch.v.num[n]
        if scratch.v.num[n]:
            events_BT4[b, t, 1] += scratch.v.num[n] * _common(scratch.k, n, scratch.q, scratch.shared)
    for c in range(len(scratch.k_columns.num)):
        events_BT4[b, t, 0] += scratch.q_columns.num[c] * scratch.k_columns.num[c]
        if scratch.q_columns.num[c]:
            events_BT4[b, t, 3] += scratch.q_columns.num[c] * _common(
                scratch.k_columns, c, scratch.v_columns, scratch.shared
            )


@inlined
def _multiply(scratch: AttentionScratch) -> None:
    """mixed = q k^T v, in the order with fewer multiply-accumulates."""
    _fill(scratch.v, scratch.v_rows)
    if len(scratch.q.num) <= len(scratch.q_columns.num):
        _fill(scratch.k_columns, scratch.k_transposed)
        _add_listed(scratch.between, scratch.q, scratch.k_transposed, scratch.ones)
        _add_weighted(scratch)
    else:
        _add_listed(scratch.between, scratch.k_columns, scratch.v_rows, scratch.ones)
        _add_listed(scratch.mixed, scratch.q, scratch.between, scratch.ones)


@compiled(allocates=False)
def attend_images(q_TBND: Array, k_TBND: Array, v_TBND: Array, heads: int, neurons: Neurons, spikes_TBND: Array,
           read_3BT4: Array, events_BT4: Array, fired_BT: Array, scratch: AttentionScratch, first: int,
           last: int) -> None:  # fmt: skip
    """Spikes of images first to last, from the scaled product of q, k^T and v of each head.

    read: counts of q, k and v, as in `kernels.list_image`.
    events: synaptic events of q k^T, (q k^T) v, k^T v and q (k^T v).
    """
    steps, images, tokens, dim = q_TBND.shape
    width, columns, stride = dim // heads, len(scratch.spikes), scratch.mixed.shape[1]
    vectors = columns * scratch.scales.itemsize // VECTOR_BYTES
    for b in range(first, last):
        _list(q_TBND, b, scratch.q_heads, read_3BT4[0])
        _list(k_TBND, b, scratch.k_heads, read_3BT4[1])
        _list(v_TBND, b, scratch.v_heads, read_3BT4[2])
        for head in range(heads):
            low, high = head * width, (head + 1) * width
            scratch.potentials[:] = 0
            for t in range(steps):
                _take(scratch.q_heads, t, low, high, scratch.q, scratch.q_columns)
                _take(scratch.k_heads, t, low, high, scratch.k, scratch.k_columns)
                _take(scratch.v_heads, t, low, high, scratch.v, scratch.v_columns)
                _count(scratch, b, t, events_BT4)
                _multiply(scratch)
                for n in range(tokens):
                    fired_BT[b, t] += fire_row(
                        scratch.mixed, n * stride, scratch.scales, scratch.shifts, 0, scratch.potentials, n * columns,
                        scratch.spikes,
                        neurons.tau[0, 0], neurons.leak[0, 0], neurons.reaches[0, 0], neurons.threshold[0, 0],
                        neurons.decay_input, neurons.hard, vectors,
                    )  # fmt: skip
                    copy(spikes_TBND, ((t * images + b) * tokens + n) * dim + low, scratch.spikes, 0, width)
