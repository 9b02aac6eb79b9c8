"""The subnets that a training step runs: functions of (seed, step), so a resumed run draws the same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Literal

from autospikformer_cli.space import SearchSpace, Subnet

PathSampler = Callable[[int], Sequence[Subnet]]
"""The subnets of a step. The argument is the step's number since the start of training."""


def sampled_paths(space: SearchSpace, seed: int, sampling: Literal["single", "sandwich"]) -> PathSampler:
    """One uniform path in each step, or the sandwich rule: the largest, the smallest and two uniform paths."""

    def paths(step: int) -> list[Subnet]:
        random = Random(f"path {seed} {step}")
        if sampling == "single":
            return [space.sample(random)]
        return [space.largest(), space.smallest(), space.sample(random), space.sample(random)]

    return paths


def one_path(subnet: Subnet) -> PathSampler:
    """The same subnet in every step, for fine-tuning."""
    return lambda step: [subnet]
