"""Augmentation of batches on the device: flips, RandAugment's operations, random erasing."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import grid_sample

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.frames import to_frames
from autospikformer_cli.data.plan import Operation, plan_for

KINDS = ("spikformer", "flip", "none")
LEVELS = 256
"""Values of a pixel."""


def augment(
    images: torch.Tensor,
    index: torch.Tensor,
    *,
    kind: str,
    seed: int,
    epoch: int,
    description: DataDescription,
    device: torch.device | str,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Augmented, normalised frames; what happens to an image is a function of (seed, epoch, its index) alone.

    kind "none": normalised only. "flip": mirrored with probability 1/2. "spikformer": that, then with probability 1/2
    one of equalize, rotate (30 degrees), shear-x (0.3), translate-x and translate-y (0.45 of the side), in random
    direction, at m tenths of these values, m from Normal(9, 0.4) clipped to 0..10; then, with probability 1/4, a box
    erased: 0.02 to 1/3 of the area, aspect 0.3 to 1/0.3. These are the settings of Spikformer's published training
    (timm's rand-m9-n1-mstd0.4, reprob 0.25, remode const).
    What an operation uncovers, and what is erased, gets the mean colour: 0 after normalisation. Resampling is
    bilinear, in floating point (the published scripts: bicubic, rounded to bytes).
    Shapes: images uint8 (B, H, W, C), index int64 (B,) -> (B, H, W, C) of the dtype.
    Raises ValueError for another kind.
    """
    if kind not in KINDS:
        raise ValueError(f"augmentation {kind!r} is not one of {', '.join(KINDS)}")
    images = images.to(device)
    if kind == "none":
        return to_frames(images, description, device, dtype)
    height, width = images.shape[1:3]
    plan = plan_for(index.cpu().numpy(), seed, epoch, height, width)
    flip = torch.from_numpy(plan.flip).to(device)
    images = torch.where(flip[:, None, None, None], images.flip(2), images)
    if kind == "flip":
        return to_frames(images, description, device, dtype)
    equalized = _rows(plan.operation == Operation.EQUALIZE, device)
    images[equalized] = equalize(images[equalized])
    frames = to_frames(images, description, device, dtype)
    is_moved = plan.operation >= Operation.ROTATE
    moved = _rows(is_moved, device)
    frames[moved] = resample(frames[moved], torch.from_numpy(plan.matrix[is_moved]))
    return erase(frames, torch.from_numpy(plan.box))


def _rows(chosen: NDArray[np.bool_], device: torch.device | str) -> torch.Tensor:
    return torch.from_numpy(np.flatnonzero(chosen)).to(device)


def equalize(images: torch.Tensor) -> torch.Tensor:
    """Histogram equalisation of each image and channel, uint8 (B, H, W, C), as Pillow's ImageOps.equalize.

    With h the histogram, n pixels and s = floor((n - h[highest value]) / 255): v -> floor((s // 2 + sum of h below v)
    / s), at most 255; unchanged where s = 0, so images under 256 pixels always are.
    """
    batch, height, width, channels = images.shape
    planes = images.permute(0, 3, 1, 2).reshape(batch * channels, height * width).long()
    offsets = torch.arange(batch * channels, device=images.device)[:, None] * LEVELS
    counts = torch.bincount((planes + offsets).flatten(), minlength=batch * channels * LEVELS).view(-1, LEVELS)
    highest = planes.amax(dim=1, keepdim=True)
    step = (height * width - counts.gather(1, highest)) // (LEVELS - 1)
    below = counts.cumsum(1) - counts
    table = ((below + step // 2) // step.clamp(min=1)).clamp(max=LEVELS - 1)
    equal = torch.where(step > 0, table.gather(1, planes), planes)
    return equal.to(torch.uint8).view(batch, channels, height, width).permute(0, 2, 3, 1)


def resample(frames: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Frames moved by affine maps, bilinearly, with 0 outside.

    Shapes: frames (B, H, W, C); matrix float64 (B, 2, 3), output position to input position in pixels from the top left
    corner (see Plan).
    """
    height, width = frames.shape[1:3]
    map_x, map_y = matrix.to(frames.device).unbind(1)
    x = torch.arange(width, device=frames.device, dtype=torch.float64) + 0.5
    y = (torch.arange(height, device=frames.device, dtype=torch.float64) + 0.5)[:, None]
    # Products and sums one by one: a matrix product may round differently for another batch size.
    grid_x, grid_y = ((a * x + b * y) + c for a, b, c in ((m[:, :, None, None].unbind(1)) for m in (map_x, map_y)))
    grid = torch.stack([grid_x * (2 / width) - 1, grid_y * (2 / height) - 1], dim=-1).to(frames.dtype)
    planes = frames.permute(0, 3, 1, 2)
    return grid_sample(planes, grid, mode="bilinear", padding_mode="zeros", align_corners=False).permute(0, 2, 3, 1)


def erase(frames: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
    """Frames (B, H, W, C) with 0 inside each image's box (B, 4): top, left, height and width in pixels."""
    top, left, tall, wide = box.to(frames.device)[:, :, None].unbind(1)
    rows, columns = (torch.arange(size, device=frames.device) for size in frames.shape[1:3])
    in_rows, in_columns = (rows >= top) & (rows < top + tall), (columns >= left) & (columns < left + wide)
    return frames.masked_fill((in_rows[:, :, None] & in_columns[:, None, :])[..., None], 0.0)
