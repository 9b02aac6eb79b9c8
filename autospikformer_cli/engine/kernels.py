"""Compiled loops over the spikes of a layer: lists of non-zero inputs, sums of weight rows, neurons.

Dimension legend: T time steps (1: the same at every step), B images, P positions, C channels. S settings of
neurons, G groups of outputs (layers that read the same input), K tiles. Every number is computed from one image, in a
fixed order: the non-zero inputs of an output position, ascending.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.spiking.compiled import compiled, inlined
from autospikformer_cli.spiking.vector_code import lanes
from autospikformer_cli.spiking.vectors import BLOCK, add_rows, copy, copy_shifted, fire_row, list_nonzeros

Array = NDArray[Any]
OVERSHOOT = lanes(4) - 1
"""Numbers that `copy_shifted` may read and write after a list."""


class Rows(NamedTuple):
    """A layer's weights, a row for every input, cut into tiles of columns (`packing`).

    numbers: all tiles.
    tiles: for each, its first number, stride, vectors, columns that count, group, and first column in the group.
    kernel: 3 of a convolution, 1 of a linear layer.
    inputs: channels, of the widest layer; the row of tap k and channel c is k * inputs + c.
    """

    numbers: Array
    tiles: Array
    kernel: int
    inputs: int


class Neurons(NamedTuple):
    """Settings of neurons that read the same input, (S, G) each, and what they share (`neuron.Dynamics`).

    reaches: the lowest potential that fires.
    threshold: what a soft reset subtracts from the potential.
    """

    tau: Array
    leak: Array
    reaches: Array
    threshold: Array
    decay_input: bool
    hard: bool


class Lists(NamedTuple):
    """One image's non-zero inputs. Position p at step t has those from starts[t * P + p] up to the next start.

    tail: a position's last inputs, filled up with zeros to a BLOCK.
    """

    indices: Array
    values: Array
    starts: Array
    tail: Array


class LayerScratch(NamedTuple):
    """Memory for one image's lists, and for the list of one output position.

    near_indices, near_values: the rows that reach one output position of a convolution.
    ones: values of spikes.
    sums: of one tile's columns.
    """

    lists: Lists
    near_indices: Array
    near_values: Array
    ones: Array
    sums: Array


class PoolScratch(NamedTuple):
    """Memory for one image's currents, of one tile's columns, whose maxima neurons read.

    currents: of every position. pooled: the maxima of every window, a row each. potentials: of every setting's neurons.
    ones, zeros: scale and shift of currents.
    """

    currents_PC: Array
    pooled_WC: Array
    potentials_SWC: Array
    ones_C: Array
    zeros_C: Array


def make_pool_scratch(settings: int, positions: int, windows: int, width: int, dtype: Any) -> PoolScratch:
    """Allocate memory that serves one image after the other."""
    return PoolScratch(
        np.empty((positions, width), dtype),
        np.empty((windows, width), dtype),
        np.empty((settings, windows, width), dtype),
        np.ones(width, dtype),
        np.zeros(width, dtype),
    )


def make_layer_scratch(x_TBPC: Array, rows: Rows, is_binary: bool) -> LayerScratch:
    """Allocate memory that serves one image after the other."""
    near, dtype = rows.kernel * rows.kernel * x_TBPC.shape[-1], rows.numbers.dtype
    return LayerScratch(
        make_lists(x_TBPC, dtype, is_binary),
        np.empty(near + OVERSHOOT, np.int32),
        np.empty(near, dtype),
        np.ones(near, dtype),
        np.empty(rows.tiles[:, 1].max(), dtype),
    )


def make_lists(x_TBPC: Array, dtype: Any, is_binary: bool) -> Lists:
    """Allocate lists that serve one image after the other. dtype: of their values; binary inputs need none."""
    steps, _, positions, channels = x_TBPC.shape
    size = steps * positions * channels
    return Lists(
        np.empty(size + OVERSHOOT, np.int32),
        np.empty(1 if is_binary else size, dtype),
        np.empty(steps * positions + 1, np.int64),
        np.zeros(BLOCK, x_TBPC.dtype),
    )


@inlined
def list_row(x: Array, start: int, channels: int, tail: Array, indices: Array, first: int) -> int:
    """List the channels of a position that are not 0, from indices[first] on. Returns how many."""
    whole = channels // BLOCK * BLOCK  # list_nonzeros reads whole blocks; the rest is copied to a padded one
    found: int = list_nonzeros(x, start, whole, indices, first, np.int32(0))
    if whole < channels:
        copy(tail, 0, x, start + whole, channels - whole)
        found += list_nonzeros(tail, 0, BLOCK, indices, first + found, np.int32(whole))
    return found


@inlined
def list_image(x_TBPC: Array, b: int, is_binary: bool, side: int, kernel: int, lists: Lists,
               counts_BT4: Array) -> None:  # fmt: skip
    """List an image's non-zero inputs.

    counts: by step, the values, the non-zeros, and both times the output positions that they reach.
    """
    steps, images, positions, channels = x_TBPC.shape
    values = x_TBPC.reshape(-1)
    end = 0
    for t in range(steps):
        for p in range(positions):
            begin = end
            lists.starts[t * positions + p] = begin
            start = ((t * images + b) * positions + p) * channels
            end += list_row(x_TBPC, start, channels, lists.tail, lists.indices, end)
            total = end - begin
            if not is_binary:
                total = 0
                for j in range(begin, end):
                    value = values[start + lists.indices[j]]
                    lists.values[j] = value
                    total += np.int64(value)
            reached = _reached(p, positions, side, kernel)
            counts_BT4[b, t, 0] += total
            counts_BT4[b, t, 1] += end - begin
            counts_BT4[b, t, 2] += total * reached
            counts_BT4[b, t, 3] += (end - begin) * reached
    lists.starts[steps * positions] = end


@inlined
def _reached(p: int, positions: int, side: int, kernel: int) -> int:
    """Output positions that an input at p reaches: fewer at the border."""
    if kernel == 1:
        return 1
    y, x = p // side, p % side
    rows = min(y + 1, positions // side - 1) - max(y - 1, 0) + 1
    columns = min(x + 1, side - 1) - max(x - 1, 0) + 1
    return rows * columns


@inlined
def _gather(scratch: LayerScratch, t: int, p: int, positions: int, side: int, rows: Rows, is_binary: bool) -> int:
    """List the rows that reach output position p, ascending: neighbours in reading order. Returns how many."""
    num = 0
    y, x = p // side, p % side
    for row in range(max(y - 1, 0), min(y + 2, positions // side)):
        for column in range(max(x - 1, 0), min(x + 2, side)):
            place = t * positions + row * side + column
            first = scratch.lists.starts[place]
            length = scratch.lists.starts[place + 1] - first
            tap = (row - y + 1) * 3 + column - x + 1
            copy_shifted(scratch.near_indices, num, scratch.lists.indices, first, length, np.int32(tap * rows.inputs))
            if not is_binary:
                copy(scratch.near_values, num, scratch.lists.values, first, length)
            num += length
    return num


@inlined
def sum_rows(sums: Array, scratch: LayerScratch, t: int, p: int, positions: int, side: int, rows: Rows,
             is_binary: bool, offset: int, stride: int, vectors: int) -> None:  # fmt: skip
    """One position's weighted sums, for the columns of a tile."""
    if rows.kernel == 1:
        first = scratch.lists.starts[t * positions + p]
        num = scratch.lists.starts[t * positions + p + 1] - first
        indices, values = scratch.lists.indices, scratch.lists.values
    else:
        first = 0
        num = _gather(scratch, t, p, positions, side, rows, is_binary)
        indices, values = scratch.near_indices, scratch.near_values
    if is_binary:
        add_rows(sums, 0, rows.numbers, offset, stride, indices, first, scratch.ones, 0, num, vectors)
    else:
        add_rows(sums, 0, rows.numbers, offset, stride, indices, first, values, first, num, vectors)


