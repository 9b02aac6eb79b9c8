"""Compiled loops of training: weighted sums of spikes, and the gradient of the weights. They visit spikes only.

Dimension legend: T time steps (1: the same at every step), B images, P positions, C input channels, G layers that read
the same input, O outputs of each. F frames: an image at a step, F = T B. N groups of frames, K tiles of outputs.
Work is split by image, by group or by input channel, never by thread: results do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from autospikformer_cli.engine.kernels import OVERSHOOT, LayerScratch, Lists, Rows, list_image, list_row, sum_rows
from autospikformer_cli.spiking.compiled import compiled, inlined
from autospikformer_cli.spiking.vector_code import VECTOR_BYTES
from autospikformer_cli.spiking.vectors import BLOCK, add_rows_onto, copy

Array = NDArray[Any]


@compiled(parallel=True)
def weighted_sums(x_TBPC: Array, side: int, is_binary: bool, rows: Rows, sums_GTBPO: Array) -> None:
    """Weighted sums of the outputs of every layer. is_binary: whether all values of x are 0 or 1."""
    for b in prange(x_TBPC.shape[1]):
        _sum_image(x_TBPC, b, side, is_binary, rows, sums_GTBPO)


@compiled()
def _sum_image(x_TBPC: Array, b: int, side: int, is_binary: bool, rows: Rows, sums_GTBPO: Array) -> None:
    """The weighted sums of one image."""
    _, steps, images, positions, outputs = sums_GTBPO.shape
    channels, flat, numbers = x_TBPC.shape[3], sums_GTBPO.reshape(-1), rows.numbers
    size, near = steps * positions * channels, rows.kernel * rows.kernel * channels
    lists = Lists(
        np.empty(size + OVERSHOOT, np.int32),
        np.empty(1 if is_binary else size, numbers.dtype),
        np.empty(steps * positions + 1, np.int64),
        np.zeros(BLOCK, x_TBPC.dtype),
    )
    scratch = LayerScratch(
        lists,
        np.empty(near + OVERSHOOT, np.int32),
        np.empty(near, numbers.dtype),
        np.ones(near, numbers.dtype),
        np.empty(rows.tiles[:, 1].max(), numbers.dtype),
    )
    list_image(x_TBPC, b, is_binary, side, rows.kernel, lists, np.zeros((images, steps, 4), np.int64))
    for k in range(len(rows.tiles)):
        offset, stride, vectors = rows.tiles[k, 0], rows.tiles[k, 1], rows.tiles[k, 2]
        columns, group, column = rows.tiles[k, 3], rows.tiles[k, 4], rows.tiles[k, 5]
        for t in range(steps):
            for p in range(positions):
                sum_rows(scratch.sums, scratch, t, p, positions, side, rows, is_binary, offset, stride, vectors)
                place = (((group * steps + t) * images + b) * positions + p) * outputs + column
                copy(flat, place, scratch.sums, 0, columns)


@inlined
def _place(p: int, side: int, margin: int) -> int:
    """Where a position stands in a frame with a margin."""
    return (p // side + margin) * (side + 2 * margin) + p % side + margin


@compiled(parallel=True)
def pack_gradients(grad_FPO: Array, side: int, margin: int, packed_KFPW: Array) -> None:
    """Cut gradients into tiles of W outputs, each with a margin of zeros around a frame."""
    frames, positions, outputs = grad_FPO.shape
    tiles, _, _, width = packed_KFPW.shape
    for f in prange(frames):
        for k in range(tiles):
            columns = min(width, outputs - k * width)
            tile = packed_KFPW[k, f]
            if margin or columns < width:
                tile[:] = 0
            for p in range(positions):
                place = _place(p, side, margin)
                for o in range(columns):
                    tile[place, o] = grad_FPO[f, p, k * width + o]


@compiled(parallel=True)
def count_by_channel(x_FPC: Array, frames_in_group: int, counts_NC: Array) -> None:
    """How many values of each channel are not 0, in every group of frames."""
    frames, positions, channels = x_FPC.shape
    for n in prange(len(counts_NC)):
        counts = counts_NC[n]
        for f in range(n * frames_in_group, min((n + 1) * frames_in_group, frames)):
            for p in range(positions):
                for c in range(channels):
                    counts[c] += x_FPC[f, p, c] != 0


@compiled(parallel=True)
def list_by_channel(x_FPC: Array, is_binary: bool, side: int, margin: int, places: int, frames_in_group: int,
                    starts_NC: Array, indices: Array, values: Array) -> None:  # fmt: skip
    """List where each channel is not 0, from starts on, and its values there unless all are 1.

    places: of a frame with its margin.
    """
    frames, positions, channels = x_FPC.shape
    flat = x_FPC.reshape(-1)
    for n in prange(len(starts_NC)):
        following, found = starts_NC[n].copy(), np.empty(channels + BLOCK, np.int32)
        tail = np.zeros(BLOCK, x_FPC.dtype)
        for f in range(n * frames_in_group, min((n + 1) * frames_in_group, frames)):
            for p in range(positions):
                start = (f * positions + p) * channels
                place = (f - n * frames_in_group) * places + _place(p, side, margin)
                for j in range(list_row(x_FPC, start, channels, tail, found, 0)):
                    c = found[j]
                    indices[following[c]] = place
                    if not is_binary:
                        values[following[c]] = flat[start + c]
                    following[c] += 1


@compiled(parallel=True)
def weight_gradient(starts_NC: Array, ends_NC: Array, indices: Array, values: Array, is_binary: bool, side: int,
                    margin: int, group_step: int, tile_step: int, stride: int, grads: Array, vectors: int,
                    blocks: int, grad_SCO: Array) -> None:  # fmt: skip
    """Gradient of the weights: for every shift S of the kernel and every channel, the sum of gradients at its spikes.

    grads: of the weighted sums; the next place is stride numbers later, the next group group_step, the next tile
    tile_step. vectors: of a tile. blocks: of channels, which change no result.
    """
    groups, channels = starts_NC.shape
    outputs, kernel, flat = grad_SCO.shape[2], 2 * margin + 1, grad_SCO.reshape(-1)
    width = vectors * VECTOR_BYTES // grads.itemsize
    for block in prange(blocks):
        for k in range(outputs // width):
            for n in range(groups):
                begin = k * tile_step + n * group_step
                for c in range(block * channels // blocks, (block + 1) * channels // blocks):
                    first, num = starts_NC[n, c], ends_NC[n, c] - starts_NC[n, c]
                    if num == 0:
                        continue
                    first_value = 0 if is_binary else first
                    for shift in range(kernel * kernel):
                        down, right = shift // kernel - margin, shift % kernel - margin
                        offset = begin - (down * (side + 2 * margin) + right) * stride
                        place = (shift * channels + c) * outputs + k * width
                        add_rows_onto(flat, place, grads, offset, stride, indices, first, values, first_value, num,
                                      vectors)  # fmt: skip
