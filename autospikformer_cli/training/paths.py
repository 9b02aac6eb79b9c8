"""The subnets that a training step runs: functions of (seed, step), so a resumed run draws the same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Literal

from autospikformer_cli.space import BLOCK_GENES, SearchSpace, Subnet

PathSampler = Callable[[int], Sequence[Subnet]]
"""The subnets of a step. The argument is the step's number since the start of training."""


def sampled_paths(space: SearchSpace, seed: int, sampling: Literal["single", "fair", "sandwich"]) -> PathSampler:
    """Each step's path, uniform or fair; or the sandwich rule: the largest, the smallest and two uniform paths."""

    def paths(step: int) -> list[Subnet]:
        if sampling == "fair":
            return [fair_path(space, seed, step)]
        random = Random(f"path {seed} {step}")
        if sampling == "single":
            return [space.sample(random)]
        return [space.largest(), space.smallest(), space.sample(random), space.sample(random)]

    return paths


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


def one_path(subnet: Subnet) -> PathSampler:
    """The same subnet in every step, for fine-tuning."""
    return lambda step: [subnet]
