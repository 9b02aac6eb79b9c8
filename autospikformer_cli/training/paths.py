"""Which subnets a training step runs: functions of (seed, step), so that a resumed run draws the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Literal

from autospikformer_cli.space import SearchSpace, Subnet

PathSampler = Callable[[int], Sequence[Subnet]]
"""Subnets of a step, given its number from the start of training."""


def sampled_paths(space: SearchSpace, seed: int, sampling: Literal["single", "sandwich"]) -> PathSampler:
    """One uniform path a step, or the sandwich rule: the largest, the smallest and two uniform ones."""

    def paths(step: int) -> list[Subnet]:
        random = Random(f"path {seed} {step}")
        if sampling == "single":
            return [space.sample(random)]
        return [space.largest(), space.smallest(), space.sample(random), space.sample(random)]

    return paths


def one_path(subnet: Subnet) -> PathSampler:
    """The same subnet at every step: fine-tuning."""
    return lambda step: [subnet]
