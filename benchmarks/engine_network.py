"""Spikformer 4-384 firing at a chosen rate, with random weights: what `engine.py` runs."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import torch
from torch import Tensor

from autospikformer_cli.data.description import describe
from autospikformer_cli.data.frames import to_frames
from autospikformer_cli.data.images import load_split
from autospikformer_cli.engine.event_driven import EventDriven
from autospikformer_cli.evaluation.counting import Counter
from autospikformer_cli.measurement import InputCount
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.layout import NetworkShape, operations
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm, FixedStatistics, RecordedStatistics
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

SPACE = SearchSpace(
    depth=(4,),
    mlp_ratio=(Decimal(4),),
    num_heads=(12,),
    threshold=(Decimal(1),),
    tau=(Decimal(2),),
    time_step=(4,),
    embed_dim=(384,),
)
SUBNET = SPACE.largest()
SHAPE = NetworkShape(image_size=32, in_channels=3, num_classes=10, widest_dim=384)
BATCH = 32
LOWEST_SHIFT, HIGHEST_SHIFT, TOLERANCE = -1.0, 1.0, 1e-3


@dataclass(frozen=True)
class Workload:
    """The network, one batch (1, B, H, W, C), and the BatchNorm statistics of that batch.

    shift: the bias of every BatchNorm. inputs: what the spiking layers read.
    """

    supernet: Supernet
    frames: Tensor
    statistics: FixedStatistics
    shift: float
    inputs: tuple[InputCount, ...]

    @property
    def rate(self) -> float:
        """Mean over layers of the mean input value."""
        return statistics.mean(each.rate or 0.0 for each in self.inputs)


def root_override(data_root: str) -> str:
    """The text of --set that says where the data set is."""
    return f"data.root={json.dumps(data_root)}"


def frames_of(data_root: str | None, images: int = BATCH) -> Tensor:
    """CIFAR-10's first test images as a network reads them, or normal noise where there is no data."""
    if data_root is None:
        return torch.randn(1, images, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    recipe = load_recipe("cifar10-small-laptop", (root_override(data_root),))
    pixels = load_split(recipe.data, recipe.seed, "test").first(images).images
    return to_frames(pixels, describe(recipe.data), "cpu", torch.float32)


def make_network(shift: float) -> Supernet:
    """The network with its first weights, and one bias for every BatchNorm."""
    supernet = Supernet(NetworkConfig(SHAPE, SPACE))
    for norm in supernet.modules():
        if isinstance(norm, ElasticBatchNorm):
            torch.nn.init.constant_(norm.bias, shift)
    return supernet


def make_workload(rate: float, frames: Tensor) -> Workload:
    """The network whose shift gives the rate, by bisection."""
    low, high = LOWEST_SHIFT, HIGHEST_SHIFT
    while True:
        workload = _measured((low + high) / 2, frames)
        if abs(workload.rate - rate) < TOLERANCE:
            return workload
        if high - low < 1e-6:
            raise ValueError(f"no shift gives a rate of {rate}")
        low, high = (workload.shift, high) if workload.rate < rate else (low, workload.shift)


def _measured(shift: float, frames: Tensor) -> Workload:
    supernet, recorded, counter = make_network(shift), RecordedStatistics(), Counter()
    EventDriven(supernet, torch.get_num_threads()).logits(frames, SUBNET, recorded, counter)
    read = counter.inputs(operations(SHAPE, SUBNET), SUBNET.time_step)
    inputs = tuple(each for each in read if each.sums and not each.layer.endswith((".q", ".v")))
    return Workload(supernet, frames, FixedStatistics(recorded.by_layer), shift, inputs)


def macs_of_an_image() -> tuple[float, float]:
    """Multiply-accumulates of a time step, and of an image: the first layer runs once."""
    macs = [each.macs for each in operations(SHAPE, SUBNET)]
    return sum(macs), sum(macs) * SUBNET.time_step - macs[0] * (SUBNET.time_step - 1)


def rotating_medians(alternatives: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each alternative over rounds in which all run in turn, each round begun by another.

    A round before the first does not count.
    """
    names = list(alternatives)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        begin = number % len(names)
        for name in names[begin:] + names[:begin]:
            begun = time.perf_counter()
            alternatives[name]()
            if number:
                times[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in times.items()}


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A Markdown table."""
    header_line, *lines = ("| " + " | ".join(map(str, row)) + " |" for row in (header, *rows))
    print(header_line, "|" + "---|" * len(header), *lines, "", sep="\n", flush=True)
