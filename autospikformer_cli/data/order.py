"""The order in which an epoch visits the training images."""

from __future__ import annotations

import torch

from autospikformer_cli.data.streams import Purpose, stream


def epoch_order(num_images: int, seed: int, epoch: int) -> torch.Tensor:
    """A permutation of 0..num_images-1, int64 (num_images,): a function of the arguments. Batches are slices of it."""
    return torch.from_numpy(stream(Purpose.ORDER, seed, epoch).permutation(num_images))
