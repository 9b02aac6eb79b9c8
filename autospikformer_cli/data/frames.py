"""Pixels as the network reads them."""

from __future__ import annotations

import torch

from autospikformer_cli.data.description import DataDescription


def to_frames(
    images: torch.Tensor, description: DataDescription, device: torch.device | str, dtype: torch.dtype
) -> torch.Tensor:
    """Normalised images, (pixel / 255 - mean) / std of each channel, on the device.

    Shapes: images uint8 (B, H, W, C) -> (B, H, W, C) of the dtype.
    """
    mean, std = (torch.tensor(values, dtype=dtype, device=device) for values in (description.mean, description.std))
    return images.to(device).to(dtype).div_(255.0).sub_(mean).div_(std)
