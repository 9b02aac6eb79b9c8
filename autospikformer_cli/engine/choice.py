"""Which engine runs a supernet's subnets."""

from __future__ import annotations

from typing import Literal, Protocol

from torch import Tensor

from autospikformer_cli.engine.dense import Dense
from autospikformer_cli.engine.tally import Tally
from autospikformer_cli.errors import UserError
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.normalisation import Statistics
from autospikformer_cli.spiking.passes import ForwardPass
from autospikformer_cli.spiking.supernet import Supernet

EngineName = Literal["event_driven", "dense"]
MAX_DEPTH = 126
"""Blocks whose residual sums, at most 2 and 2 more a block, fit a byte."""


class Engine(Protocol):
    """Runs subnets of one supernet, without gradient; it only reads the weights, which must stay as they are."""

    @property
    def supernet(self) -> Supernet:
        """Whose subnets it runs."""
        ...

    @property
    def name(self) -> str:
        """Of the kind."""
        ...

    def forward_pass(self, subnet: Subnet, statistics: Statistics, tally: Tally) -> ForwardPass:
        """The stages of one subnet, for `Supernet.run` and `Supernet.embed`."""
        ...

    def logits(
        self, frames_FBHWC: Tensor, subnet: Subnet, statistics: Statistics, tally: Tally, batch: int | None = None
    ) -> Tensor:
        """Logits (B, classes) of one subnet. batch: how many images every batch but the last has; None for no rule."""
        ...


def make_engine(supernet: Supernet, threads: int, name: EngineName | None = None) -> Engine:
    """The engine of that name, or the one that suits device and network. Raises UserError where the named one can't."""
    obstacle = _obstacle(supernet)
    if name == "event_driven" and obstacle is not None:
        raise UserError(f"the event-driven engine cannot run {obstacle}", "--engine", "leave it out, or choose dense")
    if name == "dense" or obstacle is not None:
        return Dense(supernet)
    from autospikformer_cli.engine.event_driven import EventDriven

    return EventDriven(supernet, threads)


def _obstacle(supernet: Supernet) -> str | None:
    """What keeps a network from being run event by event, None where nothing does."""
    config = supernet.config
    if config.shape.network != "spikformer":
        return "an ANN, which has no events"
    if config.neuron(config.dynamics).as_lif(Neuron(2.0, 1.0)) is None:
        return f"the neuron {config.neuron.__name__}, which has no form for compiled loops"
    if config.space.depth[-1] > MAX_DEPTH:
        return f"more than {MAX_DEPTH} blocks, whose residual sums do not fit a byte"
    device = supernet.head.weight.device.type
    return None if device == "cpu" else f"on the device {device}, only on the CPU"
