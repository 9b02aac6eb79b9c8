"""A training step of a recipe's supernet, with compiled loops and with plain torch, on random images.

Usage: python benchmarks/training.py [RECIPE]
"""

from __future__ import annotations

import sys
from unittest.mock import patch

import torch
from timing import machine, medians

from autospikformer_cli.allocation import keep_freed_memory
from autospikformer_cli.data.description import describe
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.assembly import make_supernet
from autospikformer_cli.session import Session
from autospikformer_cli.spiking import firing
from autospikformer_cli.training.loop import make_optimizer

ROUNDS = 5


def main(name: str) -> None:
    """Print one row of `results/training.md`."""
    keep_freed_memory()
    recipe = load_recipe(name)
    description, space = describe(recipe.data), recipe.space.search_space()
    supernet = make_supernet(recipe, description, Session())
    optimizer = make_optimizer(supernet, recipe.train.weight_decay)
    size, batch = description.image_size, recipe.train.batch
    frames = torch.randn(1, batch, size, size, description.in_channels)
    labels = torch.randint(description.num_classes, (batch,))
    subnet = space.largest()

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(supernet(frames, subnet), labels).backward()
        optimizer.step()

    def plain_step() -> None:
        with patch.object(firing, "_compiled", lambda x: False):
            step()

    seconds = medians({"plain": plain_step, "compiled": step}, ROUNDS)
    rates = {way: batch / value for way, value in seconds.items()}
    print(f"{machine()}; largest subnet {subnet}, batch {batch}, medians of {ROUNDS}\n")
    print("| recipe | plain torch (images/s) | compiled (images/s) | ratio |\n|---|---|---|---|")
    print(f"| {name} | {rates['plain']:.0f} | {rates['compiled']:.0f} | {rates['compiled'] / rates['plain']:.2f} |")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cifar10-small-laptop")
