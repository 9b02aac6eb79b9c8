"""A subnet taken out of the supernet, with its own slices of the weights and its own BatchNorm statistics.

Dimension legend: F frames, B images, H W rows and columns, C channels, D embedding dimension.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

from torch import Tensor, nn

from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.elastic import ElasticConvolution, ElasticLinear
from autospikformer_cli.spiking.layout import NetworkShape, stem_names
from autospikformer_cli.spiking.normalisation import (
    ElasticBatchNorm,
    FoldedBatchNorm,
    Moments,
    RunningStatistics,
    Statistics,
)
from autospikformer_cli.spiking.supernet import Supernet

ExtractedLayer = ElasticConvolution | ElasticLinear


class ExtractedSubnet(Supernet):
    """One subnet as a network of its own: `network(x)` returns its logits. It shares no memory with the supernet.

    subnet: its genome.
    mean, std: of each channel. An image is read as (pixel / 255 - mean) / std, events as counts.
    Parameters have the names of Spikformer's published state dict. The stem's first three convolutions keep the
    supernet's width (weight entanglement). BatchNorm has fixed statistics, in train mode too. No gradient flows.
    """

    def __init__(
        self,
        supernet: Supernet,
        subnet: Subnet,
        statistics: Statistics,
        *,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        fold: bool = False,
    ) -> None:
        """Copy a subnet's slices.

        statistics: the subnet's running or recalibrated moments.
        fold: whether BatchNorm is folded into the weights.
        """
        nn.Module.__init__(self)
        self.config, self.subnet, self.mean, self.std = supernet.config, subnet, mean, std
        self.patch_embed = deepcopy(supernet.patch_embed)
        self.block = deepcopy(supernet.block[: subnet.depth])
        self.head = deepcopy(supernet.head)
        widths = layer_widths(self.config.shape, subnet)
        channels = {norm_after(name): outputs for name, (_, outputs) in widths.items()}
        for module in self.modules():
            if isinstance(module, ExtractedLayer):
                _slice_layer(module, *widths[module.name])
            elif isinstance(module, ElasticBatchNorm):
                _slice_norm(module, channels[module.name], statistics)
        if fold:
            self._fold()
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Logits (B, classes) of normalised images (B, C, H, W), or of counts of events (B, F, C, H, W).

        The subnet reads T of the F frames, evenly. Raises ValueError for another number of axes, and for F < T.
        """
        axes = 5 if self.config.shape.reads_events else 4
        if x.ndim != axes:
            raise ValueError(f"the input has {x.ndim} axes, this network reads {axes}: {self.input_axes}")
        if axes == 5 and x.shape[1] < self.subnet.time_step:
            steps = f"the subnet's {self.subnet.time_step} time steps read one each"
            raise ValueError(f"a recording of {x.shape[1]} frames is too short: {steps}")
        frames = x.permute(1, 0, 3, 4, 2) if axes == 5 else x.permute(0, 2, 3, 1)[None]
        return super().forward(frames.contiguous(), self.subnet, RunningStatistics())

    @property
    def input_axes(self) -> str:
        """The axes of its input, in words."""
        shape = self.config.shape
        sizes = f"{shape.in_channels}, {shape.image_size}, {shape.image_size}"
        return f"(batch, frames, {sizes})" if shape.reads_events else f"(batch, {sizes})"

    def _fold(self) -> None:
        layers = {norm_after(module.name): module for module in self.modules() if isinstance(module, ExtractedLayer)}
        norms = [module for module in self.modules() if isinstance(module, ElasticBatchNorm)]
        for norm in norms:
            _fold_into(layers[norm.name], norm)
        self.replace_norms({norm.name: FoldedBatchNorm(norm.name) for norm in norms})

    def replace_norms(self, others: Mapping[str, ElasticBatchNorm]) -> None:
        """Put others in the place of BatchNorms, by name."""
        for name, norm in others.items():
            self.set_submodule(name, norm)
        self.patch_embed.convolutions = [
            layer._replace(norm=others.get(layer.norm.name, layer.norm)) for layer in self.patch_embed.convolutions
        ]


def layer_widths(shape: NetworkShape, subnet: Subnet) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of every convolution and linear layer of a subnet, by name."""
    dim = subnet.embed_dim
    stem = shape.stem_widths(dim)
    widths = dict(zip(stem_names(), zip((shape.in_channels, *stem), stem, strict=False), strict=True))
    widths["patch_embed.rpe_conv"] = (dim, dim)
    for block in range(subnet.depth):
        hidden = subnet.hidden_dim(block)
        widths |= {f"block.{block}.attn.{name}_linear": (dim, dim) for name in ("q", "k", "v", "proj")}
        widths |= {f"block.{block}.mlp.fc1_linear": (dim, hidden), f"block.{block}.mlp.fc2_linear": (hidden, dim)}
    return widths | {"head": (dim, shape.num_classes)}


def norm_after(layer: str) -> str:
    """The name of the BatchNorm after a layer."""
    return layer.replace("conv", "bn").replace("linear", "bn")


def published_state(network: ExtractedSubnet) -> dict[str, Tensor]:
    """Its tensors, with the names and shapes of Spikformer's published checkpoints.

    Without q, k, v biases (for ImageNet and event cameras), Spikformer has 1 x 1 convolutions, `..._conv`, for linear
    layers. Their weights are (out, in, 1), but (out, in, 1, 1) in the MLP of the model for ImageNet.
    """
    state, shape = network.state_dict(), network.config.shape
    if shape.qkv_bias:
        return state

    def published(name: str, tensor: Tensor) -> Tensor:
        if not name.endswith("_linear.weight"):
            return tensor
        return tensor[..., None] if shape.reads_events or ".attn." in name else tensor[..., None, None]

    return {name.replace("_linear.", "_conv."): published(name, tensor) for name, tensor in state.items()}


def _slice_layer(layer: ExtractedLayer, inputs: int, outputs: int) -> None:
    layer.weight = _copied(layer.weight[:outputs, :inputs])
    if layer.bias is not None:
        layer.bias = _copied(layer.bias[:outputs])


def _slice_norm(norm: ElasticBatchNorm, channels: int, statistics: Statistics) -> None:
    """Keep the first channels, with the subnet's own moments instead of training's."""
    norm.weight, norm.bias = _copied(norm.weight[:channels]), _copied(norm.bias[:channels])
    moments = statistics.moments(norm, channels, _no_batch)
    norm.running_mean, norm.running_var = (moment.to(norm.weight).clone() for moment in moments)


def _no_batch() -> Moments:
    raise ValueError("an extracted subnet has statistics of its own, not those of a batch")


def _copied(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach().clone())


def _fold_into(layer: ExtractedLayer, norm: ElasticBatchNorm) -> None:
    """scale (W x + b) + shift = (scale W) x + (scale b + shift), computed in float64."""
    dtype, exact = layer.weight.dtype, deepcopy(norm).double()
    scale, shift = exact.scale_and_shift(exact.weight, RunningStatistics())
    bias = shift if layer.bias is None else layer.bias.double() * scale + shift
    weight = layer.weight.double() * scale.view(-1, *[1] * (layer.weight.ndim - 1))
    layer.weight, layer.bias = _copied(weight.to(dtype)), _copied(bias.to(dtype))
