"""Two processes that train together: what a step takes, and two ways to sum gradients.

Usage: python benchmarks/ranks.py [RECIPE] [--rounds 5] [--steps 3] [--set KEY=VALUE ...]

It starts its processes itself, with a thread each. Random subnets train on random images. All rows of the table are run
in turn. One way is torch's DistributedDataParallel, which looks for parameters that a step left unused. The other is
ours: one sum of the slices of weights that the step's subnet used. Both must give the same gradients.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import torch
from engine_network import print_table
from timing import machine, medians
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from autospikformer_cli.data.description import describe
from autospikformer_cli.data.frames import to_frames
from autospikformer_cli.engine.compute import make_compute
from autospikformer_cli.engine.trained import training_pass
from autospikformer_cli.recipe import Recipe, load_recipe
from autospikformer_cli.runs.building import make_supernet
from autospikformer_cli.runs.pace import random_images
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.shared_batch import SharedBatch
from autospikformer_cli.training.gradients import sum_gradients, used_gradients
from autospikformer_cli.training.launcher import read_launch
from autospikformer_cli.training.paths import sampled_paths
from autospikformer_cli.training.ranks import ONE_RANK, Ranks
from autospikformer_cli.training.together import ranks_of

WORLD = 2


class Logits(nn.Module):
    """The logits of a subnet in training, as DistributedDataParallel wants them: by calling a module."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.supernet = make_supernet(recipe, make_compute(threads=1))

    def forward(self, frames: Tensor, subnet: Subnet, shared: SharedBatch | None) -> Tensor:
        """Logits (B, classes) of frames (F, B, H, W, C)."""
        return self.supernet.run(frames, subnet, training_pass(self.supernet, subnet, shared=shared))


class Steps:
    """Steps of one recipe on random images, without an optimizer."""

    def __init__(self, recipe: Recipe, ranks: Ranks) -> None:
        self.recipe, self.ranks, self.plain = recipe, ranks, Logits(recipe)
        description, batch = describe(recipe.data), recipe.train.batch
        images = random_images(description, batch)
        (self.part,), (self.whole,) = ranks.parts(batch, batch), ONE_RANK.parts(batch, batch)
        self.frames = to_frames(images.images, description, torch.device("cpu"), torch.float32)
        self.labels = images.labels
        self.paths = sampled_paths(recipe.space.search_space(), recipe.seed, recipe.train)

    def run(self, number: int, model: nn.Module, *, alone: bool = False, moments: bool = True) -> Subnet:
        """Forward and backward passes of a step. moments: whether they are those of the whole batch."""
        part = self.whole if alone else self.part
        subnet = self.paths(number, 0.0)[0]
        model.zero_grad()
        logits = model(self.frames[:, part.positions], subnet, self.part if moments and not alone else None)
        loss = nn.functional.cross_entropy(logits, self.labels[part.positions])
        (loss * part.num_own / part.images).backward()
        return subnet

    def summed(self, number: int) -> Subnet:
        """A step with our sum of gradients."""
        subnet = self.run(number, self.plain)
        sum_gradients(self.plain.supernet, (subnet,), self.ranks, torch.zeros(1))
        return subnet

    def data_parallel(self, **keys: bool) -> DistributedDataParallel:
        """A copy for torch's sum, which is a mean."""
        return DistributedDataParallel(Logits(self.recipe), process_group=self.ranks.groups.tensors, **keys)


def repeated(step: Callable[[int], object], steps: int) -> Callable[[], None]:
    """So many steps, of subnets that change."""
    numbers = count()

    def run() -> None:
        for _ in range(steps):
            step(next(numbers))

    return run


def check(steps: Steps, wrapped: DistributedDataParallel) -> str:
    """The largest difference of both sums, of the largest gradient."""
    steps.summed(0)
    steps.run(0, wrapped)
    ours = {name: each.grad.clone() for name, each in steps.plain.named_parameters() if each.grad is not None}
    theirs = {name: each.grad * WORLD for name, each in wrapped.module.named_parameters() if each.grad is not None}
    largest = max(each.abs().max() for each in theirs.values())
    differences = [(theirs[name] - each).abs().max() for name, each in ours.items()]
    return f"{float(max(differences) / largest):.1e}"


def plain_failure(steps: Steps) -> str:
    """What DistributedDataParallel does that does not look for unused parameters, over four steps."""
    wrapped = steps.data_parallel()
    for number in range(4):
        try:
            steps.run(number, wrapped)
        except RuntimeError as error:
            return f"fails at step {number + 1}: {str(error).partition('.')[0]}"
    return "does not fail"


def compare(recipe: Recipe, ranks: Ranks, rounds: int, number: int) -> None:
    """Print the table, on rank 0."""
    steps = Steps(recipe, ranks)
    wrapped = steps.data_parallel(find_unused_parameters=True)
    difference = check(steps, wrapped)

    def alone(number: int) -> None:
        if ranks.is_first:
            steps.run(number, steps.plain, alone=True)
        ranks.agreed(False)

    ways: dict[str, Callable[[int], object]] = {
        "one process, the whole batch": alone,
        "two, nothing exchanged": lambda number: steps.run(number, steps.plain, moments=False),
        "two, moments": lambda number: steps.run(number, steps.plain),
        "two, moments and gradients: one sum": steps.summed,
        "two, moments and gradients: DDP": lambda number: steps.run(number, wrapped),
    }
    seconds = medians({name: repeated(way, number) for name, way in ways.items()}, rounds)
    subnets = [steps.paths(each, 0.0)[0] for each in range(20)]
    sent = []
    for each, subnet in enumerate(subnets):
        steps.run(each, steps.plain)
        sent.append(sum(part.numel() for part in used_gradients(steps.plain.supernet, (subnet,))))
    whole = sum(each.numel() for each in steps.plain.parameters())
    failure = plain_failure(steps)
    if not ranks.is_first:
        return
    first = next(iter(seconds.values()))
    rows = [[name, f"{each / number * 1e3:.0f}", f"{first / each:.2f}"] for name, each in seconds.items()]
    print(f"{machine()}\n{recipe.name}, batch {recipe.train.batch}; largest difference of gradients: {difference}")
    print_table(["way of a step", "ms", "times one process's speed"], rows)
    print(f"Numbers summed a step: {sum(sent) / len(sent):,.0f} of the used slices; DDP: {whole:,}.")
    print(f"DDP that does not look for unused parameters {failure}.")


def start(arguments: list[str]) -> int:
    """Run this script in two processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {**os.environ, "WORLD_SIZE": str(WORLD), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [
        subprocess.Popen(
            [sys.executable, Path(__file__), *arguments],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
        )
        for rank in range(WORLD)
    ]
    return max(rank.wait() for rank in ranks)


def main() -> int:
    """Start the processes, or be one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="cifar10-small-laptop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    asked, launch = parser.parse_args(), read_launch()
    if launch is None:
        return start(sys.argv[1:])
    with ranks_of(launch, lambda: torch.device("cpu")) as ranks:
        compare(load_recipe(asked.recipe, asked.overrides), ranks, asked.rounds, asked.steps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
