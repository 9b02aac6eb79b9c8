"""Images and recordings in the form that the network reads."""

from __future__ import annotations

import torch

from autospikformer_cli.data.description import DataDescription


def to_frames(
    images: torch.Tensor, description: DataDescription, device: torch.device | str, dtype: torch.dtype
) -> torch.Tensor:
    """An image as one frame, (pixel / 255 - mean) / std in each channel; a recording's frames of counts unchanged.

    Shapes: images uint8 (B, H, W, C) -> (1, B, H, W, C) of the dtype, on the device; events of any whole type
    (B, F, H, W, C) -> (F, B, H, W, C).
    """
    frames = images.to(device).to(dtype)
    if description.num_frames is not None:
        return frames.transpose(0, 1)
    mean, std = (torch.tensor(values, dtype=dtype, device=device) for values in (description.mean, description.std))
    return frames.div_(255.0).sub_(mean).div_(std)[None]
