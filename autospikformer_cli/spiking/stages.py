"""A network as the sequence of its stages: values, equal where two subnets compute the same of the same input.

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
    """What goes from stage to stage, (T, B, H, W, C) in the stem and (T, B, N, D) behind it, at the end logits (B, C).

    stream: the network's. branch: inside a residual branch what its last stage gave, one tensor or q, k and v.
    """

    stream: Tensor
    branch: tuple[Tensor, ...] = ()

    @property
    def read(self) -> Tensor:
        """What the next layer reads."""
        return self.branch[0] if self.branch else self.stream


@dataclass(frozen=True, slots=True)
class Fire:
    """Layers that read the same, each with its neurons; what they give is the stream, a branch, or added to the stream.

    outputs: channels of each layer. Subnets that differ in these and in the neuron alone can share the layers' sums.
    """

    layers: tuple[Layer, ...]
    outputs: int
    neuron: Neuron
    gives: Literal["stream", "branch", "sum"]

    @property
    def shared(self) -> Hashable:
        """Equal for stages that can be computed together, from one input."""
        return self.layers, self.gives

    def run(self, state: State, run: ForwardPass) -> State:
        """The state behind it."""
        (spikes,) = run.fire(self.layers, state.read, self.outputs, [self.neuron])
        return self.after(state, spikes)

    def after(self, state: State, spikes: tuple[Tensor, ...]) -> State:
        """The state behind it, from the spikes of each layer."""
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
        """The state behind it."""
        q, k, v = state.branch
        return State(state.stream, (run.attend(self.attention, q, k, v, self.heads, self.neuron),))


@dataclass(frozen=True, slots=True)
class Pool:
    """Maxima of 3 x 3 windows at a distance of 2. stage: of the stem, from 1."""

    stage: int

    def run(self, state: State, run: ForwardPass) -> State:
        """The state behind it."""
        return State(run.pool(state.stream))


@dataclass(frozen=True, slots=True)
class Tokens:
    """The positions of the map become tokens."""

    def run(self, state: State, run: ForwardPass) -> State:
        """The state behind it."""
        return State(state.stream.flatten(2, 3))


@dataclass(frozen=True, slots=True)
class Classify:
    """Logits, of the means over tokens and the first so many steps: neurons look back only."""

    head: ElasticLinear
    classes: int
    time_step: int

    def run(self, state: State, run: ForwardPass) -> State:
        """The state behind it."""
        return State(run.classify(self.head, state.stream[: self.time_step], self.classes))


Stage = Fire | Attend | Pool | Tokens | Classify
