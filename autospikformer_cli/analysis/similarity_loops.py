"""The compiled loops of `redundancy.channel_similarity`: one channel against all later ones, window by window.

Dimension legend: H W rows and columns of a map, V windows, C channels. Channels are last, so that a processor computes
several pairs at once. A pair's number depends on its two maps alone, and on no order of channels, images or threads.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from autospikformer_cli.spiking.compiled import compiled, inlined

Array = NDArray[Any]


@inlined
def add_products(columns_WC: Array, column: int, maps_HWC: Array, row: int, a: int, sign: float) -> None:
    """Add the products of channel a with each later one, at one position, to the sums of its column."""
    value = sign * maps_HWC[row, column, a]
    if value != 0.0:  # most rates are 0, and x + 0 is x
        for c in range(a, maps_HWC.shape[2]):
            columns_WC[column, c] += value * maps_HWC[row, column, c]


@inlined
def slide(maps_HWC: Array, a: int, y: int, x: int, edges: Array, columns_WC: Array, sums_C: Array) -> None:
    """Move the window of row y to column x, from column x - 1: sums_C has the products of channel a in it."""
    rows, width, num = edges[0], edges[1], maps_HWC.shape[2]
    for column in range(0 if x == 0 else x + width - 1, x + width):
        if y == 0:
            for c in range(a, num):
                columns_WC[column, c] = 0.0
            for row in range(rows):
                add_products(columns_WC, column, maps_HWC, row, a, 1.0)
        else:
            add_products(columns_WC, column, maps_HWC, y + rows - 1, a, 1.0)
            add_products(columns_WC, column, maps_HWC, y - 1, a, -1.0)
    if x == 0:
        for c in range(a, num):
            sums_C[c] = 0.0
        for column in range(width):
            for c in range(a, num):
                sums_C[c] += columns_WC[column, c]
    else:
        for c in range(a, num):
            sums_C[c] += columns_WC[x + width - 1, c] - columns_WC[x - 1, c]


@compiled(allocates=False)
def square_sums(maps_HWC: Array, edges: Array, columns_WC: Array, sums_C: Array, squares_VC: Array) -> None:
    """Sum of squares of each channel in every window of one image."""
    down, across = maps_HWC.shape[0] - edges[0] + 1, maps_HWC.shape[1] - edges[1] + 1
    for a in range(maps_HWC.shape[2]):
        for y in range(down):
            for x in range(across):
                slide(maps_HWC[:, :, : a + 1], a, y, x, edges, columns_WC, sums_C)
                squares_VC[y * across + x, a] = sums_C[a]


@compiled(allocates=False)
def add_similarity(maps_HWC: Array, edges: Array, mean_VC: Array, variance_VC: Array, constants: Array, a: int,
                   columns_WC: Array, sums_C: Array, total_C: Array) -> None:  # fmt: skip
    """Add to total_C the SSIM of channel a with each later one in every window of one image. constants: C1 and C2."""
    down, across = maps_HWC.shape[0] - edges[0] + 1, maps_HWC.shape[1] - edges[1] + 1
    num, c1, c2 = edges[0] * edges[1], constants[0], constants[1]
    inverse = 1.0 / max(num - 1, 1)
    for y in range(down):
        for x in range(across):
            slide(maps_HWC, a, y, x, edges, columns_WC, sums_C)
            v = y * across + x
            mean, variance = mean_VC[v, a], variance_VC[v, a]
            for c in range(a + 1, maps_HWC.shape[2]):
                product = mean * mean_VC[v, c]
                covariance = (sums_C[c] - num * product) * inverse
                total_C[c] += ((2.0 * product + c1) * (2.0 * covariance + c2)) / (
                    (mean * mean + mean_VC[v, c] * mean_VC[v, c] + c1) * (variance + variance_VC[v, c] + c2)
                )
