"""Mixup and smoothed targets."""

from __future__ import annotations

from collections.abc import Callable

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
    opposite: Callable[[], tuple[torch.Tensor, torch.Tensor]] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch mixed with its own reverse, and its soft targets (Zhang et al. 2018; one lambda for a batch, as in timm).

    x <- lambda x + (1 - lambda) reversed x, the same for targets, with one lambda from Beta(alpha, alpha) for all
    frames. probability: of mixing the batch. Whether it mixes, and lambda, are functions of (seed, epoch, step).
    alpha 0 never mixes. Targets before mixing are smoothing / num_classes, plus 1 - smoothing at the label.
    opposite: if frames are only a part of the batch, gives frames and labels of the opposite positions.
    Shapes: frames (F, B, ...), labels (B,) int64; returns frames (F, B, ...) and targets (B, num_classes) of frames'
    dtype.
    """

    def soft(of: torch.Tensor) -> torch.Tensor:
        off = smoothing / num_classes
        targets = torch.full((len(of), num_classes), off, dtype=frames.dtype, device=frames.device)
        return targets.scatter_(1, upload(of, frames.device)[:, None], 1.0 - smoothing + off)

    targets = soft(labels)
    if alpha == 0:
        return frames, targets
    generator = stream(Purpose.MIXUP, seed, epoch, step)
    share = float(generator.beta(alpha, alpha))
    if generator.random() >= probability:
        return frames, targets
    others, of_others = (frames.flip(1), labels.flip(0)) if opposite is None else opposite()
    return _blend(frames, others, share), _blend(targets, soft(of_others), share)


def _blend(own: torch.Tensor, other: torch.Tensor, share: float) -> torch.Tensor:
    return own * share + other * (1.0 - share)
