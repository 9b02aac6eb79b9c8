"""Compiled loops for the two products of spiking self-attention: whole numbers, so their order cannot be seen.

Dimension legend: T time steps, B images, N tokens, D embedding dimension, W width of a head, S settings of neurons.
q (k^T v) and (q k^T) v are each two sums of rows: for every active channel, or token, a row of a matrix of integers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.engine.kernels import Neurons
from autospikformer_cli.engine.vectors import (
    BLOCK,
    MAX_VECTORS,
    VECTOR_BYTES,
    add_rows,
    copy,
    fire_row,
    lanes,
    list_nonzeros,
)
from autospikformer_cli.spiking.compiled import compiled, inlined

Array = NDArray[Any]
LANES = lanes(4)
TILE = MAX_VECTORS * LANES
WORD = 64


class Spikes(NamedTuple):
    """One head's spikes of one image and step: (rows, most in a row) indices, of which the first num[row] count.

    bits: (words, rows), the same as bits of words.
    """

    indices: Array
    num: Array
    bits: Array


class Room(NamedTuple):
    """Memory for one head of one image and step.

    between: q k^T or k^T v; mixed: the product of all three. indices, values: of the non-zero products of one token.
    row: one token's spikes. current to spikes: of one token's neurons, potentials: of all tokens' and settings'.
    """

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
    row: Array
    current: Array
    scales: Array
    shifts: Array
    potentials: Array
    spikes: Array


def make_room(tokens: int, width: int, scale: float, neurons: Neurons) -> Room:
    """Memory for heads of that width; scale: of the product, before the neurons."""
    padded, padded_tokens = _up(width, LANES), _up(tokens, LANES)
    dtype = neurons.tau.dtype
    columns = _up(width, lanes(dtype.itemsize))
    between = (tokens, padded_tokens) if tokens <= width else (width, padded)
    shifts = np.zeros((1, columns), dtype)
    shifts[:, width:] = np.nan
    return Room(
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
        row=np.zeros(_up(width, BLOCK), np.uint8),
        current=np.empty(columns, dtype),
        scales=np.full((1, columns), scale, dtype),
        shifts=shifts,
        potentials=np.empty((len(neurons.tau), tokens, columns), dtype),
        spikes=np.empty(columns, np.uint8),
    )


def _spikes(rows: int, most: int) -> Spikes:
    words = _up(most, WORD) // WORD
    return Spikes(
        np.empty((rows, most + BLOCK), np.int32), np.empty(rows, np.int64), np.empty((words, rows), np.uint64)
    )


def _up(number: int, step: int) -> int:
    """The next multiple."""
    return -(-number // step) * step


@inlined
def _list(x_TBND: Array, start: int, width: int, dim: int, rows: Spikes, columns: Spikes, row: Array) -> int:
    """Spikes of one head by row and by column, ascending, from the head's first number in x on; how many."""
    columns.num[:] = 0
    columns.bits[:] = 0
    rows.bits[:] = 0
    total, most, one = 0, rows.indices.shape[1], np.uint64(1)
    for n in range(len(rows.num)):
        copy(row, 0, x_TBND, start + n * dim, width)
        num = list_nonzeros(row, 0, len(row), rows.indices, n * most, np.int32(0))
        rows.num[n] = num
        total += num
        for j in range(num):
            c = rows.indices[n, j]
            columns.indices[c, columns.num[c]] = n
            columns.num[c] += 1
            columns.bits[n // WORD, c] |= one << np.uint64(n % WORD)
            rows.bits[c // WORD, n] |= one << np.uint64(c % WORD)
    return total


@inlined
def _add_listed(out_RC: Array, spikes: Spikes, matrix_RC: Array, ones: Array) -> None:
    """out[r] = sum of the matrix's rows that spikes of r name; columns are whole vectors."""
    columns, most = matrix_RC.shape[1], spikes.indices.shape[1]
    for r in range(len(spikes.num)):
        for c in range(0, columns, TILE):
            vectors = min(TILE, columns - c) // LANES
            start = r * columns + c
            add_rows(out_RC, start, matrix_RC, c, columns, spikes.indices, r * most, ones, 0, spikes.num[r], vectors)


@inlined
def _add_weighted(room: Room) -> None:
    """mixed = between v: of each token, its non-zero products with the others times their v."""
    tokens, padded = room.mixed.shape
    for n in range(tokens):
        num = 0
        for m in range(tokens):
            weight = room.between[n, m]
            room.indices[num] = m
            room.values[num] = weight
            num += 1 if weight != 0 else 0
        for c in range(0, padded, TILE):
            vectors = min(TILE, padded - c) // LANES
            start = n * padded + c
            add_rows(room.mixed, start, room.v_rows, c, padded, room.indices, 0, room.values, 0, num, vectors)


@inlined
def _common(spikes: Spikes, row: int, others: Spikes, shared: Array) -> int:
    """How many of the others' rows share a spike with one row."""
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
def _count(room: Room, b: int, t: int, events_BT4: Array) -> None:
    """Add the events of both orders: of q k^T, of its product with v, of k^T v, and of q's product with it."""
    for n in range(len(room.k.num)):
        events_BT4[b, t, 2] += room.k.num[n] * room.v.num[n]
        if room.v.num[n]:
            events_BT4[b, t, 1] += room.v.num[n] * _common(room.k, n, room.q, room.shared)
    for c in range(len(room.k_columns.num)):
        events_BT4[b, t, 0] += room.q_columns.num[c] * room.k_columns.num[c]
        if room.q_columns.num[c]:
            events_BT4[b, t, 3] += room.q_columns.num[c] * _common(room.k_columns, c, room.v_columns, room.shared)


@compiled(allocates=False)
def attend(q_TBND: Array, k_TBND: Array, v_TBND: Array, heads: int, neurons: Neurons, spikes_STBND: Array,
           read_BT2: Array, events_BT4: Array, fired_BST: Array, room: Room, first: int,
           last: int) -> None:  # fmt: skip
    """Spikes of images first to last: the product of q, k^T and v of each head in the cheaper order, scaled.

    read: the spikes of q and v. events: synaptic events of q k^T, (q k^T) v, k^T v and q (k^T v).
    """
    steps, images, tokens, dim = q_TBND.shape
    settings, width, columns = len(neurons.tau), dim // heads, len(room.current)
    vectors = columns * room.current.itemsize // VECTOR_BYTES
    for b in range(first, last):
        for head in range(heads):
            room.potentials[:] = 0
            for t in range(steps):
                start = (t * images + b) * tokens * dim + head * width
                read_BT2[b, t, 0] += _list(q_TBND, start, width, dim, room.q, room.q_columns, room.row)
                _list(k_TBND, start, width, dim, room.k, room.k_columns, room.row)
                read_BT2[b, t, 1] += _list(v_TBND, start, width, dim, room.v, room.v_columns, room.row)
                _count(room, b, t, events_BT4)
                for n in range(tokens):
                    for c in range(width):
                        room.v_rows[n, c] = v_TBND[t, b, n, head * width + c]
                if tokens <= width:
                    for n in range(tokens):
                        for c in range(width):
                            room.k_transposed[c, n] = k_TBND[t, b, n, head * width + c]
                    _add_listed(room.between, room.q, room.k_transposed, room.ones)
                    _add_weighted(room)
                else:
                    _add_listed(room.between, room.k_columns, room.v_rows, room.ones)
                    _add_listed(room.mixed, room.q, room.between, room.ones)
                for n in range(tokens):
                    for c in range(width):
                        room.current[c] = room.mixed[n, c]
                    for s in range(settings):
                        fired_BST[b, s, t] += fire_row(
                            room.current, room.scales, room.shifts, 0, room.potentials, (s * tokens + n) * columns,
                            room.spikes, neurons.tau[s, 0], neurons.leak[s, 0], neurons.reaches[s, 0],
                            neurons.threshold[s, 0], neurons.decay_input, neurons.hard, vectors,
                        )  # fmt: skip
                        place = ((s * steps + t) * images + b) * tokens + n
                        copy(spikes_STBND, place * dim + head * width, room.spikes, 0, width)
