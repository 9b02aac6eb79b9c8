"""Augmentation of batches of images or events, on the device: flips, RandAugment's operations, erasing."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import grid_sample

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.frames import to_frames
from autospikformer_cli.data.plan import ImageOp, Plan, event_plan_for, plan_for
from autospikformer_cli.data.translation import translate_and_flip
from autospikformer_cli.data.uploads import upload

IMAGE_KINDS = ("spikformer", "translate", "flip", "none")
EVENT_KINDS = ("events", "flip", "none")
LEVELS = 256
"""Number of values of a pixel."""


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
    translation: int = 0,
) -> torch.Tensor:
    """Augmented frames, in the form of `to_frames`. An image's augmentation is a function of (seed, epoch, its index).

    kind "none": `to_frames` only. "flip": mirror with probability 1/2. "translate", for images: `translate_and_flip`,
    by up to `translation` pixels.

    kind "spikformer", for images, has the settings of Spikformer's published training (timm's rand-m9-n1-mstd0.4,
    reprob 0.25, remode const). First, "flip". Then, with probability 1/2, one of equalize, rotate (30 degrees), shear-x
    (0.3), translate-x and translate-y (0.45 of the side), in a random direction, at m tenths of these values. m is from
    Normal(9, 0.4), clipped to 0..10. Then, with probability 1/4, erase a box of 0.02 to 1/3 of the area and aspect 0.3
    to 1/0.3. Uncovered and erased pixels get the mean colour: 0 after normalisation. Resampling is bilinear, in
    floating point (in the published scripts bicubic, rounded to bytes).

    kind "events", for recordings, has the settings of Spikformer's published training on CIFAR10-DVS. First, "flip".
    Then one of six with equal probability: nothing, shear-x (up to 0.3 either way, about the centre), translate-x,
    translate-y (up to 5/128 of the side either way), rotate (up to 30 degrees either way), cutout (a square of 0.001 to
    0.11 of the area loses its events). The size is uniform, and the same for all frames and polarities of a recording.
    Resampling takes the nearest pixel, as published, so counts stay whole numbers.

    Shapes: images uint8 (B, H, W, C) -> (1, B, H, W, C) of the dtype, recordings (B, F, H, W, C) -> (F, B, H, W, C);
    index int64 (B,). Raises ValueError for a kind that does not fit the data.
    """
    is_events = description.num_frames is not None
    kinds = EVENT_KINDS if is_events else IMAGE_KINDS
    if kind not in kinds:
        raise ValueError(f"augmentation {kind!r} is not one of {', '.join(kinds)}")
    images = upload(images, device)
    if kind == "none":
        return to_frames(images, description, device, dtype)
    if kind == "translate":
        moved_images = translate_and_flip(images, index.cpu().numpy(), most=translation, seed=seed, epoch=epoch)
        return to_frames(moved_images, description, device, dtype)
    height, width = images.shape[-3:-1]
    plan = (event_plan_for if is_events else plan_for)(index.cpu().numpy(), seed, epoch, height, width)
    if kind == "spikformer":
        images = _equalized(images, plan)
    frames = to_frames(images, description, device, dtype)
    flipped = _rows(plan.flip, device)
    frames[:, flipped] = frames[:, flipped].flip(-2)
    if kind == "flip":
        return frames
    is_moved = (plan.operation >= ImageOp.ROTATE) & (plan.operation <= ImageOp.TRANSLATE_Y)
    moved, matrix = _rows(is_moved, device), torch.from_numpy(plan.matrix[is_moved])
    if is_events:
        frames[:, moved] = resample_counts(frames[:, moved], matrix)
    else:
        frames[0, moved] = resample(frames[0, moved], matrix)
    return erase(frames, torch.from_numpy(plan.box))


def _rows(chosen: NDArray[np.bool_], device: torch.device | str) -> torch.Tensor:
    return upload(torch.from_numpy(np.flatnonzero(chosen)), device)


def _equalized(images: torch.Tensor, plan: Plan) -> torch.Tensor:
    """A copy of the images (B, H, W, C). Those whose operation is EQUALIZE are equalized."""
    equalized = _rows(plan.operation == ImageOp.EQUALIZE, images.device)
    return images.index_copy(0, equalized, equalize(images[equalized]))


def equalize(images: torch.Tensor) -> torch.Tensor:
    """Histogram equalisation of each image and channel, uint8 (B, H, W, C), as Pillow's ImageOps.equalize.

    With h the histogram, n pixels and s = floor((n - h[highest value]) / 255): v -> floor((s // 2 + sum of h below v)
    / s), at most 255. If s = 0, as always under 256 pixels, nothing changes.
    """
    batch, height, width, channels = images.shape
    planes = images.permute(0, 3, 1, 2).reshape(batch * channels, height * width).long()
    offsets = torch.arange(batch * channels, device=images.device)[:, None] * LEVELS
    counts = _histogram((planes + offsets).flatten(), batch * channels * LEVELS).view(-1, LEVELS)
    highest = planes.amax(dim=1, keepdim=True)
    step = (height * width - counts.gather(1, highest)) // (LEVELS - 1)
    below = counts.cumsum(1) - counts
    table = ((below + step // 2) // step.clamp(min=1)).clamp(max=LEVELS - 1)
    equal = torch.where(step > 0, table.gather(1, planes), planes)
    return equal.to(torch.uint8).view(batch, channels, height, width).permute(0, 2, 3, 1)


def _histogram(numbers: torch.Tensor, levels: int) -> torch.Tensor:
    """How often each number below `levels` occurs. torch's bincount makes the host wait for a GPU's largest number."""
    if numbers.device.type == "cpu":
        return torch.bincount(numbers, minlength=levels)
    return numbers.new_zeros(levels).index_add_(0, numbers, torch.ones_like(numbers))


def resample(frames: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Move frames by affine maps, with bilinear interpolation, and 0 outside.

    Shapes: frames (B, H, W, C); matrix float64 (B, 2, 3). The matrix maps an output position to an input position, in
    pixels from the top left corner (see Plan).
    """
    height, width = frames.shape[1:3]
    x, y = _input_positions(upload(matrix, frames.device), height, width)
    grid = torch.stack([x * (2 / width) - 1, y * (2 / height) - 1], dim=-1).to(frames.dtype)
    planes = frames.permute(0, 3, 1, 2)
    return grid_sample(planes, grid, mode="bilinear", padding_mode="zeros", align_corners=False).permute(0, 2, 3, 1)


def resample_counts(frames: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Move recordings by affine maps. Each pixel is a copy of the nearest one, with 0 outside.

    Shapes: frames (F, B, H, W, C); matrix float64 (B, 2, 3) as in `resample`, one for all frames of a recording.
    """
    batch, height, width = frames.shape[1:4]
    column, row = (
        position.floor().long() for position in _input_positions(upload(matrix, frames.device), height, width)
    )
    is_inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    recording = torch.arange(batch, device=frames.device)[:, None, None]
    nearest = frames[:, recording, row.clamp(0, height - 1), column.clamp(0, width - 1)]
    return nearest.masked_fill(~is_inside[..., None], 0)


def _input_positions(matrix: torch.Tensor, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Input positions of the output pixels' centres: x and y, float64 (B, H, W), in pixels from the top left corner."""
    map_x, map_y = matrix.unbind(1)
    x = torch.arange(width, device=matrix.device, dtype=torch.float64) + 0.5
    y = (torch.arange(height, device=matrix.device, dtype=torch.float64) + 0.5)[:, None]
    # Products and sums one by one, because a matrix product may round differently for another batch size.
    from_x, from_y = ((a * x + b * y) + c for a, b, c in ((m[:, :, None, None].unbind(1)) for m in (map_x, map_y)))
    return from_x, from_y


def erase(frames: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
    """Set frames (F, B, H, W, C) to 0 inside each image's box (B, 4): top, left, height and width in pixels."""
    top, left, tall, wide = upload(box, frames.device)[:, :, None].unbind(1)
    rows, columns = (torch.arange(size, device=frames.device) for size in frames.shape[2:4])
    in_rows, in_columns = (rows >= top) & (rows < top + tall), (columns >= left) & (columns < left + wide)
    return frames.masked_fill((in_rows[:, :, None] & in_columns[:, None, :])[..., None], 0.0)
