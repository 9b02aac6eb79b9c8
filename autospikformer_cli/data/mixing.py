"""Mixup and smoothed targets."""

from __future__ import annotations

import torch

from autospikformer_cli.data.streams import Purpose, stream
from autospikformer_cli.data.uploads import upload


def mixup(
    frames: torch.Tensor,
    labels: torch.Tensor,
    num_classes: int,
    *,
    alpha: float,
    probability: float,
    smoothing: float,
    seed: int,
    epoch: int,
    step: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch mixed with its own reverse, and its soft targets (Zhang et al. 2018; one lambda for a batch, as in timm).

    x <- lambda x + (1 - lambda) reversed x, the same for targets, with one lambda from Beta(alpha, alpha) for all
    frames. probability: of mixing the batch. Whether it mixes, and lambda, are functions of (seed, epoch, step).
    alpha 0 never mixes. Targets before mixing are smoothing / num_classes, plus 1 - smoothing at the label.
    Shapes: frames (F, B, ...), labels (B,) int64; returns frames (F, B, ...) and targets (B, num_classes) of frames'
    dtype.
    """
    off = smoothing / num_classes
    targets = torch.full((len(labels), num_classes), off, dtype=frames.dtype, device=frames.device)
    targets.scatter_(1, upload(labels, frames.device)[:, None], 1.0 - smoothing + off)
    if alpha == 0:
        return frames, targets
    generator = stream(Purpose.MIXUP, seed, epoch, step)
    share = float(generator.beta(alpha, alpha))
    if generator.random() >= probability:
        return frames, targets
    return _blend(frames, share, dim=1), _blend(targets, share, dim=0)


def _blend(batch: torch.Tensor, share: float, dim: int) -> torch.Tensor:
    return batch * share + batch.flip(dim) * (1.0 - share)
