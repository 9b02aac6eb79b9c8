"""Small networks in which every layer fires, and who listens to them.

Dimension legend: F frames, T time steps, B images, H W rows and columns, N tokens, D embedding dimension, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any, Literal

import numba
import pytest
import torch
from torch import Tensor

from autospikformer_cli.engine.choice import Engine
from autospikformer_cli.engine.tally import StepCounts, Synapses, Tally, Untallied, Values
from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.neuron_kinds import ParametricLIFKind
from autospikformer_cli.spiking.normalisation import (
    BatchStatistics,
    FixedStatistics,
    RecordedStatistics,
    RunningStatistics,
    Statistics,
    batch_moments,
)
from autospikformer_cli.spiking.passes import Attention, Layer, SpikingPass
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

Kind = Literal["recalibrate", "running", "batch"]
LOWEST_RATE, HIGHEST_RATE = 0.05, 0.60
SPACE = SearchSpace(
    depth=(1, 2),
    mlp_ratio=(Decimal("1.3"), Decimal("1.75"), Decimal(2)),
    num_heads=(1, 2, 4),
    threshold=(Decimal("0.6"), Decimal(1), Decimal("1.4")),
    tau=(Decimal("1.25"), Decimal("1.5"), Decimal(2), Decimal(3)),
    time_step=(1, 2, 3, 4),
    embed_dim=(12, 20, 28),
)
"""No dimension is a multiple of 16; 12 x 1.3 is no whole number; 28 x 1.75 are 49 hidden neurons, 28 x 1.3 are 36."""


@dataclass
class Listed:
    """A tally that adds up what it is told, as whole numbers of Python, and refuses others."""

    sizes: dict[str, int] = field(default_factory=dict)
    values: dict[str, tuple[list[int], list[int]] | None] = field(default_factory=dict)
    synapses: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)
    spikes: dict[str, list[list[int]]] = field(default_factory=dict)
    neurons: dict[str, int] = field(default_factory=dict)

    def reads(self, layer: str, size: int, values: Values | None) -> None:
        """Add one layer's input."""
        self.sizes[layer] = self.sizes.get(layer, 0) + size
        self.values[layer] = None if values is None else _added(self.values.get(layer), values)

    def executes(self, operation: str, synapses: Synapses) -> None:
        """Add what one operation did."""
        self.synapses[operation] = _added(self.synapses.get(operation), synapses)

    def emits(self, layer: str, spikes_ST: StepCounts, neurons: int) -> None:
        """Add one layer's spikes."""
        assert spikes_ST.dtype.kind == "i"
        before = self.spikes.get(layer, [[0] * spikes_ST.shape[1]] * len(spikes_ST))
        self.spikes[layer] = (spikes_ST + before).tolist()
        self.neurons[layer] = neurons


def _added(before: Any, counts: Values | Synapses) -> tuple[list[int], list[int]]:
    assert all(each.dtype.kind == "i" and each.dtype.itemsize == 8 for each in counts)
    first, second = counts if before is None else (each + old for each, old in zip(counts, before, strict=True))
    return first.tolist(), second.tolist()


@dataclass(frozen=True)
class Lively:
    """A supernet of which one subnet's layers all fire on frames (F, B, H, W, C), under one kind of statistics."""

    supernet: Supernet
    subnet: Subnet
    frames: Tensor
    kind: Kind
    watcher: Callable[[], Any]

    @property
    def config(self) -> NetworkConfig:
        """The network's."""
        return self.supernet.config

    def statistics(self, engine: Engine | None = None, order: Sequence[int] | None = None) -> Statistics:
        """Where moments come from; the engine, or torch, measures recalibrated ones, on the frames in some order."""
        if self.kind == "running":
            return RunningStatistics()
        if self.kind == "batch":
            return BatchStatistics()
        recorded = RecordedStatistics()
        frames = self.frames if order is None else self.frames[:, order]
        with torch.no_grad():
            if engine is None:
                self.supernet(frames, self.subnet, recorded)
            else:
                engine.logits(frames, self.subnet, recorded, Untallied())
        return FixedStatistics(recorded.by_layer)

    def reference(self) -> tuple[Tensor, Any]:
        """Logits of the dense pass in torch, and everything that was to be seen."""
        watcher = self.watcher()
        with torch.no_grad():
            run = self.supernet.in_torch(self.subnet, self.statistics())
            return self.supernet.run(self.frames, self.subnet, watcher.on(run)), watcher

    def run(self, engine: Any, tally: Tally | None = None) -> tuple[Tensor, Any]:
        """Logits of the event-driven engine with its own statistics, and everything that was to be seen."""
        watcher = self.watcher()
        with torch.no_grad():
            run = engine.forward_pass(self.subnet, self.statistics(engine), tally or Untallied())
            return self.supernet.run(self.frames, self.subnet, watcher.on(run)), watcher

    def as_float32(self) -> Lively:
        """The same, rounded."""
        network = Supernet(self.config)
        network.load_state_dict(self.supernet.state_dict())
        return replace(self, supernet=network, frames=self.frames.float())


