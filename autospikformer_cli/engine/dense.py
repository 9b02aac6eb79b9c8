"""The engine for any device: the supernet's dense pass in torch, the reference, with the same exact counts.

Dimension legend: T time steps, B images, H heads (H W of a map: rows, columns), N tokens, D dimension, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from autospikformer_cli.engine.tally import PRODUCTS, StepCounts, Synapses, Tally, Values
from autospikformer_cli.errors import UserError
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.elastic import ElasticLinear
from autospikformer_cli.spiking.extraction import layer_widths
from autospikformer_cli.spiking.layout import KERNEL, InputKind, operations
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.neuron_kinds import OURS
from autospikformer_cli.spiking.normalisation import Statistics
from autospikformer_cli.spiking.passes import AnalogPass, Attention, Layer, SpikingPass
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

NO_COUNTS: StepCounts = np.zeros(0, np.int64)


class Dense:
    """Runs subnets in torch. Last bits depend on the size of the batch."""

    name = "dense"
    batch_matters = True

    def __init__(self, supernet: Supernet) -> None:
        self.supernet = supernet

    def forward_pass(
        self, subnet: Subnet, statistics: Statistics, tally: Tally, images: int | None = None
    ) -> CountedPass:
        """As Engine."""
        counting = Counting(self.supernet.config, subnet, tally, images)
        return CountedPass(self.supernet.in_torch(subnet, statistics), counting)

    def logits(self, frames_FBHWC: Tensor, subnet: Subnet, statistics: Statistics, tally: Tally) -> Tensor:
        """As Engine."""
        return self.supernet.run(frames_FBHWC, subnet, self.forward_pass(subnet, statistics, tally))

    def computing(self) -> AbstractContextManager[None]:
        """As Engine. torch needs no preparation."""
        return nullcontext()


@dataclass(frozen=True)
class CountedPass:
    """Executes stages in torch, and counts what they read and emit."""

    run: SpikingPass | AnalogPass
    counting: Counting

    def fire(
        self, layers: Sequence[Layer], x: Tensor, outputs: int, neurons: Sequence[Neuron]
    ) -> list[tuple[Tensor, ...]]:
        """As ForwardPass. A pass without neurons only measures moments: it is not counted."""
        if neurons:
            for layer in layers:
                self.counting.reads(layer.weights.name, x)
        fired = self.run.fire(layers, x, outputs, neurons)
        for of_setting in fired:
            for layer, spikes in zip(layers, of_setting, strict=True):
                self.counting.emits(layer.norm.name, spikes)
        return fired

    def narrow(self, layer: Layer, spikes: Tensor, outputs: int) -> Tensor:
        """As EnginePass."""
        first = spikes[..., :outputs].contiguous()
        self.counting.emits(layer.norm.name, first)
        return first

    def attend(self, attention: Attention, q: Tensor, k: Tensor, v: Tensor, heads: int, neuron: Neuron) -> Tensor:
        """As ForwardPass."""
        self.counting.multiplies(attention.name, q, k, v, heads)
        attended = self.run.attend(attention, q, k, v, heads, neuron)
        self.counting.emits(f"{attention.name}.attn", attended)
        return attended

    def pool(self, x: Tensor) -> Tensor:
        """As ForwardPass."""
        return self.run.pool(x)

    def classify(self, head: ElasticLinear, x: Tensor, classes: int) -> Tensor:
        """As ForwardPass."""
        self.counting.reads(head.name, x[:1, :, 0])
        return self.run.classify(head, x, classes)


class Counting:
    """Counts what a dense pass computes, in whole numbers, and reports it to a tally.

    images: how many images of each batch count, the first ones; None for all.
    """

    def __init__(self, config: NetworkConfig, subnet: Subnet, tally: Tally, images: int | None = None) -> None:
        self.tally, self.images = tally, images
        self.kinds = {each.reads: each.input_kind for each in operations(config.shape, subnet)}
        self.widths = layer_widths(config.shape, subnet)
        self.plugin_neuron = None if config.neuron in OURS else config.neuron.__name__
        self.spiking = config.shape.network == "spikformer"
        self._emitted: Tensor | None = None
        self._read: Tensor | None = None
        self._values = Values(NO_COUNTS, NO_COUNTS)
        self._reached = Synapses(NO_COUNTS, NO_COUNTS)
        self._by_position = torch.empty(0)

    def reads(self, name: str, x: Tensor) -> None:
        """Count the input of one layer."""
        kind = self.kinds[name]
        size = x[0, : self.images].numel()
        if kind == "real":
            self.tally.reads(name, size, None)
            return
        if x is not self._read:  # q, k and v read the same tensor
            self._read, self._values, self._reached = x, *self._count(x, kind)
        outputs = self.widths[name][1]
        self.tally.reads(name, size, self._values)
        self.tally.executes(name, Synapses(self._reached.events * outputs, self._reached.passes * outputs))

    def _count(self, x: Tensor, kind: InputKind) -> tuple[Values, Synapses]:
        """An input's values, and its synapses for one output channel."""
        is_counted = x is self._emitted  # emits() has summed it: many layers read what the one before emitted
        x = x[:, : self.images]
        exact = x.double() if kind == "events" else x  # counts of events may be too large for exact sums in float32
        sums, events = _totals(self._by_position if is_counted else _sum(exact), x.ndim)
        nonzeros, passes = (sums, events) if kind == "binary" else _totals(_sum(_nonzero(x)), x.ndim)
        return Values(sums, nonzeros), Synapses(events, passes)

    def emits(self, name: str, spikes: Tensor) -> None:
        """Count a layer's spikes. Raises UserError if a plugin's neurons emit other values than 0 and 1."""
        if not self.spiking:  # the ANN emits values, not spikes
            return
        self._emitted, spikes = spikes, spikes[:, : self.images]
        if self.plugin_neuron is not None and not ((spikes == 0) | (spikes == 1)).all():
            raise UserError(
                f"the neuron {self.plugin_neuron} emits other values than 0 and 1",
                "model.neuron",
                "choose another, or mend the plugin that adds it",
            )
        self._by_position = _sum(spikes)
        self.tally.emits(name, _whole(self._by_position.flatten(1))[None], spikes[0, 0].numel())

    def multiplies(self, name: str, q: Tensor, k: Tensor, v: Tensor, heads: int) -> None:
        """Count what self-attention reads, and the events of its products."""
        q, k, v = (x[:, : self.images] for x in (q, k, v))
        for part, x in (("q", q), ("v", v)):
            spikes = _whole(_sum(x).flatten(1)) if self.spiking else None
            self.tally.reads(f"{name}.{part}", x[0].numel(), None if spikes is None else Values(spikes, spikes))
        if self.spiking:
            for product, events in _products(q, k, v, heads).items():
                self.tally.executes(f"{name}.{product}", Synapses(events, events))


