"""Redundancy of a layer's channels: structural similarity of their firing-rate maps (paper, Fig. 1B)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOW = 7
"""Edge of SSIM's uniform window, in pixels; the map's edge if that is smaller."""

C1, C2 = 0.01**2, 0.03**2
"""SSIM's constants (K1 L)^2 and (K2 L)^2, with K1 = 0.01, K2 = 0.03 and the range of rates L = 1."""


def channel_similarity(rate_maps: NDArray[Any], threads: int = 1) -> Floats:
    """SSIM of every pair of channels, averaged over images and over the windows that lie inside the map.

    SSIM = (2 m_a m_b + C1)(2 s_ab + C2) / ((m_a^2 + m_b^2 + C1)(s_a^2 + s_b^2 + C2))         (Wang et al., 2004)

    with means m, sample variances s^2 and covariance s_ab over a window. This is scikit-image's structural_similarity
    with its defaults and data_range 1. rate_maps: firing rates in [0, 1], C x H x W or N x C x H x W. Returns C x C,
    symmetric, 1 on the diagonal: the same bits for any number of threads, and equal rows for channels with equal maps.
    It needs memory for a few C x C besides the input. Raises ValueError for other shapes.
    """
    from concurrent.futures import ThreadPoolExecutor

    from autospikformer_cli.analysis.similarity_loops import add_similarity

    maps = np.asarray(rate_maps)
    maps_NCHW = maps[None] if maps.ndim == 3 else maps
    if maps_NCHW.ndim != 4 or 0 in maps_NCHW.shape:
        raise ValueError(f"rate maps of shape {maps.shape} are not C x H x W or N x C x H x W")
    num_channels, side = maps_NCHW.shape[1], maps_NCHW.shape[3]
    edges, constants = np.minimum(WINDOW, maps_NCHW.shape[2:]), np.array([C1, C2])
    total_CC = np.zeros((num_channels, num_channels))

    def add_image(maps_HWC: Floats, moments: tuple[Floats, Floats], first: int) -> None:
        """Rows first, first + threads and so on: each thread gets as many pairs as the others."""
        scratch = np.empty((side, num_channels)), np.empty(num_channels)
        for a in range(first, num_channels, threads):
            add_similarity(maps_HWC, edges, *moments, constants, a, *scratch, total_CC[a])

    with ThreadPoolExecutor(threads) as pool:
        for maps_CHW in maps_NCHW:
            maps_HWC = np.ascontiguousarray(np.moveaxis(maps_CHW, 0, 2), np.float64)
            list(pool.map(partial(add_image, maps_HWC, _window_moments(maps_HWC, edges)), range(threads)))
    num_windows = len(maps_NCHW) * int(np.prod(np.array(maps_NCHW.shape[2:]) - edges + 1))
    similarity: Floats = (total_CC + total_CC.T) / num_windows
    np.fill_diagonal(similarity, 1.0)
    return similarity


def _window_moments(maps_HWC: Floats, edges: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Mean and sample variance of each channel in every window of an image, V x C. A single pixel has variance 0."""
    from autospikformer_cli.analysis.similarity_loops import square_sums

    windows = np.lib.stride_tricks.sliding_window_view(maps_HWC, tuple(edges), axis=(0, 1))
    mean_VC = np.ascontiguousarray(windows.mean(axis=(3, 4)).reshape(-1, maps_HWC.shape[2]))
    squares_VC = np.empty_like(mean_VC)
    square_sums(maps_HWC, edges, np.empty(maps_HWC.shape[1:]), np.empty(maps_HWC.shape[2]), squares_VC)
    num = int(edges.prod())
    return mean_VC, (squares_VC - num * (mean_VC * mean_VC)) * (1.0 / max(num - 1, 1))


def mean_similarity(matrix: Floats) -> Floats:
    """Each channel's mean SSIM with the other channels: C x C -> C. Raises ValueError for fewer than 2 channels."""
    num_channels = len(matrix)
    if num_channels < 2:
        raise ValueError("a single channel has no others to be similar to")
    mean: Floats = (matrix.sum(axis=1) - matrix.diagonal()) / (num_channels - 1)
    return mean


def most_and_least(matrix: Floats, k: int = 20) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the k channels most similar to the others, and of the k least, ascending; all channels if C < k."""
    order = np.argsort(mean_similarity(matrix), kind="stable")
    return np.sort(order[::-1][:k]), np.sort(order[:k])