class _Livening:
    """A dense pass that moves each BatchNorm's biases until its neurons fire at a random, moderate rate."""

    def __init__(self, supernet: Supernet, subnet: Subnet, statistics: Statistics, generator: torch.Generator) -> None:
        self.supernet, self.subnet, self.statistics, self.generator = supernet, subnet, statistics, generator
        self.dense: SpikingPass = supernet.in_torch(subnet, statistics)  # type: ignore[assignment]
        self.pool, self.classify = self.dense.pool, self.dense.classify
        scale = supernet.config.attention_scale
        self.scales = (scale,) if scale else (2.0, 1.0, 0.5, 0.25, 0.125, 0.0625)

    def attend(self, *arguments: Any) -> Tensor:
        """As the dense pass, with the scale found."""
        self.supernet.config = replace(self.supernet.config, attention_scale=self.scales[0])
        return replace(self.dense, attention_scale=self.scales[0]).attend(*arguments)

    def fire(
        self, layers: Sequence[Layer], x: Tensor, outputs: int, neurons: Sequence[Neuron]
    ) -> list[tuple[Tensor, ...]]:
        """Spikes under the parameters found."""
        for layer in layers:
            self._disturb(layer, x, outputs)
        targets = [0.2 + 0.15 * float(torch.rand((), generator=self.generator)) for _ in layers]
        if len(layers) > 1:
            targets = [self._rate_of_factors(layers, x, outputs, neurons)] * len(layers)
        for layer, target in zip(layers, targets, strict=True):
            self._move(layer, x, outputs, neurons, target)
        return self.dense.fire(layers, x, outputs, neurons)

    def _disturb(self, layer: Layer, x: Tensor, outputs: int) -> None:
        """Statistics of training near those of the batch; gains of both signs."""
        norm, generator = layer.norm, self.generator
        moments = batch_moments(layer.weights(x, outputs).flatten(2, -2))
        noise = torch.randn(outputs, generator=generator, dtype=torch.float64)
        factor = 0.8 + 0.4 * torch.rand(outputs, generator=generator, dtype=torch.float64)
        norm.running_mean[:outputs] = moments.mean + 0.1 * moments.variance.sqrt() * noise
        norm.running_var[:outputs] = moments.variance * factor
        signs = 1 - 2.0 * (torch.rand(outputs, generator=generator) < 0.25)
        norm.weight[:outputs] = signs * (0.5 + 0.5 * torch.rand(outputs, generator=generator))

    def _move(self, layer: Layer, x: Tensor, outputs: int, neurons: Sequence[Neuron], target: float) -> None:
        """Biases for a rate near the target, no finer than a hundredth: exact rates lie at the threshold itself."""
        norm, (neuron,) = layer.norm, neurons
        gain = neuron.threshold * (neuron.tau if self.supernet.config.dynamics.decay_input else 1)
        norm.weight[:outputs] *= gain / norm.weight[:outputs].abs().max()
        noise = 0.25 * gain * torch.randn(outputs, generator=self.generator, dtype=torch.float64)
        low, high = -8 * gain, 8 * gain
        for _ in range(10):
            norm.bias[:outputs] = noise + (low + high) / 2
            ((spikes,),) = self.dense.fire((layer,), x, outputs, neurons)
            rate = spikes.mean()
            low, high = (low, (low + high) / 2) if rate > target else ((low + high) / 2, high)

    def _rate_of_factors(self, layers: Sequence[Layer], x: Tensor, dim: int, neurons: Sequence[Neuron]) -> float:
        """Rate of q, k and v, and in the first block the scale, at which the neurons behind their product fire."""
        _, block, attention, _ = layers[0].weights.name.split(".")
        heads = self.supernet.config.shape.num_heads(self.subnet, int(block))
        product: Attention = self.supernet.get_submodule(f"block.{block}.{attention}").attention  # type: ignore[assignment]
        behind = Neuron(neurons[0].tau, self.supernet.config.attention_threshold)
        found = {}
        for target in (0.12, 0.2, 0.28, 0.36, 0.44):
            for layer in layers:
                self._move(layer, x, dim, neurons, target)
            ((q, k, v),) = self.dense.fire(layers, x, dim, neurons)
            for scale in self.scales:
                rate = float(replace(self.dense, attention_scale=scale).attend(product, q, k, v, heads, behind).mean())
                found[abs(rate - 0.25)] = target, scale
        target, scale = found[min(found)]
        self.scales = (scale,)
        return target


