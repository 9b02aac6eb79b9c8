"""Random translation with a reflected border, and flips in alternation (Jordan 2024, 94 % on CIFAR-10 in 3.29 seconds).

Dimension legend: B images, H W rows and columns, C channels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from autospikformer_cli.data.plan import num_rows
from autospikformer_cli.data.streams import Purpose, stream
from autospikformer_cli.data.uploads import upload


def translate_and_flip(
    images: torch.Tensor, index: NDArray[np.int64], *, most: int, seed: int, epoch: int
) -> torch.Tensor:
    """Images moved by up to `most` pixels either way along each axis, and mirrored in every other epoch.

    Distances are whole, uniform and independent: functions of (seed, epoch, index). Which epochs mirror an image, the
    even or the odd ones, is a function of (seed, index). So two epochs show each image both ways. Pixels that come from
    outside are the image's own, reflected at its border; the border itself is not repeated.
    Shapes: images (B, H, W, C) of any type -> the same; index (B,).
    """
    down, right = _distances(num_rows(index), most, seed, epoch)[index].T
    mirrored = (_first_flips(num_rows(index), seed)[index] + epoch) % 2 == 1
    height, width = images.shape[1:3]
    rows = _reflected(np.arange(height) - down[:, None], height)
    columns = np.where(mirrored[:, None], np.arange(width)[::-1], np.arange(width)) - right[:, None]
    taken = rows[:, :, None] * width + _reflected(columns, width)[:, None, :]
    whole = taken.reshape(len(taken), -1) + np.arange(len(taken))[:, None] * (height * width)
    pixels = images.reshape(-1, images.shape[-1])
    return pixels.index_select(0, upload(torch.from_numpy(whole.reshape(-1)), images.device)).view(images.shape)


def _reflected(positions: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Positions inside 0..size-1: reflected at the first and the last pixel, as often as needed."""
    period = max(1, 2 * (size - 1))
    inside = positions % period
    return np.minimum(inside, period - inside) % size


@lru_cache(maxsize=2)
def _distances(rows: int, most: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Pixels down and to the right (rows, 2), of all images with an index below `rows`."""
    uniform = stream(Purpose.TRANSLATION, seed, epoch).random((rows, 2))
    return (uniform * (2 * most + 1)).astype(np.int64) - most


@lru_cache(maxsize=2)
def _first_flips(rows: int, seed: int) -> NDArray[np.int64]:
    """1 if an image is mirrored in epochs 0, 2, ..., 0 if in 1, 3, ...; (rows,)."""
    return (stream(Purpose.ALTERNATION, seed, 0).random(rows) < 0.5).astype(np.int64)
