"""What several devices would take, by a model: a roofline of one GPU, and the exchanges between them. It runs nothing.

Usage: python benchmarks/scaling.py [RECIPE] [--set KEY=VALUE ...]

The numbers of a GPU and of its links are NVIDIA's, of H200 (data sheet of 2024) and of NDR InfiniBand. Latencies are
assumptions. A step's operations, neurons, parameters and bytes are counted by aspk for the recipe's largest subnet.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

from engine_network import print_table

from autospikformer_cli.recipe import Recipe, load_recipe
from autospikformer_cli.runs.building import network_shape
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import NetworkShape, num_neurons, num_params, operations
from autospikformer_cli.spiking.memory import training_bytes

PEAK_FLOPS = {"float32": 67e12, "TF32": 494e12}
BANDWIDTH = 4.8e12
"""Bytes a second, of the GPU's memory."""
FLOPS_A_MAC = 6
"""Multiply and add, for the output, for the gradient of the input and for that of the weights."""
NUMBERS_A_NEURON = 8
"""Read or written for each neuron and step: a current and a spike twice each, and their gradients."""
MACHINE = 8
"""GPUs that share a machine."""
GIB = 2**30


@dataclass(frozen=True)
class Link:
    """Between two GPUs. bandwidth: bytes a second in one direction. latency: seconds."""

    bandwidth: float
    latency: float

    def tree(self, devices: int) -> float:
        """Seconds of a small sum over devices: up and down a tree."""
        return 2 * math.log2(devices) * self.latency

    def ring(self, devices: int, size: float) -> float:
        """Seconds of a large sum of so many bytes over devices, around a ring."""
        return 2 * (devices - 1) / devices * size / self.bandwidth + 2 * (devices - 1) * self.latency


INSIDE, BETWEEN = Link(450e9, 5e-6), Link(50e9, 10e-6)


@dataclass(frozen=True)
class Step:
    """A training step of one subnet on a batch."""

    shape: NetworkShape
    subnet: Subnet
    batch: int

    @property
    def num_norms(self) -> int:
        """BatchNorms that sum moments."""
        return len({each.norm for each in operations(self.shape, self.subnet)} - {""})

    def roofline(self, devices: int, flops: float) -> float:
        """Seconds that one of the devices computes at least."""
        steps = self.subnet.time_step
        macs = sum(each.macs * (1 if each.runs == "image" else steps) for each in operations(self.shape, self.subnet))
        numbers = NUMBERS_A_NEURON * num_neurons(self.shape, self.subnet) * steps
        of_image = max(FLOPS_A_MAC * float(macs) / flops, 4 * numbers / BANDWIDTH)
        return of_image * self.batch / devices

    def moments(self, devices: int) -> float:
        """Seconds in which the sums of moments and of their gradients wait."""
        link = INSIDE if devices <= MACHINE else BETWEEN
        return 2 * self.num_norms * link.tree(devices) if devices > 1 else 0.0

    def gradient(self, devices: int) -> float:
        """Seconds of the sum of gradients."""
        link = INSIDE if devices <= MACHINE else BETWEEN
        return link.ring(devices, 4 * num_params(self.shape, self.subnet)) if devices > 1 else 0.0


def show(recipe: Recipe) -> None:
    """Print the table of a recipe."""
    step = Step(network_shape(recipe), recipe.space.search_space().largest(), recipe.train.batch)
    parameters = num_params(step.shape, step.subnet)
    print(
        f"{recipe.name}: batch {step.batch}, {step.num_norms} BatchNorms, {parameters / 1e6:.1f} million parameters\n"
    )
    header = [
        "precision",
        "devices",
        "compute, ms",
        "moments, ms",
        "gradient, ms",
        "a step, ms",
        "speed-up",
        "GiB each",
    ]
    rows = []
    for name, flops in PEAK_FLOPS.items():
        for devices in (1, 8, 64):
            parts = [step.roofline(devices, flops), step.moments(devices), step.gradient(devices)]
            size = training_bytes(step.shape, step.subnet, math.ceil(step.batch / devices), 4) / GIB
            numbers = [f"{part * 1e3:.2f}" for part in (*parts, sum(parts))]
            speed_up = step.roofline(1, flops) / sum(parts)
            rows.append([name, devices, *numbers, f"{speed_up:.1f}", f"{size:.2f}"])
    print_table(header, rows)
    population = recipe.search.population
    rounds = {devices: math.ceil(population / devices) for devices in (1, 8, 64)}
    told = ", ".join(f"{devices}: {population / each:.1f}" for devices, each in rounds.items())
    print(f"Search, population {population}: a generation speeds up by at most (devices: times) {told}.\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="cifar10-small")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    given = parser.parse_args()
    show(load_recipe(given.recipe, given.overrides))