MakeLively = Callable[..., Lively]


def _random_parameters(supernet: Supernet, generator: torch.Generator) -> None:
    """Everywhere, so that what does not belong to the subnet would be noticed; sums differ in size by ten."""
    for name, tensor in supernet.state_dict().items():
        tensor.copy_(torch.randn(tensor.shape, generator=generator, dtype=torch.float64))
        if name.endswith("running_var"):
            tensor.abs_().add_(0.5)
        elif tensor.ndim > 1 and name != "head.weight":
            sizes = 10 ** -torch.rand(len(tensor), generator=generator, dtype=torch.float64)
            tensor.mul_((sizes / tensor[0].numel() ** 0.5).view(-1, *[1] * (tensor.ndim - 1)))
        elif tensor.ndim == 0:
            tensor.mul_(0.3)


@contextmanager
def _one_thread() -> Iterator[None]:
    """As the fixture `one_thread`, which fixtures of a module come before."""
    before = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    yield
    torch.set_num_threads(before[0])
    numba.set_num_threads(before[1])


def _make(
    watcher: Callable[[], Any],
    subnet: Subnet,
    *,
    kind: Kind = "running",
    image_size: int = 7,
    images: int = 6,
    frames: int = 1,
    lively_on: int = 32,
    seed: int = 0,
    space: SearchSpace = SPACE,
    keys: dict[str, Any] | None = None,
    **shape: Any,
) -> Lively:
    generator = torch.Generator().manual_seed(seed)
    channels = 2 if frames > 1 else 3
    network = NetworkShape(
        image_size, channels, 5, space.embed_dim[-1], **{"reads_events": frames > 1, "pooled_stages": (3,), **shape}
    )
    config = NetworkConfig(network, space, **{"attention_scale": 0.0, **(keys or {})})
    network_params = config.neuron is ParametricLIFKind
    config = replace(config, shape=replace(network, neuron_params=int(network_params)))
    supernet = Supernet(config).double()
    size = (frames, images, image_size, image_size, channels)
    x = torch.randn(size, generator=generator, dtype=torch.float64)
    if frames > 1:
        x = torch.poisson(torch.full(size, 0.7, dtype=torch.float64), generator=generator)
    made = Lively(supernet, subnet, x, kind, watcher)
    statistics = {"running": RunningStatistics, "batch": BatchStatistics, "recalibrate": RecordedStatistics}[kind]()
    with torch.no_grad(), _one_thread():
        _random_parameters(supernet, generator)
        supernet.run(x[:, :lively_on], subnet, _Livening(supernet, subnet, statistics, generator))
    return made


@pytest.fixture(scope="session")
def make_lively(watcher_class: Any) -> MakeLively:
    """make_lively(subnet, kind="running", image_size=7, frames=1, ...): a random network in float64."""
    return partial(_make, watcher_class)


@pytest.fixture(scope="session")
def space() -> SearchSpace:
    """The space of small subnets."""
    return SPACE


@pytest.fixture(scope="session")
def listed() -> type[Listed]:
    """A tally."""
    return Listed


def _is_lively(rates: dict[str, float]) -> bool:
    return min(rates.values()) > LOWEST_RATE and max(rates.values()) < HIGHEST_RATE


@pytest.fixture(scope="session")
def is_lively() -> Callable[[dict[str, float]], bool]:
    """is_lively(rates): every layer fires, and none fires nearly always. One random network in a hundred is not."""
    return _is_lively


def _assert_lively(rates: dict[str, float]) -> None:
    assert _is_lively(rates), rates


@pytest.fixture(scope="session")
def assert_lively() -> Callable[[dict[str, float]], None]:
    """assert_lively(rates): as `is_lively`, of networks that are always the same."""
    return _assert_lively


def _assert_same_spikes(found: Any, expected: Any) -> None:
    assert list(found.spikes) == list(expected.spikes)
    for name, spikes in expected.spikes.items():
        assert found.spikes[name].dtype == torch.uint8
        assert torch.equal(found.spikes[name].to(spikes.dtype), spikes), name


@pytest.fixture(scope="session")
def assert_same_spikes() -> Callable[[Any, Any], None]:
    """assert_same_spikes(found, expected): of every layer, in the same order."""
    return _assert_same_spikes
