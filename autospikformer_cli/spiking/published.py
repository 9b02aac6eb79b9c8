"""Translates names and shapes of published Spikformer state dicts into ours. Values only, no torch.

The model for CIFAR calls its linear layers `..._linear`, as we do. The models for ImageNet and for event cameras have
1 x 1 convolutions instead, `..._conv`. These are nn.Conv1d with weights (out, in, 1), but nn.Conv2d with
(out, in, 1, 1) in ImageNet's MLP. All models contain layers that their forward pass never calls.

SpikingJelly 2 has names of its own, and one convolution for q, k and v. It has no bias before a BatchNorm.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

Shape = tuple[int, ...]

_WRAPPERS = ("module.", "_orig_mod.", "model.", "net.")
"""Prefixes that DataParallel, torch.compile and Lightning put before every name."""
_STEM = re.compile(r"((?:\w+\.)*?)(?:patch_embed\d?|downsample1_1)\.")
"""The first layers of a spiking transformer, after the prefix of its wrappers."""
AVERAGED = re.compile(r"(?<![a-z])(?:ema|swa|shadow|averag\w*)(?![a-z])", re.IGNORECASE)
"""In the name of weights that are a mean over the training. They are read if there are no others."""
_POINTWISE = re.compile(r"(block\.\d+\.(?:attn\.(?:q|k|v|proj)|mlp\.fc[12]))_conv\.(weight|bias)")
_UNUSED = re.compile(r"norm\..+|block\.\d+\.norm[12]\..+|pos_embed|n_averaged|(?:.+\.)?total_(?:ops|params)")
"""What no forward pass reads. AveragedModel adds n_averaged, the counter thop adds total_ops and total_params."""
_COUNTER = "num_batches_tracked"
_BLOCK = re.compile(r"block\.(\d+)\.")
_HIDDEN = re.compile(r"block\.\d+\.mlp\.fc1_linear\.weight")
_NEURON_WEIGHT = re.compile(r".+_lif\d*\.w")
_QKV_BIAS = re.compile(r"block\.\d+\.attn\.[qkv]_linear\.bias")

_JELLY = re.compile(r"patch_embed\.stages\.0\.conv_bn\..+|blocks\.\d+\.attn\.qkv_conv_bn\..+")
_JELLY_STEM = re.compile(
    r"patch_embed\.(?:stages\.(\d)|positional_encoding)\.(?:conv_bn\.block\.(?:(0)|1)|(neuron))\.(\w+)"
)
_JELLY_LAYER = re.compile(r"blocks\.(\d+)\.(?:attn\.(qkv|proj)_conv_bn|mlp\.(fc[12]))\.(?:(0)|1)\.(\w+)")
_JELLY_NEURON = re.compile(r"blocks\.(\d+)\.(?:attn\.(qkv|attn|proj)_lif|mlp\.neuron([12]))\.(\w+)")
_JELLY_WITHOUT_BIAS = re.compile(r"(block\.\d+\.(?:attn\.proj|mlp\.fc[12])_linear\.)weight")


class Foreign(NamedTuple):
    """Another network, recognised by its names.

    sign: matches a name that only this network has.
    lacks: what it has that our network does not.
    """

    name: str
    sign: re.Pattern[str]
    lacks: str


FOREIGN = (
    Foreign(
        "QKFormer",
        re.compile(r"stage\d\.\d+\.(?:tssa|attn\.qk_conv_bn)\..+"),
        "it has stages of several widths with a patch embedding each, and attention of q and k without v",
    ),
    Foreign(
        "Spikingformer",
        re.compile(r"block\.\d+\.mlp\.mlp[12]_conv\..+"),
        "its neurons stand before its layers, so its residual sums are of currents, not of spikes",
    ),
    Foreign(
        "Spike-driven Transformer",
        re.compile(r"block\.\d+\.attn\.talking_heads\..+|patch_embed\.final_stage\..+"),
        "it multiplies k and v element by element, and its residual sums are of currents, not of spikes",
    ),
    Foreign(
        "Spike-driven Transformer V2",
        re.compile(r"downsample1_1\..+"),
        "its first stages are convolutional blocks, and its residual sums are of currents, not of spikes",
    ),
)
"""Spiking transformers that are no Spikformer. Names: their published code, and SpikingJelly 2."""


class Entry(NamedTuple):
    """A tensor of a file.

    source: its name in the file; "" for zeros, where the file has no bias.
    shape: its shape in our network.
    third: which third of the file's rows it is, 0 to 2; None for all.
    """

    source: str
    shape: Shape
    third: int | None = None


@dataclass(frozen=True, slots=True)
class Translation:
    """A state dict's tensors under our names, and those left out because no forward pass reads them.

    foreign: the other network that it is of, if it is known.
    is_spikingjelly: whether its names are those of SpikingJelly 2, whose Spikformer pools before its neurons.
    remarks: what else a user should know.
    """

    entries: dict[str, Entry]
    left_out: tuple[str, ...]
    foreign: Foreign | None = None
    is_spikingjelly: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def shapes(self) -> dict[str, Shape]:
        """Our names and shapes."""
        return {name: entry.shape for name, entry in self.entries.items()}


def translate(shapes: Mapping[str, Shape]) -> Translation:
    """Translate a state dict into our names. An unknown name stays as it is.

    BatchNorm's counters of batches are dropped, and not reported.

    >>> translate({"module.block.0.attn.q_conv.weight": (8, 8, 1)}).shapes
    {'block.0.attn.q_linear.weight': (8, 8)}
    """
    prefix, remarks = _wrapper(shapes)
    others = {found[1] for found in map(_STEM.match, shapes) if found} - {prefix}
    sources = {}
    left_out = []
    for source in shapes:
        name = source.removeprefix(prefix)
        outside = not source.startswith(prefix) or any(other and source.startswith(other) for other in others)
        if outside or _UNUSED.fullmatch(name):
            left_out.append(source if outside else name)
        elif name.rpartition(".")[2] != _COUNTER:
            sources[name] = source
    foreign = next((each for each in FOREIGN if any(map(each.sign.fullmatch, sources))), None)
    is_spikingjelly = foreign is None and any(map(_JELLY.fullmatch, sources))
    rename = _from_spikingjelly if is_spikingjelly else _from_published
    entries = rename({name: Entry(source, shapes[source]) for name, source in sources.items()})
    return Translation(entries, tuple(left_out), foreign, is_spikingjelly, remarks)


def _from_published(given: Mapping[str, Entry]) -> dict[str, Entry]:
    """Pointwise convolutions become linear layers."""
    entries: dict[str, Entry] = {}
    for name, entry in given.items():
        pointwise = _POINTWISE.fullmatch(name)
        ours = f"{pointwise[1]}_linear.{pointwise[2]}" if pointwise else name
        if ours == name or ours in given:
            entries[name] = entry
        else:
            entries[ours] = entry._replace(shape=_without_ones(entry.shape))
    return entries


def _without_ones(shape: Shape) -> Shape:
    """The shape of a linear layer's weight, of that of a 1 x 1 convolution."""
    return shape[:2] if set(shape[2:]) == {1} else shape