@compiled(allocates=False)
def fire_images(x_TBPC: Array, side: int, is_binary: bool, rows: Rows, scale_KC: Array, shift_KC: Array,
                neurons: Neurons, spikes_SGTBPC: Array, read_BT4: Array, fired_BSGT: Array, scratch: LayerScratch,
                potential_SC: Array, spikes_C: Array, first: int, last: int) -> None:  # fmt: skip
    """Spikes of images first to last. The neurons' currents are sums of rows, times scale, plus shift.

    is_binary: whether all values of the input are 0 or 1.
    scale, shift: by tile. In columns that do not count, shift is not-a-number, so that no neuron fires.
    read: see `list_image`.
    fired: number of spikes.
    """
    settings, groups, steps, images, positions, outputs = spikes_SGTBPC.shape
    inputs_steps, width, sums = len(x_TBPC), scale_KC.shape[1], scratch.sums
    for b in range(first, last):
        list_image(x_TBPC, b, is_binary, side, rows.kernel, scratch.lists, read_BT4)
        for k in range(len(rows.tiles)):
            offset, stride, vectors = rows.tiles[k, 0], rows.tiles[k, 1], rows.tiles[k, 2]
            columns, group, column = rows.tiles[k, 3], rows.tiles[k, 4], rows.tiles[k, 5]
            for p in range(positions):
                potential_SC[:] = 0
                for t in range(steps):
                    if t < inputs_steps:
                        sum_rows(sums, scratch, t, p, positions, side, rows, is_binary, offset, stride, vectors)
                    for s in range(settings):
                        fired_BSGT[b, s, group, t] += fire_row(
                            sums, 0, scale_KC, shift_KC, k * width, potential_SC, s * width, spikes_C,
                            neurons.tau[s, group], neurons.leak[s, group], neurons.reaches[s, group],
                            neurons.threshold[s, group], neurons.decay_input, neurons.hard, vectors,
                        )  # fmt: skip
                        frame = ((s * groups + group) * steps + t) * images + b
                        copy(spikes_SGTBPC, (frame * positions + p) * outputs + column, spikes_C, 0, columns)


