"""The supernet: entangled weights of every subnet of a space, and one forward pass for any of them.

Dimension legend: T time steps, B images, H W rows and columns, N tokens, D embedding dimension, C channels.
Parameters have the names of Spikformer's published state dict.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.elastic import ElasticConvolution, ElasticLinear
from autospikformer_cli.spiking.layout import KERNEL, NetworkShape, even_frames, stem_names
from autospikformer_cli.spiking.neuron import Dynamics, Neuron
from autospikformer_cli.spiking.neuron_kinds import LIFKind, NeuronKind
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm, Statistics
from autospikformer_cli.spiking.passes import (
    AnalogPass,
    Attention,
    ForwardPass,
    Layer,
    SpikingPass,
    multiply_heads,
    softmax_heads,
)
from autospikformer_cli.spiking.stages import Attend, Classify, Fire, Pool, Stage, State, Tokens

STEM_TAU = 2.0
"""tau of the stem's neurons, in time steps."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """What all subnets of a supernet share.

    threshold_scope: "block" gives a block's threshold to all its neurons except those after attention. "fc1" gives it
    to fc1's neurons only; the others have stem_threshold.
    attention_threshold: of the neurons after the attention product.
    neuron: class that makes the neurons of a layer.
    """

    shape: NetworkShape
    space: SearchSpace
    dynamics: Dynamics = Dynamics()
    threshold_scope: Literal["block", "fc1"] = "block"
    attention_scale: float = 0.125
    stem_threshold: float = 1.0
    attention_threshold: float = 0.5
    neuron: type[NeuronKind] = LIFKind

    def activation(self, layer: str) -> nn.Module:
        """What follows a layer: neurons; in the ANN ReLU (stem), GELU (fc1) or nothing."""
        if self.shape.network == "spikformer":
            return self.neuron(self.dynamics)
        return {"stem": nn.ReLU(), "fc1": nn.GELU()}.get(layer, nn.Identity())


class PatchEmbed(nn.Module):
    """Spiking patch splitting (SPS): four convolutions, then the relative position embedding's, added to its input."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.shape = shape = config.shape
        self.neuron = Neuron(STEM_TAU, config.stem_threshold)
        self.convolutions: list[Layer] = []
        widths = shape.stem_widths(shape.widest_dim)
        inputs = (shape.in_channels, *widths)
        names = (*stem_names(), "patch_embed.rpe_conv")
        for name, channels, outputs in zip(names, inputs, (*widths, shape.widest_dim), strict=True):
            convolution = ElasticConvolution(channels, outputs, name)
            norm = ElasticBatchNorm(outputs, name.replace("conv", "bn"), is_sliced=len(self.convolutions) >= 3)
            activation = config.activation("stem")
            for kind, module in (("conv", convolution), ("bn", norm), ("lif", activation)):
                self.add_module(name.rpartition(".")[2].replace("conv", kind), module)
            pooled = shape.pool == "before" and len(self.convolutions) + 1 in shape.pooled_stages
            self.convolutions.append(Layer(convolution, norm, activation, pooled))

    def stages(self, embed_dim: int) -> Iterator[Stage]:
        """Its stages. They end in tokens that are whole numbers 0 to 2."""
        for stage, outputs in enumerate(self.shape.stem_widths(embed_dim), 1):
            yield Fire((self.convolutions[stage - 1],), outputs, self.neuron, "stream")
            if stage in self.shape.pooled_stages and self.shape.pool == "after":
                yield Pool(stage)
        yield Fire((self.convolutions[-1],), embed_dim, self.neuron, "sum")
        yield Tokens()


