"""A network as a sequence of stages. Stages are values: equal if two subnets compute the same from the same input.

Dimension legend: T time steps, B images, H W rows and columns, N tokens, D dimension, C channels.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

from autospikformer_cli.spiking.elastic import ElasticLinear
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.passes import Attention, ForwardPass, Layer


class State(NamedTuple):
    """What one stage hands to the next: (T, B, H, W, C) in the stem, (T, B, N, D) after it, logits (B, C) at the end.

    stream: the network's main path.
    branch: inside a residual branch, the result of its last stage: one tensor, or q, k and v.
    """

    stream: Tensor
    branch: tuple[Tensor, ...] = ()

    @property
    def read(self) -> Tensor:
        """What the next layer reads."""
        return self.branch[0] if self.branch else self.stream


@dataclass(frozen=True, slots=True)
class Fire:
    """Layers that read the same input, each with its neurons.

    outputs: channels of each layer. Subnets that differ only in these and in the neuron can share the weighted sums.
    gives: whether the result becomes the stream, becomes a branch, or is added to the stream.
    """

    layers: tuple[Layer, ...]
    outputs: int
    neuron: Neuron
    gives: Literal["stream", "branch", "sum"]

    @property
    def shared(self) -> Hashable:
        """Equal for stages whose weighted sums can be computed together from one input."""
        return self.layers, self.gives

    def run(self, state: State, run: ForwardPass) -> State:
        """Execute the stage; returns the next state."""
        (spikes,) = run.fire(self.layers, state.read, self.outputs, [self.neuron])
        return self.after(state, spikes)

    def after(self, state: State, spikes: tuple[Tensor, ...]) -> State:
        """The next state, from the spikes of each layer."""
        if self.gives == "branch":
            return State(state.stream, spikes)
        (given,) = spikes
        return State(given if self.gives == "stream" else state.stream + given)


@dataclass(frozen=True, slots=True)
class Attend:
    """Attention of the branch's q, k and v."""

    attention: Attention
    heads: int
    neuron: Neuron

    def run(self, state: State, run: ForwardPass) -> State:
        """Execute the stage; returns the next state."""
        q, k, v = state.branch
        return State(state.stream, (run.attend(self.attention, q, k, v, self.heads, self.neuron),))


@dataclass(frozen=True, slots=True)
class Pool:
    """Maxima of 3 x 3 windows with stride 2. stage: of the stem, from 1."""

    stage: int

    def run(self, state: State, run: ForwardPass) -> State:
        """Execute the stage; returns the next state."""
        return State(run.pool(state.stream))


@dataclass(frozen=True, slots=True)
class Tokens:
    """Turns the positions of the map into tokens."""

    def run(self, state: State, run: ForwardPass) -> State:
        """Execute the stage; returns the next state."""
        return State(state.stream.flatten(2, 3))


@dataclass(frozen=True, slots=True)
class Classify:
    """Logits of the means over tokens and the first time steps. Later steps cannot change earlier ones."""

    head: ElasticLinear
    classes: int
    time_step: int

    def run(self, state: State, run: ForwardPass) -> State:
        """Execute the stage; returns the next state."""
        return State(run.classify(self.head, state.stream[: self.time_step], self.classes))


Stage = Fire | Attend | Pool | Tokens | Classify
