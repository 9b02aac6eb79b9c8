"""The supernet: the weights of every subnet of a space, entangled, and one forward pass for any of them.

Dimension legend: T time steps, B images, H W rows and columns, N tokens, D embedding dimension, C channels.
Parameters have the names of Spikformer's published state dict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.firing import Neuron, normalise_and_fire, scale_and_fire
from autospikformer_cli.spiking.layout import KERNEL, NetworkShape, stem_names
from autospikformer_cli.spiking.neuron import Dynamics
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm, Statistics

STEM_NEURON = Neuron(tau=2.0, threshold=1.0)
ATTENTION_THRESHOLD = 0.5
"""Threshold of the LIF behind the attention product, whatever the block's (Spikformer)."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """What all subnets of a supernet share.

    threshold_scope: "block" gives a block's threshold to all its LIFs but the one behind attention, "fc1" to fc1's
    alone.
    """

    shape: NetworkShape
    space: SearchSpace
    dynamics: Dynamics = Dynamics()
    threshold_scope: Literal["block", "fc1"] = "block"
    attention_scale: float = 0.125


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


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """What one forward pass needs beside weights: T, where moments come from (None: training), who watches."""

    time_step: int
    dynamics: Dynamics
    statistics: Statistics | None
    observer: Observer

    def normalise_and_fire(self, x_TBPC: Tensor, norm: ElasticBatchNorm, neuron: Neuron) -> Tensor:
        """Spikes (T, B, P, C) behind a BatchNorm."""
        spikes = normalise_and_fire(x_TBPC, norm, self.statistics, self.time_step, neuron, self.dynamics)
        self.observer.emits(norm.name, spikes)
        return spikes


class ElasticLinear(nn.Module):
    """A linear layer of which a subnet uses the first outputs and inputs."""

    def __init__(self, inputs: int, outputs: int, name: str) -> None:
        super().__init__()
        self.name = name
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, outputs: int) -> Tensor:
        return functional.linear(x, self.weight[:outputs, : x.shape[-1]], self.bias[:outputs])


class ElasticConvolution(nn.Module):
    """A 3 x 3 convolution without bias, of which a subnet uses the first outputs and inputs; channels last."""

    def __init__(self, inputs: int, outputs: int, name: str) -> None:
        super().__init__()
        self.name = name
        self.weight = nn.Parameter(torch.empty(outputs, inputs, KERNEL, KERNEL))

    def forward(self, x_TBHWC: Tensor, outputs: int) -> Tensor:
        x_BCHW = x_TBHWC.flatten(0, 1).permute(0, 3, 1, 2)
        weight = self.weight[:outputs, : x_BCHW.shape[1]]
        y_BCHW = functional.conv2d(x_BCHW, weight.contiguous(memory_format=torch.channels_last), padding=1)
        y_BHWC = y_BCHW.permute(0, 2, 3, 1)
        return y_BHWC.reshape(*x_TBHWC.shape[:2], *y_BHWC.shape[1:])


def _max_pool(x_TBHWC: Tensor) -> Tensor:
    pooled_BCHW = functional.max_pool2d(x_TBHWC.flatten(0, 1).permute(0, 3, 1, 2), 3, stride=2, padding=1)
    pooled_BHWC = pooled_BCHW.permute(0, 2, 3, 1)
    return pooled_BHWC.reshape(*x_TBHWC.shape[:2], *pooled_BHWC.shape[1:])


class PatchEmbed(nn.Module):
    """Spiking patch splitting (SPS): four convolutions, then the relative position embedding's, added to its input."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        self.stages: list[tuple[ElasticConvolution, ElasticBatchNorm]] = []
        inputs = shape.in_channels
        for name, outputs in zip(stem_names(), shape.stem_widths(shape.widest_dim), strict=True):
            self._add(name, inputs, outputs)
            inputs = outputs
        self._add("patch_embed.rpe_conv", inputs, inputs)

    def _add(self, name: str, inputs: int, outputs: int) -> None:
        convolution = ElasticConvolution(inputs, outputs, name)
        norm = ElasticBatchNorm(outputs, name.replace("conv", "bn"))
        for module in (convolution, norm):
            self.add_module(module.name.rpartition(".")[2], module)
        self.stages.append((convolution, norm))

    def forward(self, frames_TBHWC: Tensor, embed_dim: int, run: ForwardPass) -> Tensor:
        """Tokens (T, B, N, D), integers 0 to 2."""
        x = frames_TBHWC
        for stage, outputs in enumerate(self.shape.stem_widths(embed_dim), 1):
            x = self._convolve(x, self.stages[stage - 1], outputs, run)
            if stage in self.shape.pooled_stages:
                x = _max_pool(x)
        return (x + self._convolve(x, self.stages[-1], embed_dim, run)).flatten(2, 3)

    def _convolve(
        self, x_TBHWC: Tensor, stage: tuple[ElasticConvolution, ElasticBatchNorm], outputs: int, run: ForwardPass
    ) -> Tensor:
        convolution, norm = stage
        run.observer.reads(convolution.name, x_TBHWC.flatten(2, 3))
        y_TBHWC = convolution(x_TBHWC, outputs)
        spikes = run.normalise_and_fire(y_TBHWC.flatten(2, 3), norm, STEM_NEURON)
        return spikes.reshape(-1, *y_TBHWC.shape[1:])