def _from_spikingjelly(given: Mapping[str, Entry]) -> dict[str, Entry]:
    """SpikingJelly's names become ours, its convolution of q, k and v three layers, its absent biases zeros."""
    entries: dict[str, Entry] = {}
    for name, entry in given.items():
        ours = _jelly_names(name)
        shape = _without_ones(entry.shape)
        if len(ours) == 3 and shape:
            shape = (shape[0] // 3, *shape[1:])
            entries |= {each: Entry(entry.source, shape, third) for third, each in enumerate(ours)}
        else:
            entries |= {each: Entry(entry.source, shape) for each in ours}
    weights = [found for found in map(_JELLY_WITHOUT_BIAS.fullmatch, list(entries)) if found]
    for weight in weights:
        entries.setdefault(f"{weight[1]}bias", Entry("", entries[weight[0]].shape[:1]))
    return entries


def _jelly_names(name: str) -> list[str]:
    """Our names of what a tensor of SpikingJelly's Spikformer holds: one; or three, of q, k and v.

    >>> _jelly_names("blocks.2.attn.qkv_conv_bn.1.bias")
    ['block.2.attn.q_bn.bias', 'block.2.attn.k_bn.bias', 'block.2.attn.v_bn.bias']
    """
    if found := _JELLY_STEM.fullmatch(name):
        stage, is_convolution, is_neuron, leaf = found.groups()
        kind = "conv" if is_convolution else "lif" if is_neuron else "bn"
        layer = f"rpe_{kind}" if stage is None else f"proj_{kind}{'' if stage == '0' else stage}"
        return [f"patch_embed.{layer}.{leaf}"]
    if found := _JELLY_LAYER.fullmatch(name):
        block, attention, mlp, is_linear, leaf = found.groups()
        kind = "linear" if is_linear else "bn"
    elif found := _JELLY_NEURON.fullmatch(name):
        block, attention, mlp, leaf = found.groups()
        mlp, kind = mlp and f"fc{mlp}", "lif"
    else:
        return [name]
    if mlp:
        return [f"block.{block}.mlp.{mlp}_{kind}.{leaf}"]
    layers = "qkv" if attention == "qkv" else [attention]
    return [f"block.{block}.attn.{layer}_{kind}.{leaf}" for layer in layers]


def _wrapper(names: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """The prefix of the network's names, and what a user should know of it. Averaged weights are the last choice."""
    stems = dict.fromkeys(found[1] for found in map(_STEM.match, names) if found)
    if not stems:
        return _common_wrapper(names), ()
    prefix, *others = sorted(
        stems, key=lambda stem: (AVERAGED.search(stem) is not None, bool(stem) and not stem.startswith(_WRAPPERS))
    )
    remarks = [f"the network {prefix}* is imported, {other}* is not" for other in others]
    if "n_averaged" in names or AVERAGED.search(prefix):
        remarks.append("its weights are averaged over the training; it has no others")
    return prefix, tuple(remarks)


def _common_wrapper(names: Collection[str]) -> str:
    """The usual prefixes that every name has; empty if a name lacks them."""
    prefix = ""
    while found := [
        wrapper for wrapper in _WRAPPERS if names and all(name.startswith(prefix + wrapper) for name in names)
    ]:
        prefix += found[0]
    return prefix


@dataclass(frozen=True, slots=True)
class Architecture:
    """What the shapes of a state dict say about its network. A field is None if its tensor is absent.

    stem_dim: twice the channels of the stem's third convolution.
    hidden_dims: sizes of the blocks' MLPs, ascending, each once.
    learnable_tau: whether neurons have a weight.
    """

    in_channels: int | None
    embed_dim: int | None
    stem_dim: int | None
    depth: int
    hidden_dims: tuple[int, ...]
    num_classes: int | None
    qkv_bias: bool
    learnable_tau: bool


def architecture(shapes: Mapping[str, Shape]) -> Architecture:
    """Read the architecture off a state dict in our names.

    >>> architecture({"block.3.attn.q_linear.weight": (384, 384), "head.weight": (10, 384)}).num_classes
    10
    """

    def size(name: str, axis: int) -> int | None:
        shape = shapes.get(name, ())
        return shape[axis] if axis < len(shape) else None

    blocks = {int(found[1]) for found in map(_BLOCK.match, shapes) if found}
    return Architecture(
        in_channels=size("patch_embed.proj_conv.weight", 1),
        embed_dim=size("patch_embed.proj_conv3.weight", 0),
        stem_dim=None if (half := size("patch_embed.proj_conv3.weight", 1)) is None else 2 * half,
        depth=max(blocks, default=-1) + 1,
        hidden_dims=tuple(sorted({shape[0] for name, shape in shapes.items() if shape and _HIDDEN.fullmatch(name)})),
        num_classes=size("head.weight", 0),
        qkv_bias=any(map(_QKV_BIAS.fullmatch, shapes)),
        learnable_tau=any(map(_NEURON_WEIGHT.fullmatch, shapes)),
    )