@compiled(allocates=False)
def pool_and_fire_images(x_TBPC: Array, side: int, is_binary: bool, rows: Rows, scale_KC: Array, shift_KC: Array,
                         neurons: Neurons, spikes_SGTBPC: Array, read_BT4: Array, fired_BSGT: Array,
                         scratch: LayerScratch, pooling: PoolScratch, spikes_C: Array,
                         first: int, last: int) -> None:  # fmt: skip
    """As `fire_images`, of neurons that read the maxima of the currents in 3 x 3 windows with stride 2."""
    settings, groups, steps, images, windows, outputs = spikes_SGTBPC.shape
    inputs_steps, positions, width, sums = len(x_TBPC), x_TBPC.shape[2], scale_KC.shape[1], scratch.sums
    for b in range(first, last):
        list_image(x_TBPC, b, is_binary, side, rows.kernel, scratch.lists, read_BT4)
        for k in range(len(rows.tiles)):
            offset, stride, vectors = rows.tiles[k, 0], rows.tiles[k, 1], rows.tiles[k, 2]
            columns, group, column = rows.tiles[k, 3], rows.tiles[k, 4], rows.tiles[k, 5]
            pooling.potentials_SWC[:] = 0
            for t in range(steps):
                if t < inputs_steps:
                    for p in range(positions):
                        sum_rows(sums, scratch, t, p, positions, side, rows, is_binary, offset, stride, vectors)
                        for c in range(width):
                            pooling.currents_PC[p, c] = sums[c] * scale_KC[k, c] + shift_KC[k, c]
                    _pool_currents(pooling.currents_PC, side, pooling.pooled_WC)
                for s in range(settings):
                    frame = ((s * groups + group) * steps + t) * images + b
                    for w in range(windows):
                        fired_BSGT[b, s, group, t] += fire_row(
                            pooling.pooled_WC, w * width, pooling.ones_C, pooling.zeros_C, 0, pooling.potentials_SWC,
                            (s * windows + w) * width, spikes_C, neurons.tau[s, group], neurons.leak[s, group],
                            neurons.reaches[s, group], neurons.threshold[s, group], neurons.decay_input, neurons.hard,
                            vectors,
                        )  # fmt: skip
                        copy(spikes_SGTBPC, (frame * windows + w) * outputs + column, spikes_C, 0, columns)


@inlined
def _pool_currents(currents_PC: Array, side: int, pooled_WC: Array) -> None:
    """Maxima of 3 x 3 windows with stride 2. Not-a-number wins, as in torch."""
    positions, width = currents_PC.shape
    height, windows_side = positions // side, (side + 1) // 2
    for w in range(len(pooled_WC)):
        y, x = w // windows_side, w % windows_side
        pooled_WC[w] = -np.inf
        for row in range(max(2 * y - 1, 0), min(2 * y + 2, height)):
            for column in range(max(2 * x - 1, 0), min(2 * x + 2, side)):
                for c in range(width):
                    value = currents_PC[row * side + column, c]
                    if value > pooled_WC[w, c] or value != value:
                        pooled_WC[w, c] = value


@compiled(allocates=False)
def moments(x_TBPC: Array, side: int, is_binary: bool, rows: Rows, read_BT4: Array, sums_B2GC: Array,
            scratch: LayerScratch, first: int, last: int) -> None:  # fmt: skip
    """For images first to last, sums and sums of squares of every output over steps and positions, in float64."""
    steps, _, positions, _ = x_TBPC.shape
    sums = scratch.sums
    for b in range(first, last):
        list_image(x_TBPC, b, is_binary, side, rows.kernel, scratch.lists, read_BT4)
        for k in range(len(rows.tiles)):
            offset, stride, vectors = rows.tiles[k, 0], rows.tiles[k, 1], rows.tiles[k, 2]
            columns, group, column = rows.tiles[k, 3], rows.tiles[k, 4], rows.tiles[k, 5]
            sums_C, squares_C = sums_B2GC[b, 0, group, column:], sums_B2GC[b, 1, group, column:]
            for p in range(positions):
                for t in range(steps):
                    sum_rows(sums, scratch, t, p, positions, side, rows, is_binary, offset, stride, vectors)
                    for c in range(columns):
                        value = np.float64(sums[c])
                        sums_C[c] += value
                        squares_C[c] += value * value


