"""Images and recordings in the form that the network reads."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.uploads import upload


def to_frames(
    images: torch.Tensor, description: DataDescription, device: torch.device | str, dtype: torch.dtype
) -> torch.Tensor:
    """An image as one frame, (pixel / 255 - mean) / std in each channel; a recording's frames of counts unchanged.

    Shapes: images uint8 (B, H, W, C) -> (1, B, H, W, C) of the dtype, on the device; events of any whole type
    (B, F, H, W, C) -> (F, B, H, W, C).
    """
    frames = upload(images, device).to(dtype)
    if description.num_frames is not None:
        return frames.transpose(0, 1)
    mean, std = (_channels(tuple(values), frames.device, dtype) for values in (description.mean, description.std))
    return frames.div_(255.0).sub_(mean).div_(std)[None]


@lru_cache(maxsize=16)
def _channels(values: tuple[float, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Numbers by channel. They are uploaded once, not for each batch."""
    return upload(torch.tensor(values, dtype=dtype), device)