class SpikingSelfAttention(nn.Module):
    """Spiking self-attention (SSA): q, k, v are spikes, there is no softmax."""

    def __init__(self, dim: int, prefix: str, scale: float) -> None:
        super().__init__()
        self.prefix, self.scale = prefix, scale
        for name in ("q", "k", "v", "proj"):
            self.add_module(f"{name}_linear", ElasticLinear(dim, dim, f"{prefix}.{name}_linear"))
            self.add_module(f"{name}_bn", ElasticBatchNorm(dim, f"{prefix}.{name}_bn"))

    def forward(self, x_TBND: Tensor, heads: int, neuron: Neuron, run: ForwardPass) -> Tensor:
        """Spikes (T, B, N, D); a residual sum is the caller's."""
        q, k, v = (_linear_spikes(self, name, x_TBND, x_TBND.shape[-1], neuron, run) for name in "qkv")
        run.observer.reads(f"{self.prefix}.q", q)
        run.observer.reads(f"{self.prefix}.v", v)
        mixed = attend(q, k, v, heads)
        behind_attention = Neuron(neuron.tau, ATTENTION_THRESHOLD)
        spikes = scale_and_fire(mixed.flatten(1, 2), self.scale, run.time_step, behind_attention, run.dynamics)
        spikes = spikes.view_as(mixed)
        run.observer.emits(f"{self.prefix}.attn", spikes)
        return _linear_spikes(self, "proj", spikes, x_TBND.shape[-1], neuron, run)


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Product of q, k^T and v for each head, in the cheaper order: exact for spikes, so the order cannot be seen.

    Shapes: all (T, B, N, D); the result is not scaled.
    """
    tokens, head_dim = q.shape[2], q.shape[3] // heads
    q, k, v = (x.unflatten(-1, (heads, head_dim)).transpose(2, 3) for x in (q, k, v))
    mixed = (q @ k.transpose(-2, -1)) @ v if tokens <= head_dim else q @ (k.transpose(-2, -1) @ v)
    return mixed.transpose(2, 3).flatten(3)


def _linear_spikes(
    module: nn.Module, name: str, x_TBND: Tensor, outputs: int, neuron: Neuron, run: ForwardPass
) -> Tensor:
    linear: ElasticLinear = module.get_submodule(f"{name}_linear")  # type: ignore[assignment]
    norm: ElasticBatchNorm = module.get_submodule(f"{name}_bn")  # type: ignore[assignment]
    run.observer.reads(linear.name, x_TBND)
    return run.normalise_and_fire(linear(x_TBND, outputs), norm, neuron)


class SpikingMLP(nn.Module):
    """Two linear layers, each followed by BatchNorm and LIF."""

    def __init__(self, dim: int, hidden: int, prefix: str) -> None:
        super().__init__()
        self.fc1_linear = ElasticLinear(dim, hidden, f"{prefix}.fc1_linear")
        self.fc1_bn = ElasticBatchNorm(hidden, f"{prefix}.fc1_bn")
        self.fc2_linear = ElasticLinear(hidden, dim, f"{prefix}.fc2_linear")
        self.fc2_bn = ElasticBatchNorm(dim, f"{prefix}.fc2_bn")

    def forward(self, x_TBND: Tensor, hidden: int, fc1: Neuron, fc2: Neuron, run: ForwardPass) -> Tensor:
        """Spikes (T, B, N, D); a residual sum is the caller's."""
        spikes = _linear_spikes(self, "fc1", x_TBND, hidden, fc1, run)
        return _linear_spikes(self, "fc2", spikes, x_TBND.shape[-1], fc2, run)


