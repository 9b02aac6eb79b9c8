"""Redundancy of a layer's channels: structural similarity of their firing-rate maps (paper, Fig. 1B)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOW = 7
"""Edge of SSIM's uniform window, in pixels; the map's edge if that is smaller."""

C1, C2 = 0.01**2, 0.03**2
"""SSIM's constants (K1 L)^2 and (K2 L)^2, with K1 = 0.01, K2 = 0.03 and the range of rates L = 1."""


def channel_similarity(rate_maps: NDArray[Any]) -> Floats:
    """SSIM of every pair of channels, averaged over images and over the windows that lie inside the map.

    SSIM = (2 m_a m_b + C1)(2 s_ab + C2) / ((m_a^2 + m_b^2 + C1)(s_a^2 + s_b^2 + C2))         (Wang et al., 2004)

    with means m, sample variances s^2 and covariance s_ab over a window. This is scikit-image's structural_similarity
    with its defaults and data_range 1. rate_maps: firing rates in [0, 1], C x H x W or N x C x H x W. Returns C x C,
    symmetric, 1 on the diagonal. It needs memory for a few C x C besides the input. Raises ValueError for other shapes.
    """
    maps = np.asarray(rate_maps)
    maps_NCHW = maps[None] if maps.ndim == 3 else maps
    if maps_NCHW.ndim != 4 or 0 in maps_NCHW.shape:
        raise ValueError(f"rate maps of shape {maps.shape} are not C x H x W or N x C x H x W")
    num_channels = maps_NCHW.shape[1]
    total = np.zeros((num_channels, num_channels))
    num_windows = 0
    for maps_CHW in maps_NCHW:
        edges = (min(WINDOW, maps_CHW.shape[1]), min(WINDOW, maps_CHW.shape[2]))
        windows = np.lib.stride_tricks.sliding_window_view(maps_CHW, edges, axis=(1, 2))
        for row, column in np.ndindex(windows.shape[1:3]):
            total += _window_similarity(windows[:, row, column].reshape(num_channels, -1).astype(np.float64))
            num_windows += 1
    similarity: Floats = total / num_windows
    return similarity


def _window_similarity(pixels_CP: Floats) -> Floats:
    """SSIM of every pair of channels in one window of P pixels. The variance of a single pixel is 0."""
    mean_C = pixels_CP.mean(axis=1)
    centred_CP = pixels_CP - mean_C[:, None]
    covariance_CC = centred_CP @ centred_CP.T / max(pixels_CP.shape[1] - 1, 1)
    variance_C = covariance_CC.diagonal()
    squared_C = mean_C**2
    numerator_CC = (2 * np.multiply.outer(mean_C, mean_C) + C1) * (2 * covariance_CC + C2)
    denominator_CC = np.add.outer(squared_C, squared_C) + C1
    denominator_CC *= np.add.outer(variance_C, variance_C) + C2
    similarity: Floats = numerator_CC / denominator_CC
    return similarity


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
