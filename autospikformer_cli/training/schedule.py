"""The learning rate of each step: linear warm-up, cosine, cool-down (Spikformer's CIFAR settings)."""

from __future__ import annotations

import math

from autospikformer_cli.recipe import TrainConfig


def learning_rate(config: TrainConfig, epoch: float) -> float:
    """Learning rate at a point of training, in epochs (2.5: half way through the third).

    It rises from lr_start to lr over warmup_epochs, falls along a cosine to lr_end, and stays there for
    cooldown_epochs.
    """
    if epoch < config.warmup_epochs:
        return config.lr_start + (config.lr - config.lr_start) * epoch / config.warmup_epochs
    span = config.epochs - config.warmup_epochs - config.cooldown_epochs
    share = min((epoch - config.warmup_epochs) / span, 1.0) if span > 0 else 1.0
    return config.lr_end + (config.lr - config.lr_end) * (1 + math.cos(math.pi * share)) / 2


def num_steps(config: TrainConfig, num_images: int) -> int:
    """Steps of one epoch. The last batch may be smaller."""
    return -(-num_images // config.batch)
