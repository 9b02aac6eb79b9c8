"""Images and labels that a training takes by row, on its device."""

from __future__ import annotations

import torch
from torch import Tensor

from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.data.reading import LazyImages
from autospikformer_cli.data.uploads import upload


class DeviceImages:
    """A split, of which batches are taken on a device.

    room: bytes of a GPU's memory that the images may take. If they fit there, they are uploaded once. Else each batch
    is uploaded when it is taken, and neither side waits. `read_ahead` reads those on disk in time.
    """

    def __init__(self, images: ImageSet, device: torch.device, room: int) -> None:
        self.images, self.device = images, device
        self._resident: Tensor | None = None
        held = images.images
        is_whole = not isinstance(held, LazyImages) and held.dtype == torch.uint8  # CUDA indexes no uint16
        if device.type != "cpu" and is_whole and held.nbytes <= room:
            self._resident = upload(held, device)  # type: ignore[arg-type]

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels or counts (B, ...) as stored, and labels int64 (B,), of images by their place in the split."""
        labels = upload(self.images.labels[rows], self.device)
        if self._resident is not None:
            return self._resident.index_select(0, upload(rows, self.device)), labels
        return upload(self.images.images[rows], self.device), labels
