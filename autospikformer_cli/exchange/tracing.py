"""A subnet as torch traces it for a file: the same numbers in few operations. Each costs time to trace and to load.

Dimension legend: T time steps, F frames, B images, M = T B rows, step by step (B before the first neurons), R rows and
positions of a step, H W rows and columns, N tokens, D embedding dimension, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.elastic import ElasticConvolution, ElasticLinear
from autospikformer_cli.spiking.extraction import ExtractedSubnet
from autospikformer_cli.spiking.neuron import Dynamics, Neuron
from autospikformer_cli.spiking.neuron_kinds import LIFKind, NeuronKind
from autospikformer_cli.spiking.normalisation import AffineBatchNorm, ElasticBatchNorm, FoldedBatchNorm
from autospikformer_cli.spiking.passes import Attention, ForwardPass, Layer
from autospikformer_cli.spiking.stages import Classify, State, Tokens


class TracedSubnet(ExtractedSubnet):
    """A copy of an extracted subnet. Each BatchNorm is a scale and a shift, computed in advance."""

    def __init__(self, network: ExtractedSubnet) -> None:
        nn.Module.__init__(self)
        self.config, self.subnet, self.mean, self.std = network.config, network.subnet, network.mean, network.std
        self.patch_embed, self.block, self.head = deepcopy((network.patch_embed, network.block, network.head))
        norms = [each for each in self.modules() if isinstance(each, ElasticBatchNorm)]
        self.replace_norms(
            {norm.name: AffineBatchNorm(norm) for norm in norms if not isinstance(norm, FoldedBatchNorm)}
        )
        self.requires_grad_(False).eval()

    def run(self, frames_FBHWC: Tensor, subnet: Subnet, run: ForwardPass) -> Tensor:
        """As Supernet. The pass is another one, unless the network is an ANN."""
        if self.config.shape.network == "transformer":
            return super().run(frames_FBHWC, subnet, run)
        frames = self.read_frames(frames_FBHWC, subnet.time_step)
        merged = MergedPass(subnet.time_step, frames.shape[1], self.config.attention_scale)
        state = State(frames.flatten(0, 1))
        for stage in self.stages(subnet):
            if isinstance(stage, Tokens):
                state = State(state.stream.flatten(1, 2))
            elif isinstance(stage, Classify):
                state = State(merged.classify(stage.head, state.stream, stage.classes))
            else:
                state = stage.run(state, merged)
        return state.stream


@dataclass(frozen=True)
class MergedPass:
    """Executes stages of a `TracedSubnet` on values without an axis of time: (M, H, W, C) or (M, N, D).

    So layers and neurons reshape nothing. Layers are as wide as the subnet. images: number of images.
    """

    time_step: int
    images: int
    attention_scale: float

    def fire(
        self, layers: Sequence[Layer], x: Tensor, outputs: int, neurons: Sequence[Neuron]
    ) -> list[tuple[Tensor, ...]]:
        """As ForwardPass, for one neuron setting. q, k and v have the same neurons, which fire together."""
        (neuron,) = neurons
        currents = [self._current(layer, x) for layer in layers]
        kinds: list[NeuronKind] = [layer.activation for layer in layers]  # type: ignore[misc]
        if len(layers) > 1 and all(type(kind) is LIFKind for kind in kinds):
            return [self._spikes(torch.cat(currents, -1), kinds[0], neuron).split(outputs, -1)]
        return [tuple(self._spikes(x, kind, neuron) for x, kind in zip(currents, kinds, strict=True))]

    def _current(self, layer: Layer, x: Tensor) -> Tensor:
        """What a layer's neurons read."""
        weights, norm = layer.weights, layer.norm
        if isinstance(weights, ElasticConvolution):
            y_MCHW = functional.conv2d(x.permute(0, 3, 1, 2), weights.weight, weights.bias, padding=1)
            y = y_MCHW.permute(0, 2, 3, 1)
        else:
            y = functional.linear(x, weights.weight, weights.bias)
        current = y * norm.scale + norm.shift if isinstance(norm, AffineBatchNorm) else y
        return self.pool(current) if layer.pooled else current

    def _spikes(self, current: Tensor, kind: NeuronKind, neuron: Neuron) -> Tensor:
        if type(kind) is not LIFKind:
            rows_TRC = current.unflatten(0, (-1, self.images)).flatten(1, -2)
            spikes_TRC: Tensor = kind(rows_TRC, self.time_step, neuron)
            return spikes_TRC.reshape(-1, *current.shape[1:])
        by_step = [current] if current.shape[0] == self.images else self._by_step(current)
        return torch.cat(few_operations_lif(by_step, self.time_step, neuron, kind.dynamics)).to(current.dtype)

    def _by_step(self, x: Tensor) -> list[Tensor]:
        """Its steps, as slices, which are traced faster than torch.unbind."""
        return [x[step * self.images : (step + 1) * self.images] for step in range(self.time_step)]

    def attend(self, attention: Attention, q: Tensor, k: Tensor, v: Tensor, heads: int, neuron: Neuron) -> Tensor:
        """As ForwardPass, in the order of `passes.multiply_heads`."""
        tokens, head_dim = q.shape[1], q.shape[2] // heads
        q, k, v = (x.unflatten(-1, (heads, head_dim)).transpose(1, 2).flatten(0, 1) for x in (q, k, v))
        mixed = (q.bmm(k.mT)).bmm(v) if tokens <= head_dim else q.bmm(k.mT.bmm(v))
        joined = mixed.unflatten(0, (-1, heads)).transpose(1, 2).flatten(2)
        return self._spikes(joined * self.attention_scale, attention.activation, neuron)  # type: ignore[arg-type]

    def pool(self, x: Tensor) -> Tensor:
        """As ForwardPass."""
        pooled_MCHW = functional.max_pool2d(x.permute(0, 3, 1, 2), 3, stride=2, padding=1)
        return pooled_MCHW.permute(0, 2, 3, 1)

    def classify(self, head: ElasticLinear, x: Tensor, classes: int) -> Tensor:
        """As ForwardPass."""
        mean_BD = x.mean(1).unflatten(0, (-1, self.images)).mean(0)
        return functional.linear(mean_BD, head.weight, head.bias)


def few_operations_lif(currents: Sequence[Tensor], time_step: int, neuron: Neuron, dynamics: Dynamics) -> list[Tensor]:
    """Whether each neuron fires, for each step, as `neuron.lif` computes it to the last bit, in fewer operations.

    Nothing is added to the potential of 0 at the first step, and nothing is reset after the last. There is no gradient.
    currents: of each step, or one for all.
    """
    if len(currents) == 1:
        currents = [*currents] * time_step
    potential = currents[0] / neuron.tau if dynamics.decay_input else currents[0]
    fired = [_fires(potential, neuron, dynamics)]
    for current in currents[1:]:
        if dynamics.reset == "hard":
            potential = potential.masked_fill(fired[-1], 0.0)
        else:
            potential = torch.where(fired[-1], potential - neuron.threshold, potential)
        if dynamics.decay_input:
            potential = potential + (current - potential) / neuron.tau
        else:
            potential = potential * (1 - 1 / neuron.tau) + current
        fired.append(_fires(potential, neuron, dynamics))
    return fired


def _fires(potential: Tensor, neuron: Neuron, dynamics: Dynamics) -> Tensor:
    return potential >= neuron.threshold if dynamics.fires_at == "reach" else potential > neuron.threshold