class NormalisedLinear(nn.Module):
    """Linear layers, each followed by BatchNorm and neurons."""

    def __init__(self, config: NetworkConfig, prefix: str) -> None:
        super().__init__()
        self.config, self.prefix = config, prefix

    def add(self, name: str, inputs: int, outputs: int, bias: bool = True) -> None:
        """Add a layer under Spikformer's names: NAME_linear, NAME_bn, NAME_lif."""
        self.add_module(f"{name}_linear", ElasticLinear(inputs, outputs, f"{self.prefix}.{name}_linear", bias))
        self.add_module(f"{name}_bn", ElasticBatchNorm(outputs, f"{self.prefix}.{name}_bn"))
        self.add_module(f"{name}_lif", self.config.activation(name))

    def layer(self, name: str) -> Layer:
        """A layer with what follows it."""
        linear: ElasticLinear = self.get_submodule(f"{name}_linear")  # type: ignore[assignment]
        norm: ElasticBatchNorm = self.get_submodule(f"{name}_bn")  # type: ignore[assignment]
        return Layer(linear, norm, self.get_submodule(f"{name}_lif"))


class SpikingSelfAttention(NormalisedLinear):
    """Spiking self-attention (SSA): q, k and v are spikes. There is no softmax, except in the ANN."""

    def __init__(self, config: NetworkConfig, prefix: str) -> None:
        super().__init__(config, prefix)
        dim = config.shape.widest_dim
        for name in "qkv":
            self.add(name, dim, dim, config.shape.qkv_bias)
        self.add("proj", dim, dim)
        self.attn_lif = config.activation("attn")

    @property
    def attention(self) -> Attention:
        """The product, with what follows it."""
        return Attention(self.prefix, self, self.attn_lif)

    def stages(self, dim: int, heads: int, neuron: Neuron) -> Iterator[Stage]:
        """Its stages. The last adds its result to the stream."""
        yield Fire(tuple(self.layer(name) for name in "qkv"), dim, neuron, "branch")
        yield Attend(self.attention, heads, Neuron(neuron.tau, self.config.attention_threshold))
        yield Fire((self.layer("proj"),), dim, neuron, "sum")

    def forward(self, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        """The product of q, k and v by head, all (T, B, N, D)."""
        product = softmax_heads if self.config.shape.network == "transformer" else multiply_heads
        return product(q, k, v, heads)


class SpikingMLP(NormalisedLinear):
    """Two linear layers, each followed by BatchNorm and neurons."""

    def __init__(self, config: NetworkConfig, prefix: str) -> None:
        super().__init__(config, prefix)
        dim = config.shape.widest_dim
        hidden = int(dim * config.space.mlp_ratio[-1])
        self.add("fc1", dim, hidden)
        self.add("fc2", hidden, dim)

    def stages(self, dim: int, hidden: int, fc1: Neuron, fc2: Neuron) -> Iterator[Stage]:
        """Its stages. The last adds its result to the stream."""
        yield Fire((self.layer("fc1"),), hidden, fc1, "branch")
        yield Fire((self.layer("fc2"),), dim, fc2, "sum")


class EncoderBlock(nn.Module):
    """x <- x + attention(x); x <- x + MLP(x)."""

    def __init__(self, config: NetworkConfig, index: int) -> None:
        super().__init__()
        self.config, self.index = config, index
        self.attn = SpikingSelfAttention(config, f"block.{index}.attn")
        self.mlp = SpikingMLP(config, f"block.{index}.mlp")

    def stages(self, subnet: Subnet) -> Iterator[Stage]:
        """Its stages, for a subnet."""
        searched = Neuron(float(subnet.tau[self.index]), float(subnet.threshold[self.index]))
        ungoverned = Neuron(searched.tau, self.config.stem_threshold)
        others = searched if self.config.threshold_scope == "block" else ungoverned
        halves = subnet.halves(self.index)
        if "attention" in halves:
            heads = self.config.shape.num_heads(subnet, self.index)
            yield from self.attn.stages(subnet.embed_dim, heads, others)
        if "mlp" in halves:
            yield from self.mlp.stages(subnet.embed_dim, subnet.hidden_dim(self.index), searched, others)


class Supernet(nn.Module):
    """Weights of all subnets. `supernet(frames, subnet)` runs that subnet, and stores nothing between calls.

    Subnets share weights by entanglement: the first channels, the first blocks (AutoFormer). Neurons have no weights:
    their threshold, decay and time steps are the subnet's own (alternate choice).
    """

    def __init__(self, config: NetworkConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = PatchEmbed(config)
        self.block = nn.ModuleList(EncoderBlock(config, index) for index in range(config.space.depth[-1]))
        self.head = ElasticLinear(config.shape.widest_dim, config.shape.num_classes, "head")
        self._initialise(torch.Generator().manual_seed(seed))

    def _initialise(self, generator: torch.Generator) -> None:
        """Linear weights: normal, deviation 0.02, cut at 2. Convolutions: uniform in +-1/sqrt(fan-in) (Spikformer)."""
        for module in self.modules():
            if isinstance(module, ElasticLinear):
                nn.init.trunc_normal_(module.weight, std=0.02, generator=generator)
            elif isinstance(module, ElasticConvolution):
                bound = (module.weight.shape[1] * KERNEL**2) ** -0.5
                nn.init.uniform_(module.weight, -bound, bound, generator=generator)

    def not_finite(self) -> list[str]:
        """Names of the parameters and running statistics that have a number that is not finite."""
        numbers = {name: value for name, value in self.state_dict().items() if value.is_floating_point()}
        finite = torch.stack([value.isfinite().all() for value in numbers.values()]).cpu()  # one wait for a GPU
        return [name for name, whole in zip(numbers, finite.tolist(), strict=True) if not whole]

    def in_torch(
        self, subnet: Subnet, statistics: Statistics | None = None, half: torch.dtype | None = None
    ) -> SpikingPass | AnalogPass:
        """The dense forward pass of one subnet; see `forward`. half: the dtype of its weighted sums, if another."""
        if self.config.shape.network == "transformer":
            return AnalogPass(statistics, half=half)
        return SpikingPass(subnet.time_step, self.config.attention_scale, statistics, half=half)

    def stages(self, subnet: Subnet) -> Iterator[Stage]:
        """All stages of a subnet, from frames to logits."""
        yield from self.patch_embed.stages(subnet.embed_dim)
        yield from self.encoder_stages(subnet)

    def encoder_stages(self, subnet: Subnet) -> Iterator[Stage]:
        """The stages of a subnet after the stem, from tokens to logits."""
        for block in self.block[: subnet.depth]:
            yield from cast(EncoderBlock, block).stages(subnet)
        yield Classify(self.head, self.config.shape.num_classes, subnet.time_step)

    def read_frames(self, frames_FBHWC: Tensor, time_step: int) -> Tensor:
        """The frames that `time_step` steps read; frames as in `forward`."""
        if self.config.shape.network == "transformer":
            return frames_FBHWC.mean(0, keepdim=True)
        if len(frames_FBHWC) > 1 and len(frames_FBHWC) != time_step:
            return frames_FBHWC[even_frames(len(frames_FBHWC), time_step)]
        return frames_FBHWC

    def run(self, frames_FBHWC: Tensor, subnet: Subnet, run: ForwardPass) -> Tensor:
        """Logits (B, classes) of one subnet, executed by the given pass; frames as in `forward`."""
        state = State(self.read_frames(frames_FBHWC, subnet.time_step))
        for stage in self.stages(subnet):
            state = stage.run(state, run)
        return state.stream

    def forward(self, frames_FBHWC: Tensor, subnet: Subnet, statistics: Statistics | None = None) -> Tensor:
        """Logits (B, classes) of one subnet, in torch.

        frames: (1, B, H, W, C) for images, which are convolved once; (F, B, H, W, C) for events. A spiking subnet
        reads T of the F frames, evenly (`even_frames`); the ANN reads their mean.
        statistics: where BatchNorm gets its moments. None trains: it uses the batch's, with gradient, and updates the
        running statistics.
        """
        return self.run(frames_FBHWC, subnet, self.in_torch(subnet, statistics))