@compiled(allocates=False)
def pool(x_BHWC: Array, pooled_BHWC: Array, first: int, last: int) -> None:
    """Maxima of 3 x 3 windows with stride 2, of frames first to last."""
    _, height, width, channels = x_BHWC.shape
    for b in range(first, last):
        for y in range(pooled_BHWC.shape[1]):
            for x in range(pooled_BHWC.shape[2]):
                most_C = pooled_BHWC[b, y, x]
                most_C[:] = 0
                for row in range(max(2 * y - 1, 0), min(2 * y + 2, height)):
                    for column in range(max(2 * x - 1, 0), min(2 * x + 2, width)):
                        for c in range(channels):
                            most_C[c] = max(most_C[c], x_BHWC[b, row, column, c])


@compiled(allocates=False)
def classify(x_TBND: Array, rows: Rows, means_BD: Array, logits_BK: Array, totals_D: Array, indices_D: Array,
             sums_K: Array, first: int, last: int) -> None:  # fmt: skip
    """For images first to last, means over steps and tokens, from exact sums, times the classifier's weights."""
    steps, _, tokens, dim = x_TBND.shape
    for b in range(first, last):
        totals_D[:] = 0
        for t in range(steps):
            for n in range(tokens):
                for c in range(dim):
                    totals_D[c] += x_TBND[t, b, n, c]
        for c in range(dim):
            indices_D[c] = c
            means_BD[b, c] = totals_D[c] / (steps * tokens)
        for k in range(len(rows.tiles)):
            offset, stride, vectors = rows.tiles[k, 0], rows.tiles[k, 1], rows.tiles[k, 2]
            add_rows(sums_K, 0, rows.numbers, offset, stride, indices_D, 0, means_BD, b * dim, dim, vectors)
            for c in range(rows.tiles[k, 3]):
                logits_BK[b, rows.tiles[k, 5] + c] = sums_K[c]


@compiled(allocates=False)
def narrow(wide_TBPC: Array, narrow_TBPC: Array, fired_BT: Array, first: int, last: int) -> None:
    """Copy the first channels of images first to last, and count their spikes."""
    steps, images, positions, channels = wide_TBPC.shape
    outputs = narrow_TBPC.shape[3]
    spikes = narrow_TBPC.reshape(-1)
    for b in range(first, last):
        for t in range(steps):
            total = np.int64(0)
            for p in range(positions):
                place = (t * images + b) * positions + p
                copy(narrow_TBPC, place * outputs, wide_TBPC, place * channels, outputs)
                in_row = np.uint32(0)  # 32 bits hold a row's sum, and its loop vectorises
                for c in range(outputs):
                    in_row = np.uint32(in_row + spikes[place * outputs + c])
                total += np.int64(in_row)
            fired_BT[b, t] = total


@compiled(allocates=False)
def pack(x_TBX: Array, packed_BTY: Array, first: int, last: int) -> None:
    """Pack whole numbers 0 to 3 of images first to last, four in a byte."""
    steps, images, numbers = x_TBX.shape
    size = packed_BTY.shape[2]
    x, packed = x_TBX.reshape(-1), packed_BTY.reshape(-1)
    for b in range(first, last):
        for t in range(steps):
            at, to = (t * images + b) * numbers, (b * steps + t) * size
            for y in range(numbers // 4):
                four = at + 4 * y
                packed[to + y] = x[four] | x[four + 1] << 2 | x[four + 2] << 4 | x[four + 3] << 6
            if numbers % 4:
                packed[to + size - 1] = 0
            for rest in range(numbers % 4):
                packed[to + size - 1] |= x[at + numbers - numbers % 4 + rest] << (2 * rest)


@compiled(allocates=False)
def unpack(packed_BTY: Array, x_TBX: Array, first: int, last: int) -> None:
    """Undo `pack`. Only the first steps are unpacked if x has fewer."""
    steps, images, numbers = x_TBX.shape
    size, packed_steps = packed_BTY.shape[2], packed_BTY.shape[1]
    x, packed = x_TBX.reshape(-1), packed_BTY.reshape(-1)
    for b in range(first, last):
        for t in range(steps):
            at, of = (t * images + b) * numbers, (b * packed_steps + t) * size
            for y in range(numbers // 4):
                byte, four = packed[of + y], at + 4 * y
                x[four] = byte & 3
                x[four + 1] = byte >> 2 & 3
                x[four + 2] = byte >> 4 & 3
                x[four + 3] = byte >> 6
            for rest in range(numbers % 4):
                x[at + numbers - numbers % 4 + rest] = packed[of + size - 1] >> (2 * rest) & 3
