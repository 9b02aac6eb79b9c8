"""The subnets that a training step runs: functions of its place in the training, so a resumed run draws the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.space import BLOCK_GENES, Choice, SearchSpace, Subnet

PathSampler = Callable[[int, float], Sequence[Subnet]]
"""The subnets of a step: of its number since the start of training, and the share of the training before it."""


def sampled_paths(space: SearchSpace, seed: int, config: TrainConfig) -> PathSampler:
    """Each step's path, uniform or fair; or the sandwich rule: the largest, the smallest and two uniform paths.

    All are of the space that the curricula of the recipe allow at that point.
    """

    def paths(step: int, progress: float) -> list[Subnet]:
        allowed = space_at(space, config, progress)
        if config.sampling == "fair":
            return [fair_path(allowed, seed, step)]
        random = Random(f"path {seed} {step}")
        if config.sampling == "single":
            return [allowed.sample(random)]
        return [allowed.largest(), allowed.smallest(), allowed.sample(random), allowed.sample(random)]

    return paths


def one_path(subnet: Subnet) -> PathSampler:
    """The same subnet in every step, for fine-tuning."""
    return lambda step, progress: [subnet]


def space_at(space: SearchSpace, config: TrainConfig, progress: float) -> SearchSpace:
    """The choices that are trained at a point of training. Their number grows from one, in equal parts of a curriculum.

    Thresholds and taus: those nearest the defaults 1 and 2 come first. Time steps: the smallest come first.
    progress: the share of the training before that point.
    """
    neurons, steps = (_part(progress, share) for share in (config.neuron_curriculum, config.time_step_curriculum))
    return replace(
        space,
        threshold=_first(space.threshold, neurons, Decimal(1)),
        tau=_first(space.tau, neurons, Decimal(2)),
        time_step=_first(space.time_step, steps, 0),
    )


def _part(progress: float, share: float) -> float:
    return progress / share if progress < share else 1.0


def _first(choices: tuple[Choice, ...], part: float, target: Choice) -> tuple[Choice, ...]:
    """One more than a part of the choices, at most all: those nearest the target, in the space's order."""
    nearest_first = sorted(choices, key=lambda value: (abs(value - target), value))
    return tuple(sorted(nearest_first[: 1 + int(part * len(choices))]))


def fair_path(space: SearchSpace, seed: int, step: int) -> Subnet:
    """A subnet whose genes take each of their n choices once in every n steps (strict fairness; FairNAS, Chu et al.).

    Each gene, of each block, goes through its choices in an order of its own, drawn anew after n steps. FairNAS adds
    the gradients of these n subnets. Here each makes a step of its own, as genes differ in n. A block that a shallow
    subnet lacks misses its turn.
    """

    def choice(gene: str, block: int | None = None) -> Any:
        choices = list(getattr(space, gene))
        cycle, place = divmod(step, len(choices))
        Random(f"fair {seed} {gene} {block} {cycle}").shuffle(choices)
        return choices[place]

    depth = choice("depth")
    blocks = {gene: tuple(choice(gene, block) for block in range(depth)) for gene in BLOCK_GENES}
    return Subnet(**blocks, time_step=choice("time_step"), embed_dim=choice("embed_dim"))
