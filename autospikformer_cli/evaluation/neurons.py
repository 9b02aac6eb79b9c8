"""Counts the spikes of every neuron of a subnet, which searches do not store.

Dimension legend: T time steps, B images, P positions, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine.choice import Engine, EnginePass
from autospikformer_cli.engine.tally import Tally
from autospikformer_cli.evaluation.evaluator import Advance, Evaluator
from autospikformer_cli.measurement import SATURATED_RATE, SILENT_RATE
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.elastic import ElasticLinear
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.normalisation import Statistics
from autospikformer_cli.spiking.passes import Attention, Layer
from autospikformer_cli.spiking.supernet import Supernet


@dataclass(frozen=True, eq=False)
class NeuronRates:
    """The firing rate of each neuron of a layer: of one channel at one position, over images and time steps.

    layer: as `SpikeCount` names it. spikes_PC: of each neuron, positions by channels. num_steps: of all images.
    """

    layer: str
    spikes_PC: NDArray[np.int64]
    num_steps: int

    @property
    def rates_PC(self) -> NDArray[np.float64]:
        """Spikes a time step, 0 to 1."""
        return self.spikes_PC / self.num_steps

    @property
    def silent_PC(self) -> NDArray[np.bool_]:
        """Which neurons fire at less than SILENT_RATE."""
        return self.rates_PC < SILENT_RATE

    @property
    def saturated_PC(self) -> NDArray[np.bool_]:
        """Which neurons fire at more than SATURATED_RATE."""
        return self.rates_PC > SATURATED_RATE


def neuron_rates(
    evaluator: Evaluator, subnet: Subnet, images: ImageSet, advance: Advance = lambda images: None
) -> tuple[NeuronRates, ...]:
    """The rates of every neuron of a spiking subnet, layer by layer in execution order, as `Evaluator.measure` runs it.

    advance: called with the number of images done.
    """
    watching = _WatchingEngine(evaluator.engine, _SpikeSums(len(images)))
    replace(evaluator, engine=watching).logits(subnet, images, evaluator.statistics(subnet), advance)
    total = len(images) * subnet.time_step
    return tuple(NeuronRates(layer, sums_PC, total) for layer, sums_PC in watching.sums.by_layer.items())


class _SpikeSums:
    """Spikes of each neuron, added up over steps and images. images: how many are still to come; padding follows."""

    def __init__(self, images: int) -> None:
        self.images = images
        self.by_layer: dict[str, NDArray[np.int64]] = {}

    def add(self, layer: str, spikes: Tensor) -> None:
        """Add a layer's spikes of one batch, (T, B, ..., C)."""
        spikes_TBPC = spikes[:, : self.images].flatten(2, -2)
        sums_PC = spikes_TBPC.sum((0, 1), dtype=torch.int64).cpu().numpy()
        self.by_layer[layer] = self.by_layer.get(layer, 0) + sums_PC


@dataclass(frozen=True)
class _WatchingEngine:
    """An engine whose forward passes are watched."""

    engine: Engine
    sums: _SpikeSums

    @property
    def supernet(self) -> Supernet:
        return self.engine.supernet

    @property
    def name(self) -> str:
        return self.engine.name

    @property
    def batch_matters(self) -> bool:
        return self.engine.batch_matters

    def forward_pass(
        self, subnet: Subnet, statistics: Statistics, tally: Tally, images: int | None = None
    ) -> EnginePass:
        return _WatchedPass(self.engine.forward_pass(subnet, statistics, tally, images), self.sums)

    def logits(self, frames_FBHWC: Tensor, subnet: Subnet, statistics: Statistics, tally: Tally) -> Tensor:
        with self.computing():
            made = self.supernet.run(frames_FBHWC, subnet, self.forward_pass(subnet, statistics, tally))
        self.sums.images -= min(self.sums.images, frames_FBHWC.shape[1])
        return made

    def computing(self) -> AbstractContextManager[None]:
        return self.engine.computing()


@dataclass(frozen=True)
class _WatchedPass:
    """A forward pass whose spikes are added up."""

    run: Any
    sums: _SpikeSums

    def fire(
        self, layers: Sequence[Layer], x: Tensor, outputs: int, neurons: Sequence[Neuron]
    ) -> list[tuple[Tensor, ...]]:
        fired: list[tuple[Tensor, ...]] = self.run.fire(layers, x, outputs, neurons)
        for of_setting in fired:
            for layer, spikes in zip(layers, of_setting, strict=True):
                self.sums.add(layer.norm.name, spikes)
        return fired

    def attend(self, attention: Attention, q: Tensor, k: Tensor, v: Tensor, heads: int, neuron: Neuron) -> Tensor:
        spikes: Tensor = self.run.attend(attention, q, k, v, heads, neuron)
        self.sums.add(f"{attention.name}.attn", spikes)
        return spikes

    def pool(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.run.pool(x)
        return pooled

    def narrow(self, layer: Layer, spikes: Tensor, outputs: int) -> Tensor:
        first: Tensor = self.run.narrow(layer, spikes, outputs)
        return first

    def classify(self, head: ElasticLinear, x: Tensor, classes: int) -> Tensor:
        logits: Tensor = self.run.classify(head, x, classes)
        return logits
