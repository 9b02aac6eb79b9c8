"""A training step of a recipe's supernet, with compiled loops and with plain torch, on random images.

Usage: python benchmarks/training.py [RECIPE]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from unittest.mock import patch

import torch
from timing import machine, medians

from autospikformer_cli.data.description import describe
from autospikformer_cli.engine.compute import Compute, own_process
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.building import make_supernet
from autospikformer_cli.spiking import firing
from autospikformer_cli.training.optimizers import make_optimizer

ROUNDS = 5


def make_step(name: str, compute: Compute) -> tuple[Callable[[], None], str, int]:
    """A training step of a recipe's largest subnet on random images, that subnet, and the batch."""
    recipe = load_recipe(name)
    description, subnet = describe(recipe.data), recipe.space.search_space().largest()
    supernet = make_supernet(recipe, compute)
    optimizer = make_optimizer(supernet, recipe.train)
    size, batch = description.image_size, recipe.train.batch
    frames = torch.randn(1, batch, size, size, description.in_channels)
    labels = torch.randint(description.num_classes, (batch,))

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(supernet(frames, subnet), labels).backward()
        optimizer.step()

    return step, str(subnet), batch


def main(name: str) -> None:
    """Print one row of `results/training.md`."""
    step, subnet, batch = make_step(name, own_process())

    def plain_step() -> None:
        with patch.object(firing, "_can_compile", lambda x: False):
            step()

    seconds = medians({"plain": plain_step, "compiled": step}, ROUNDS)
    rates = {way: batch / value for way, value in seconds.items()}
    print(f"# A training step\n\n{machine()}; largest subnet {subnet}, batch {batch}, medians of {ROUNDS}\n")
    print("| recipe | plain torch (images/s) | compiled (images/s) | ratio |\n|---|---|---|---|")
    print(f"| {name} | {rates['plain']:.0f} | {rates['compiled']:.0f} | {rates['compiled'] / rates['plain']:.2f} |")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cifar10-small-laptop")
