"""Chooses the engine that runs a supernet's subnets."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from torch import Tensor

from autospikformer_cli.engine.dense import Dense
from autospikformer_cli.engine.names import MAX_DEPTH, EngineName
from autospikformer_cli.engine.tally import Tally
from autospikformer_cli.errors import UserError
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.normalisation import Statistics
from autospikformer_cli.spiking.passes import ForwardPass, Layer
from autospikformer_cli.spiking.supernet import Supernet


class EnginePass(ForwardPass, Protocol):
    """A forward pass whose stages several subnets can share."""

    def narrow(self, layer: Layer, spikes: Tensor, outputs: int) -> Tensor:
        """The first outputs of a layer's spikes, as if the layer were that narrow."""
        ...


class Engine(Protocol):
    """Runs subnets of one supernet, without gradient. It only reads the weights, which must not change."""

    @property
    def supernet(self) -> Supernet:
        """The supernet whose subnets it runs."""
        ...

    @property
    def name(self) -> str:
        """The engine's name in `--engine`."""
        ...

    @property
    def batch_matters(self) -> bool:
        """Whether last bits depend on how many images, or how many outputs of a layer, are computed at once."""
        ...

    def forward_pass(
        self, subnet: Subnet, statistics: Statistics, tally: Tally, images: int | None = None
    ) -> EnginePass:
        """A pass that executes the stages of one subnet, or those that subnets share.

        images: how many images of the batch count, the first ones; None for all.
        """
        ...

    def logits(self, frames_FBHWC: Tensor, subnet: Subnet, statistics: Statistics, tally: Tally) -> Tensor:
        """Logits (B, classes) of one subnet."""
        ...

    def computing(self) -> AbstractContextManager[None]:
        """A context to hold while stages are executed."""
        ...


def make_engine(supernet: Supernet, threads: int, name: EngineName | None = None) -> Engine:
    """The named engine, or the one that suits device and network. Raises UserError if the named one cannot run it."""
    cannot = obstacle(supernet)
    if name == "event_driven" and cannot is not None:
        raise UserError(f"the event-driven engine cannot run {cannot}", "--engine", "leave it out, or choose dense")
    if name == "dense" or cannot is not None:
        return Dense(supernet)
    from autospikformer_cli.engine.event_driven import EventDriven

    return EventDriven(supernet, threads)


def obstacle(supernet: Supernet) -> str | None:
    """Why the event-driven engine cannot run a network; None if it can."""
    device = supernet.head.weight.device.type
    return no_bytes(supernet) or (None if device == "cpu" else f"on the device {device}, only on the CPU")


def no_bytes(supernet: Supernet) -> str | None:
    """Why a network's layers read other numbers than whole ones that fit a byte; None if they do not."""
    config = supernet.config
    if config.shape.network != "spikformer":
        return "an ANN, which has no events"
    if config.neuron(config.dynamics).as_lif(Neuron(2.0, 1.0)) is None:
        return f"the neuron {config.neuron.__name__}, which has no form for compiled loops"
    if config.space.depth[-1] > MAX_DEPTH:
        return f"more than {MAX_DEPTH} blocks, whose residual sums do not fit a byte"
    return None
