"""Which of a training's weights its run gets: of which epoch, averaged or not; and when it ends early.

All of it follows from the history and the recipe, so a resumed training chooses alike. The measure is the mean top-1 of
a fixed set of subnets on the validation images: the largest, the smallest, and some that the seed draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.store.supernet import EpochRecord

MOST_DRAWS_A_SUBNET = 100
"""A space with few subnets may not have as many distinct ones as are asked for."""


class Accuracies(NamedTuple):
    """Top-1 on validation images in percent; None where it was not measured.

    mean: over the subnets of the measure.
    """

    largest: float | None = None
    smallest: float | None = None
    mean: float | None = None


class EpochWeights(NamedTuple):
    """The weights of one epoch, from 1. unaveraged: those without their average."""

    epoch: int
    unaveraged: bool


def measured_subnets(space: SearchSpace, seed: int, num_drawn: int) -> tuple[Subnet, ...]:
    """The subnets of the measure: the largest, the smallest, and as many others as are asked for and there are."""
    random, found = Random(f"measure {seed}"), dict.fromkeys((space.largest(), space.smallest()))
    wanted = min(len(found) + num_drawn, space.size())
    for _ in range(MOST_DRAWS_A_SUBNET * num_drawn):
        if len(found) == wanted:
            break
        found.setdefault(space.sample(random))
    return tuple(found)


def best_choice(history: Sequence[EpochRecord]) -> EpochWeights:
    """The weights of the highest mean. Of equal ones: the first epoch's, and the average."""
    return max(
        (EpochWeights(record.epoch, unaveraged) for record in history for unaveraged in (False, True)),
        key=lambda choice: _mean(history[choice.epoch - 1], choice.unaveraged),
    )


def weights_at_end(history: Sequence[EpochRecord], config: TrainConfig) -> EpochWeights:
    """The weights that a finished training has, by train.final and train.ema_choice."""
    if config.final == "best":
        return best_choice(history)
    last = history[-1]
    return EpochWeights(last.epoch, _mean(last, True) > _mean(last, False))


def ends_early(history: Sequence[EpochRecord], config: TrainConfig) -> bool:
    """Whether as many epochs as train.patience says have brought nothing better than an epoch before them."""
    return bool(config.patience) and len(history) - best_choice(history).epoch >= config.patience


def _mean(record: EpochRecord, unaveraged: bool) -> float:
    mean = record.unaveraged_top1_mean if unaveraged else record.val_top1_mean
    return -1.0 if mean is None else mean