def _nonzero(values: Tensor) -> Tensor:
    """1 for whole numbers above 0, else 0. Several times as fast as a comparison, whose sum is one of integers."""
    return values.clamp(max=1)


def _sum(x: Tensor, dim: int = -1) -> Tensor:
    """Sums of whole numbers along a dimension. Half precision holds few: bfloat16 up to 256, so they are float32."""
    return x.sum(dim, dtype=torch.float32 if x.dtype in (torch.bfloat16, torch.float16) else None)


def _whole(values_TM: Tensor) -> StepCounts:
    """Sum by time step, int64. Exact if every value is: in float32, whole numbers below 2^24.

    Those of a GPU stay there, so that the host does not wait.
    """
    sums = values_TM.to(torch.int64).sum(1)
    return sums.numpy() if sums.device.type == "cpu" else sums


def _totals(values_TBP: Tensor, axes: int) -> tuple[StepCounts, StepCounts]:
    """Sums by time step, and the same sums with every value times the output positions that it reaches.

    values: sums over channels, (T, B, N) of a linear layer (axes: 4), (T, B, H, W) of a convolution's map (axes: 5).
    """
    sums = _whole(values_TBP.flatten(1))
    if axes == 4:
        return sums, sums
    rows, columns = (_reach(size, values_TBP.device) for size in values_TBP.shape[2:])
    reached = values_TBP.to(torch.int64) * (rows[:, None] * columns)
    return sums, _whole(reached.flatten(1))


def _reach(size: int, device: torch.device) -> Tensor:
    """For each position along an axis, how many outputs it reaches: itself and its neighbours within the border."""
    places = torch.arange(size, device=device)
    return (places[:, None] - places).abs().le(KERNEL // 2).sum(1)


def _products(q: Tensor, k: Tensor, v: Tensor, heads: int) -> dict[str, StepCounts]:
    """Synaptic events of both attention products in both orders, by time step.

    q k^T: sum over heads and channels of (sum of q)(sum of k); then for each spike of v the non-zeros of its column.
    k^T v: sum over tokens and heads of |k||v|; then for each spike of q the non-zeros of its row.
    """
    # Contiguous copies multiply many times as fast as transposed views.
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(2, 3).contiguous() for x in (q, k, v))
    similar = _sum((k @ q.transpose(-2, -1)).clamp_(max=1))
    mixed = _sum((k.transpose(-2, -1) @ v).clamp_(max=1))
    in_q, of_v = _sum(q, -2), _sum(v)
    factors = ((in_q, _sum(k, -2)), (similar, of_v), (_sum(k), of_v), (in_q, mixed))
    events = [_whole((one.to(torch.int64) * other.to(torch.int64)).flatten(1)) for one, other in factors]
    return dict(zip(PRODUCTS, events, strict=True))
