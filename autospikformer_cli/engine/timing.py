"""Where a network's time goes: every stage is run event by event, and densely on the same spikes.

Dimension legend: T time steps, B images, F frames, H W rows and columns, N tokens, D embedding dimension, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import TypeVar

import torch
from torch import Tensor

from autospikformer_cli.engine.choice import Engine
from autospikformer_cli.engine.tally import PRODUCTS, StepCounts, Synapses, Values
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.elastic import ElasticLinear
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.normalisation import Statistics
from autospikformer_cli.spiking.passes import Attention, ForwardPass, Layer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StageTiming:
    """One stage of a network, per image.

    event_driven_s, dense_s: medians over the passes, in seconds.
    input_rate: mean input value; None for real values, or values that are not counted.
    nonzero_rate: share of inputs that are not 0; None as for input_rate.
    synaptic_events, passes: as in `tally.Synapses`, of the products in the order executed; None for real values.
    spikes: emitted; None without neurons.
    layers: names of its operations, as energy tables have them; none for a pooling.
    """

    name: str
    event_driven_s: float
    dense_s: float
    input_rate: float | None
    nonzero_rate: float | None
    synaptic_events: float | None
    passes: float | None
    spikes: float | None
    layers: tuple[str, ...] = ()


@torch.no_grad()
def time_stages(
    engine: Engine,
    batches_FBHWC: Sequence[Tensor],
    subnet: Subnet,
    statistics: Statistics,
    num_passes: int,
    advance: Callable[[int], None] = lambda passes: None,
) -> list[StageTiming]:
    """Time a subnet's stages in execution order, on batches of one size in turn.

    num_passes: passes that are timed. One more pass before them is not: it prepares memory and torch's own layers.
    """
    supernet = engine.supernet

    def execute(frames_FBHWC: Tensor, tally: _StageTally) -> None:
        sparse = engine.forward_pass(subnet, statistics, tally)
        both = _BothPasses(sparse, supernet.in_torch(subnet, statistics), supernet.head.weight.dtype, tally)
        supernet.run(frames_FBHWC, subnet, both)
        tally.images += frames_FBHWC.shape[1]
        advance(1)

    execute(batches_FBHWC[0], _StageTally())
    tally = _StageTally()
    for number in range(num_passes):
        execute(batches_FBHWC[number % len(batches_FBHWC)], tally)
    return [stage.timing(name, tally.images) for name, stage in tally.stages.items()]


@dataclass
class _StageSums:
    """What one stage took and did, over all passes."""

    event_driven_s: list[float] = field(default_factory=list)
    dense_s: list[float] = field(default_factory=list)
    values: int = 0
    nonzeros: int = 0
    size: int = 0
    events: int = 0
    passes: int = 0
    spikes: int | None = None
    layers: tuple[str, ...] = ()

    def timing(self, name: str, images: int) -> StageTiming:
        """The medians and means of one image."""
        return StageTiming(
            name=name,
            event_driven_s=median(self.event_driven_s),
            dense_s=median(self.dense_s),
            input_rate=self.values / self.size if self.size else None,
            nonzero_rate=self.nonzeros / self.size if self.size else None,
            synaptic_events=self.events / images if self.size else None,
            passes=self.passes / images if self.size else None,
            spikes=None if self.spikes is None else self.spikes / images,
            layers=self.layers,
        )


class _StageTally:
    """A tally by stage, with the images of all passes."""

    def __init__(self) -> None:
        self.stages: dict[str, _StageSums] = {}
        self.images = 0
        self.name, self.stage = "", _StageSums()
        self.executed: Sequence[str] = ()

    def begin(self, name: str, layers: Sequence[str] = (), executed: Sequence[str] = ()) -> None:
        """Count for this stage from now on. executed: the attention products that the engine executes."""
        self.name, self.executed = name, executed
        self.stage = self.stages.setdefault(name, _StageSums(layers=tuple(layers)))

    def reads(self, layer: str, size: int, values: Values | None) -> None:
        """Add a layer's input."""
        if values is not None:
            self.stage.values += int(values.sums.sum())
            self.stage.nonzeros += int(values.nonzeros.sum())
            self.stage.size += size * len(values.sums)

    def executes(self, operation: str, synapses: Synapses) -> None:
        """Add an operation, unless it is an attention product of the order that was not executed."""
        product = operation.rpartition("attn.")[2]
        if product not in PRODUCTS or product in self.executed:
            self.stage.events += int(synapses.events.sum())
            self.stage.passes += int(synapses.passes.sum())

    def emits(self, layer: str, spikes_ST: StepCounts, neurons: int) -> None:
        """Add a layer's spikes."""
        self.stage.spikes = (self.stage.spikes or 0) + int(spikes_ST.sum())


@dataclass(frozen=True)
class _BothPasses:
    """Executes every stage twice on the same input, and continues with the event-driven result."""

    sparse: ForwardPass
    dense: ForwardPass
    dtype: torch.dtype
    tally: _StageTally

    def fire(
        self, layers: Sequence[Layer], x: Tensor, outputs: int, neurons: Sequence[Neuron]
    ) -> list[tuple[Tensor, ...]]:
        """As ForwardPass."""
        names = [layer.weights.name for layer in layers]
        self.tally.begin(_name_of(names), names)
        return self._timed(lambda run, x: run.fire(layers, x, outputs, neurons), x)

    def attend(self, attention: Attention, q: Tensor, k: Tensor, v: Tensor, heads: int, neuron: Neuron) -> Tensor:
        """As ForwardPass."""
        tokens, width = q.shape[2], q.shape[3] // heads
        products = PRODUCTS[:2] if tokens <= width else PRODUCTS[2:]
        names = [f"{attention.name}.{product}" for product in products]
        self.tally.begin(_name_of(names), names, products)
        spikes: Tensor = self._timed(lambda run, *qkv: run.attend(attention, *qkv, heads, neuron), q, k, v)
        return spikes

    def pool(self, x: Tensor) -> Tensor:
        """As ForwardPass."""
        self.tally.begin(self.tally.name.replace("proj_conv", "maxpool"))
        pooled: Tensor = self._timed(lambda run, x: run.pool(x), x)
        return pooled

    def classify(self, head: ElasticLinear, x: Tensor, classes: int) -> Tensor:
        """As ForwardPass."""
        self.tally.begin(head.name, [head.name])
        logits: Tensor = self._timed(lambda run, x: run.classify(head, x, classes), x)
        return logits

    def _timed(self, execute: Callable[..., T], *inputs: Tensor) -> T:
        """Run a stage in both ways, each timed."""
        images = inputs[0].shape[1]
        begun = perf_counter()
        result = execute(self.sparse, *inputs)
        self.tally.stage.event_driven_s.append((perf_counter() - begun) / images)
        as_numbers = [x.to(self.dtype) for x in inputs]
        begun = perf_counter()
        execute(self.dense, *as_numbers)
        self.tally.stage.dense_s.append((perf_counter() - begun) / images)
        return result


def _name_of(names: Sequence[str]) -> str:
    """The layer's own name. Of several, their names with the common beginning once.

    >>> _name_of(["block.0.attn.q_linear", "block.0.attn.k_linear"])
    'block.0.attn.q_linear, k_linear'
    """
    prefix = names[0].rpartition(".")[0]
    return ", ".join([names[0], *(name.removeprefix(f"{prefix}.") for name in names[1:])])