class EncoderBlock(nn.Module):
    """x <- x + attention(x); x <- x + MLP(x)."""

    def __init__(self, config: NetworkConfig, index: int) -> None:
        super().__init__()
        self.config, self.index = config, index
        dim = config.shape.widest_dim
        self.attn = SpikingSelfAttention(dim, f"block.{index}.attn", config.attention_scale)
        self.mlp = SpikingMLP(dim, int(dim * config.space.mlp_ratio[-1]), f"block.{index}.mlp")

    def forward(self, x_TBND: Tensor, subnet: Subnet, run: ForwardPass) -> Tensor:
        searched = Neuron(float(subnet.tau[self.index]), float(subnet.threshold[self.index]))
        others = searched if self.config.threshold_scope == "block" else Neuron(searched.tau, STEM_NEURON.threshold)
        heads = self.config.shape.num_heads(subnet, self.index)
        x_TBND = x_TBND + self.attn(x_TBND, heads, others, run)
        mixed: Tensor = self.mlp(x_TBND, subnet.hidden_dim(self.index), searched, others, run)
        return x_TBND + mixed


class Supernet(nn.Module):
    """Weights of all subnets; `supernet(frames, subnet)` is that subnet, and keeps nothing between calls.

    Subnets share weights by entanglement: the first channels, the first blocks (AutoFormer). Neurons have no weights:
    their threshold, decay and time step are the subnet's (alternate choice).
    """

    def __init__(self, config: NetworkConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = PatchEmbed(config.shape)
        self.block = nn.ModuleList(EncoderBlock(config, index) for index in range(config.space.depth[-1]))
        self.head = ElasticLinear(config.shape.widest_dim, config.shape.num_classes, "head")
        self._initialise(torch.Generator().manual_seed(seed))

    def _initialise(self, generator: torch.Generator) -> None:
        """Linear weights normal with deviation 0.02 cut at 2, convolutions uniform in +-1/sqrt(fan-in) (Spikformer)."""
        for module in self.modules():
            if isinstance(module, ElasticLinear):
                nn.init.trunc_normal_(module.weight, std=0.02, generator=generator)
            elif isinstance(module, ElasticConvolution):
                bound = (module.weight.shape[1] * KERNEL**2) ** -0.5
                nn.init.uniform_(module.weight, -bound, bound, generator=generator)

    def embed(self, frames_TBHWC: Tensor, subnet: Subnet, statistics: Statistics | None = None) -> Tensor:
        """Tokens (T, B, N, D) behind the stem."""
        run = ForwardPass(subnet.time_step, self.config.dynamics, statistics, Unobserved())
        tokens: Tensor = self.patch_embed(frames_TBHWC, subnet.embed_dim, run)
        return tokens

    def forward(
        self,
        frames_TBHWC: Tensor,
        subnet: Subnet,
        statistics: Statistics | None = None,
        observer: Observer | None = None,
    ) -> Tensor:
        """Logits (B, classes) of one subnet.

        frames: (1, B, H, W, C) for images, which are convolved once. statistics: where BatchNorm's moments come from;
        None is training: the batch's, with gradient, and the running statistics follow.
        """
        run = ForwardPass(subnet.time_step, self.config.dynamics, statistics, observer or Unobserved())
        x_TBND = self.patch_embed(frames_TBHWC, subnet.embed_dim, run)
        for block in self.block[: subnet.depth]:
            x_TBND = block(x_TBND, subnet, run)
        mean_BD = x_TBND.mean(2).mean(0)
        run.observer.reads("head", mean_BD[None, :, None])
        logits: Tensor = self.head(mean_BD, self.config.shape.num_classes)
        return logits
