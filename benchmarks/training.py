"""A training step of a recipe: as aspk trains, with dense products, and in plain torch; on real or random images.

Usage: python benchmarks/training.py [RECIPE] [--data ROOT] [--after STEPS]

How many layers' inputs are spikes decides what loops over spikes gain. So the network is trained for some steps first.
Ratios are of CPU seconds, medians of rounds in which all ways take turns.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from unittest.mock import patch

import torch
from engine_network import root_override
from timing import machine, medians

from autospikformer_cli.data.description import describe
from autospikformer_cli.engine.compute import Compute, own_process
from autospikformer_cli.recipe import Recipe, load_recipe
from autospikformer_cli.runs.building import load_images, make_supernet
from autospikformer_cli.say import SILENT
from autospikformer_cli.space import BLOCK_GENES, Subnet
from autospikformer_cli.spiking import firing
from autospikformer_cli.spiking.elastic import ElasticConvolution, ElasticLinear
from autospikformer_cli.training import loop
from autospikformer_cli.training.loop import Trainer, TrainingData
from autospikformer_cli.training.optimizers import make_optimizer

ROUNDS = 7


def make_trainer(recipe: Recipe, compute: Compute, subnet: Subnet | None = None) -> Trainer:
    """Trains one subnet of a recipe, by default the largest."""
    trained = subnet or recipe.space.search_space().largest()
    supernet = make_supernet(recipe, compute)
    images = load_images(recipe, recipe.seed, "train", SILENT)
    data = TrainingData(images, describe(recipe.data), recipe.data.augment, recipe.data.translation)
    optimizer = make_optimizer(supernet, recipe.train)
    return Trainer(supernet, optimizer, data, recipe.train, paths=lambda number, share: [trained], seed=recipe.seed)


def make_step(trainer: Trainer) -> Callable[[], None]:
    """A step on the next images of the data set, again and again."""
    batch, numbers = trainer.config.batch, itertools.count()

    def step() -> None:
        number = next(numbers)
        first = number * batch % (len(trainer.data.images.labels) - batch)
        trainer.train_step(0, number % trainer.steps, torch.arange(first, first + batch))

    return step


def dense_products() -> AbstractContextManager[object]:
    """Inside it, a training takes torch's products."""
    return patch.object(
        loop, "training_pass", lambda supernet, subnet, half, shared: supernet.in_torch(subnet, half=half)
    )


def alone(recipe: Recipe, subnet: Subnet) -> Recipe:
    """The recipe whose space is one subnet, so that its supernet has no weight that the subnet does not use."""
    keys = {gene: getattr(subnet, gene) for gene in BLOCK_GENES}
    one = {gene: values[0] for gene, values in keys.items() if len(set(values)) == 1}
    assert len(one) == len(keys), "the blocks of the subnet are alike"
    one |= {"depth": subnet.depth, "embed_dim": subnet.embed_dim, "time_step": subnet.time_step}
    return load_recipe(recipe.name, [f"space.{gene}=[{value}]" for gene, value in one.items()] + root_of(recipe))


def root_of(recipe: Recipe) -> list[str]:
    """Where the recipe's data set is, as an override."""
    return [root_override(str(recipe.data.root))]


def show_sharing(recipe: Recipe, compute: Compute) -> None:
    """Print what a subnet's step in the supernet costs, against the same subnet trained alone."""
    space = recipe.space.search_space()
    print("\n| subnet | in the supernet (ms) | alone (ms) | ratio |\n|---|---|---|---|")
    for name, subnet in {"smallest": space.smallest(), "largest": space.largest()}.items():
        ways = {
            "shared": make_step(make_trainer(recipe, compute, subnet)),
            "alone": make_step(make_trainer(alone(recipe, subnet), compute, subnet)),
        }
        seconds = medians(ways, ROUNDS, clock=time.process_time)
        shared, own = (1e3 * seconds[way] for way in ways)
        print(f"| {name} | {shared:.0f} | {own:.0f} | {shared / own:.2f} |")


def show_rates(trainer: Trainer, step: Callable[[], None]) -> None:
    """Print each layer's share of inputs that are not 0, in one step."""
    rates: dict[str, float] = {}

    def watch(layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        rates[str(layer.name)] = float((inputs[0] != 0).float().mean())

    layers = [each for each in trainer.supernet.modules() if isinstance(each, ElasticConvolution | ElasticLinear)]
    handles = [layer.register_forward_hook(watch) for layer in layers]
    with dense_products():
        step()
    for handle in handles:
        handle.remove()
    print("\n| layer | inputs that are not 0 |\n|---|---|")
    for name, rate in rates.items():
        print(f"| {name} | {rate:.3f} |")


def main() -> None:
    """Print `results/training.md`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("recipe", nargs="?", default="cifar10-small-laptop")
    parser.add_argument("--data", help="the folder of the data set")
    parser.add_argument("--after", type=int, default=300, help="steps of training before")
    options = parser.parse_args()
    recipe = load_recipe(options.recipe, [root_override(options.data)] if options.data else [])
    trainer = make_trainer(recipe, own_process())
    step, batch = make_step(trainer), recipe.train.batch
    for _ in range(options.after):
        step()

    def dense_step() -> None:
        with dense_products():
            step()

    def plain_step() -> None:
        with patch.object(firing, "backend_of", lambda x: None):
            dense_step()

    ways = {"plain torch": plain_step, "dense products, compiled neurons": dense_step, "as aspk trains": step}
    seconds = medians(ways, ROUNDS, clock=time.process_time)
    print(f"# A training step of {options.recipe}, after {options.after} steps\n\n{machine()}; batch {batch}\n")
    print("| way | images a CPU second | times plain torch |\n|---|---|---|")
    for way, each in seconds.items():
        print(f"| {way} | {batch / each:.0f} | {seconds['plain torch'] / each:.2f} |")
    show_rates(trainer, step)
    show_sharing(recipe, own_process())


if __name__ == "__main__":
    main()
