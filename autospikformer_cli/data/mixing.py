"""Mixup and smoothed targets."""

from __future__ import annotations

import torch

from autospikformer_cli.data.streams import Purpose, stream


def mixup(
    frames: torch.Tensor,
    labels: torch.Tensor,
    num_classes: int,
    *,
    alpha: float,
    smoothing: float,
    seed: int,
    epoch: int,
    step: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch mixed with its own reverse, and its soft targets (Zhang et al. 2018; one lambda a batch, as in timm).

    x <- lambda x + (1 - lambda) reversed x, the targets likewise; lambda from Beta(alpha, alpha), a function of
    (seed, epoch, step). alpha 0 leaves the images as they are. Targets before mixing: smoothing / num_classes, and
    1 - smoothing more at the label.
    Shapes: frames (B, ...), labels (B,) int64; returns frames (B, ...) and targets (B, num_classes) of frames' dtype.
    """
    off = smoothing / num_classes
    targets = torch.full((len(labels), num_classes), off, dtype=frames.dtype, device=frames.device)
    targets.scatter_(1, labels.to(frames.device)[:, None], 1.0 - smoothing + off)
    if alpha == 0:
        return frames, targets
    share = float(stream(Purpose.MIXUP, seed, epoch, step).beta(alpha, alpha))
    return _blend(frames, share), _blend(targets, share)


def _blend(batch: torch.Tensor, share: float) -> torch.Tensor:
    return batch * share + batch.flip(0) * (1.0 - share)
