"""What depends on the point of training that a step is at: its learning rate, and whether it uses mixup."""

from __future__ import annotations

import math

from autospikformer_cli.recipe import TrainConfig


def learning_rate(config: TrainConfig, epoch: float) -> float:
    """Learning rate at a point of training, in epochs (2.5: half way through the third), by config.schedule."""
    return (_timm if config.schedule == "timm" else _after_warmup)(config, epoch)


def uses_mixup(config: TrainConfig, epoch: int) -> bool:
    """Whether the batches of an epoch (from 0) may be mixed: one of the first mixup_epochs, a share or their number."""
    first = config.mixup_epochs
    return epoch < (first if isinstance(first, int) else round(config.epochs * first))


def _after_warmup(config: TrainConfig, epoch: float) -> float:
    """Ours: from lr_start to lr over warmup_epochs, along a cosine to lr_end, and there for cooldown_epochs.

    The three together are `epochs`. The rate changes at every step. "linear": along a straight line.
    """
    if epoch < config.warmup_epochs:
        return config.lr_start + (config.lr - config.lr_start) * epoch / config.warmup_epochs
    span = config.epochs - config.warmup_epochs - config.cooldown_epochs
    share = min((epoch - config.warmup_epochs) / span, 1.0) if span > 0 else 1.0
    left = 1 - share if config.schedule == "linear" else (1 + math.cos(math.pi * share)) / 2
    return config.lr_end + (config.lr - config.lr_end) * left


def _timm(config: TrainConfig, epoch: float) -> float:
    """As timm's CosineLRScheduler, with the defaults of timm's scripts: one cycle, stepped once an epoch.

    The cosine's clock starts at epoch 0. The warm-up replaces its first values, so the rate jumps where it ends. After
    `epochs`, the cool-down is at lr_end. (Spikformer's cifar10/train.py: warm-up 20 of 300 epochs, then 10 more.)
    """
    whole = math.floor(epoch)
    if whole < config.warmup_epochs:
        return config.lr_start + (config.lr - config.lr_start) * whole / config.warmup_epochs
    share = min(whole / config.epochs, 1.0)
    return config.lr_end + (config.lr - config.lr_end) * (1 + math.cos(math.pi * share)) / 2


def num_steps(config: TrainConfig, num_images: int) -> int:
    """Steps of one epoch. The last one may have fewer images."""
    return -(-num_images // config.step_images)
