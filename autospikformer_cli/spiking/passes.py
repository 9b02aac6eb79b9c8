"""How a forward pass goes from layer to layer: as spikes over time, or as the values of an ANN; and who watches it.

Dimension legend: T time steps, B images, P positions, N tokens, D embedding dimension, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional

from autospikformer_cli.spiking.firing import normalise_and_fire, normalise_in_training, scale_and_fire
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm, Statistics


class Observer(Protocol):
    """Sees the layers' inputs and the neurons' spikes of a forward pass, both (T, B, positions, C)."""

    def reads(self, name: str, x_TBPC: Tensor) -> None:
        """A layer reads x."""
        ...

    def emits(self, name: str, spikes_TBPC: Tensor) -> None:
        """A layer's neurons emitted these spikes."""
        ...


class Unobserved:
    """Sees nothing."""

    def reads(self, name: str, x_TBPC: Tensor) -> None:
        """Nothing is kept."""

    def emits(self, name: str, spikes_TBPC: Tensor) -> None:
        """Nothing is kept."""


class ForwardPass(Protocol):
    """How one forward pass goes from a layer to the next: as spikes over time, or as an ANN's values."""

    @property
    def observer(self) -> Observer:
        """Who watches."""
        ...

    def activate(self, x_TBPC: Tensor, norm: ElasticBatchNorm, activation: nn.Module, neuron: Neuron) -> Tensor:
        """What a layer's activation gives (T, B, P, C) behind its BatchNorm."""
        ...

    def attend(
        self, name: str, q: Tensor, k: Tensor, v: Tensor, heads: int, activation: nn.Module, neuron: Neuron
    ) -> Tensor:
        """Attention of q, k and v, all (T, B, N, D)."""
        ...


@dataclass(frozen=True, slots=True)
class SpikingPass:
    """Spikes over T steps; statistics: where moments come from, None in training."""

    time_step: int
    attention_scale: float
    statistics: Statistics | None
    observer: Observer

    def activate(self, x_TBPC: Tensor, norm: ElasticBatchNorm, activation: nn.Module, neuron: Neuron) -> Tensor:
        """Spikes (T, B, P, C)."""
        spikes = normalise_and_fire(x_TBPC, norm, activation, self.statistics, self.time_step, neuron)  # type: ignore[arg-type]
        self.observer.emits(norm.name, spikes)
        return spikes

    def attend(
        self, name: str, q: Tensor, k: Tensor, v: Tensor, heads: int, activation: nn.Module, neuron: Neuron
    ) -> Tensor:
        """Spikes (T, B, N, D) of the scaled product: there is no softmax."""
        mixed = multiply_heads(q, k, v, heads)
        spikes = scale_and_fire(mixed.flatten(1, 2), self.attention_scale, activation, self.time_step, neuron)  # type: ignore[arg-type]
        spikes = spikes.view_as(mixed)
        self.observer.emits(name, spikes)
        return spikes


@dataclass(frozen=True, slots=True)
class AnalogPass:
    """The ANN's values, of one step."""

    statistics: Statistics | None
    observer: Observer

    def activate(self, x_TBPC: Tensor, norm: ElasticBatchNorm, activation: nn.Module, neuron: Neuron) -> Tensor:
        """Real values (1, B, P, C)."""
        if self.statistics is None:
            normalised = normalise_in_training(x_TBPC, norm).view_as(x_TBPC)
        else:
            normalised = norm.normalised(x_TBPC, self.statistics)
        activated: Tensor = activation(normalised)
        return activated

    def attend(
        self, name: str, q: Tensor, k: Tensor, v: Tensor, heads: int, activation: nn.Module, neuron: Neuron
    ) -> Tensor:
        """softmax(q k^T / sqrt(D / heads)) v of each head (Vaswani et al. 2017), (1, B, N, D)."""
        q, k, v = (x.squeeze(0).unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        mixed: Tensor = functional.scaled_dot_product_attention(q, k, v)
        return mixed.transpose(1, 2).flatten(2)[None]


def multiply_heads(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Product of q, k^T and v for each head, in the cheaper order: exact for spikes, so the order cannot be seen.

    Shapes: all (T, B, N, D); the result is not scaled.
    """
    tokens, head_dim = q.shape[2], q.shape[3] // heads
    q, k, v = (x.unflatten(-1, (heads, head_dim)).transpose(2, 3) for x in (q, k, v))
    mixed = (q @ k.transpose(-2, -1)) @ v if tokens <= head_dim else q @ (k.transpose(-2, -1) @ v)
    return mixed.transpose(2, 3).flatten(3)
