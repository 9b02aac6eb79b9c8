"""Compiled loops for a CPU: maxima of 3 x 3 windows with stride 2, channels last, and their gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from autospikformer_cli.spiking.compiled import compiled

Array = NDArray[Any]


@compiled(parallel=True, allocates=False)
def pool_forward(x_BHWC: Array, pooled_BHWC: Array, place_BHWC: Array) -> None:
    """Fill maxima, and as bytes which of a window's 9 places has the first of them. A NaN counts as the largest."""
    images, height, width, channels = x_BHWC.shape
    rows, columns = pooled_BHWC.shape[1:3]
    for b in prange(images):
        for i in range(rows):
            for j in range(columns):
                best, place = pooled_BHWC[b, i, j], place_BHWC[b, i, j]
                for c in range(channels):
                    best[c], place[c] = -np.inf, 0
                for number in range(9):
                    row, column = 2 * i - 1 + number // 3, 2 * j - 1 + number % 3
                    if row < 0 or row >= height or column < 0 or column >= width:
                        continue
                    read = x_BHWC[b, row, column]
                    for c in range(channels):
                        is_new = read[c] > best[c] or read[c] != read[c]
                        best[c] = read[c] if is_new else best[c]
                        place[c] = number if is_new else place[c]


@compiled(parallel=True, allocates=False)
def pool_backward(grad_BHWC: Array, place_BHWC: Array, grad_x_BHWC: Array) -> None:
    """Add each window's gradient to the place of its maximum. grad_x: zeros."""
    images, height, width, channels = grad_x_BHWC.shape
    rows, columns = grad_BHWC.shape[1:3]
    for b in prange(images):
        for i in range(rows):
            for j in range(columns):
                for number in range(9):
                    row, column = 2 * i - 1 + number // 3, 2 * j - 1 + number % 3
                    if row < 0 or row >= height or column < 0 or column >= width:
                        continue
                    for c in range(channels):
                        given = grad_BHWC[b, i, j, c] if place_BHWC[b, i, j, c] == number else 0
                        grad_x_BHWC[b, row, column, c] += given
