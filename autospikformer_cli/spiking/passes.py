"""How a forward pass executes a network's stages: as spikes over time, or as the values of an ANN.

Dimension legend: T time steps, B images, H W rows and columns, P positions, N tokens, D dimension, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from autospikformer_cli.spiking.elastic import ElasticConvolution, ElasticLinear
from autospikformer_cli.spiking.firing import normalise_and_fire, scale_and_fire
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm, Statistics
from autospikformer_cli.spiking.pooling import max_pool
from autospikformer_cli.spiking.shared_batch import SharedBatch, normalise_in_training


class Layer(NamedTuple):
    """A convolution or a linear layer, with the BatchNorm and the neurons (or activation) after it.

    pooled: whether a max-pool of 3 x 3 windows with stride 2 stands between BatchNorm and neurons.
    """

    weights: ElasticConvolution | ElasticLinear
    norm: ElasticBatchNorm
    activation: nn.Module
    pooled: bool = False


class Attention(NamedTuple):
    """Attention of one block.

    product: a module that multiplies q, k and v by head, all (T, B, N, D).
    """

    name: str
    product: nn.Module
    activation: nn.Module


class ForwardPass(Protocol):
    """Executes the stages of a network in order, each on the result of the one before.

    Values between stages are channels last, (T, B, H, W, C) or (T, B, N, D). Residual sums are plain additions.
    """

    def fire(
        self, layers: Sequence[Layer], x: Tensor, outputs: int, neurons: Sequence[Neuron]
    ) -> list[tuple[Tensor, ...]]:
        """Run layers that read the same x. Returns a tuple for each neuron setting: the first outputs of each layer.

        Without neurons it only hands the moments to the statistics, and computes nothing else.
        """
        ...

    def attend(self, attention: Attention, q: Tensor, k: Tensor, v: Tensor, heads: int, neuron: Neuron) -> Tensor:
        """Attention of q, k and v, (T, B, N, D)."""
        ...

    def pool(self, x: Tensor) -> Tensor:
        """Maxima of 3 x 3 windows with stride 2, (T, B, rows, columns, C)."""
        ...

    def classify(self, head: ElasticLinear, x: Tensor, classes: int) -> Tensor:
        """Logits (B, classes) of the means over steps and tokens."""
        ...


class _TorchPass:
    """What both passes in torch share."""

    statistics: Statistics | None
    half: torch.dtype | None
    shared: SharedBatch | None

    def products(self, layers: Sequence[Layer], x: Tensor, outputs: int) -> Sequence[Tensor]:
        """The weighted sums of each layer, before BatchNorm."""
        return [layer.weights(x, outputs, self.half) for layer in layers]

    def _measure_moments(self, layers: Sequence[Layer], x: Tensor, outputs: int) -> None:
        if self.statistics is not None:
            for layer, y in zip(layers, self.products(layers, x, outputs), strict=True):
                layer.norm.scale_and_shift(y.flatten(2, -2), self.statistics)

    def _current(self, layer: Layer, y: Tensor) -> Tensor:
        """What the activation of a layer reads: its normalised weighted sums, pooled if the layer is."""
        y_TBPC = y.flatten(2, -2)
        if self.statistics is None:
            normalised = normalise_in_training(y_TBPC, layer.norm, self.shared)
        else:
            normalised = layer.norm.normalised(y_TBPC, self.statistics)
        current = normalised.view_as(y)
        return max_pool(current) if layer.pooled else current

    def pool(self, x: Tensor) -> Tensor:
        """As ForwardPass."""
        return max_pool(x)

    def classify(self, head: ElasticLinear, x: Tensor, classes: int) -> Tensor:
        """As ForwardPass."""
        mean_BD = x.mean(2).mean(0)
        logits: Tensor = head(mean_BD, classes)
        return logits


@dataclass(frozen=True)
class SpikingPass(_TorchPass):
    """Spikes over T steps, as floating-point numbers. statistics: of BatchNorm; None to train.

    half: the dtype of weighted sums, if it is not that of the weights.
    shared: in training, the batch of which these images are a part; None if they are all of it.
    """

    time_step: int
    attention_scale: float
    statistics: Statistics | None
    half: torch.dtype | None = field(default=None, kw_only=True)
    shared: SharedBatch | None = field(default=None, kw_only=True)

    def fire(
        self, layers: Sequence[Layer], x: Tensor, outputs: int, neurons: Sequence[Neuron]
    ) -> list[tuple[Tensor, ...]]:
        """Spikes, 0 or 1."""
        if not neurons:
            self._measure_moments(layers, x, outputs)
            return []
        products = self.products(layers, x, outputs)
        by_layer = [self._fire(layer, y, neurons) for layer, y in zip(layers, products, strict=True)]
        return list(zip(*by_layer, strict=True))

    def _fire(self, layer: Layer, y: Tensor, neurons: Sequence[Neuron]) -> list[Tensor]:
        if layer.pooled:
            return self._fire_pooled(layer, self._current(layer, y), neurons)
        y_TBPC = y.flatten(2, -2)
        return [
            normalise_and_fire(
                y_TBPC, layer.norm, layer.activation, self.statistics, self.time_step, neuron,  # type: ignore[arg-type]
                self.shared,
            ).view(self.time_step, *y.shape[1:])
            for neuron in neurons
        ]  # fmt: skip

    def _fire_pooled(self, layer: Layer, current: Tensor, neurons: Sequence[Neuron]) -> list[Tensor]:
        current_TMC = current.flatten(1, -2)
        return [
            scale_and_fire(current_TMC, 1.0, layer.activation, self.time_step, neuron).view(  # type: ignore[arg-type]
                self.time_step, *current.shape[1:]
            )
            for neuron in neurons
        ]

    def mix(self, attention: Attention, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        """The product of q, k and v by head, all (T, B, N, D)."""
        mixed: Tensor = attention.product(q, k, v, heads)
        return mixed

    def attend(self, attention: Attention, q: Tensor, k: Tensor, v: Tensor, heads: int, neuron: Neuron) -> Tensor:
        """Spikes (T, B, N, D) of the scaled product. There is no softmax."""
        mixed = self.mix(attention, q, k, v, heads)
        spikes = scale_and_fire(
            mixed.flatten(1, 2), self.attention_scale, attention.activation, self.time_step, neuron  # type: ignore[arg-type]
        )  # fmt: skip
        return spikes.view_as(mixed)


@dataclass(frozen=True)
class AnalogPass(_TorchPass):
    """Values of the ANN, which has one step. half, shared: as of a SpikingPass."""

    statistics: Statistics | None
    half: torch.dtype | None = field(default=None, kw_only=True)
    shared: SharedBatch | None = field(default=None, kw_only=True)

    def fire(
        self, layers: Sequence[Layer], x: Tensor, outputs: int, neurons: Sequence[Neuron]
    ) -> list[tuple[Tensor, ...]]:
        """Real values, the same for every neuron setting."""
        if not neurons:
            self._measure_moments(layers, x, outputs)
            return []
        products = zip(layers, self.products(layers, x, outputs), strict=True)
        return [tuple(layer.activation(self._current(layer, y)) for layer, y in products)] * len(neurons)

    def attend(self, attention: Attention, q: Tensor, k: Tensor, v: Tensor, heads: int, neuron: Neuron) -> Tensor:
        """The product; the neuron is ignored."""
        mixed: Tensor = attention.product(q, k, v, heads)
        return mixed


def multiply_heads(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Product of q, k^T and v for each head, in the cheaper order. It is exact for spikes: both orders give the same.

    Shapes: all (T, B, N, D). The result is not scaled.
    """
    tokens, head_dim = q.shape[2], q.shape[3] // heads
    q, k, v = (x.unflatten(-1, (heads, head_dim)).transpose(2, 3) for x in (q, k, v))
    mixed = (q @ k.transpose(-2, -1)) @ v if tokens <= head_dim else q @ (k.transpose(-2, -1) @ v)
    return mixed.transpose(2, 3).flatten(3)


def softmax_heads(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """softmax(q k^T / sqrt(D / heads)) v of each head (Vaswani et al. 2017), (1, B, N, D)."""
    q, k, v = (x.squeeze(0).unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    mixed: Tensor = functional.scaled_dot_product_attention(q, k, v)
    return mixed.transpose(1, 2).flatten(2)[None]
