"""Copies from the host to a device that neither side waits for."""

from __future__ import annotations

import torch
from torch import Tensor


def upload(values: Tensor, device: torch.device | str) -> Tensor:
    """The values on a device; themselves if they are there, or if both are on the host.

    A GPU copies out of pinned memory by itself. A copy out of other memory waits for all that the GPU has to do.
    """
    device = torch.device(device)
    if values.device.type != "cpu" or device.type == "cpu":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
