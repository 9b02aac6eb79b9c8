"""Translates names and shapes of published Spikformer state dicts into ours. Values only, no torch.

The model for CIFAR calls its linear layers `..._linear`, as we do. The models for ImageNet and for event cameras have
1 x 1 convolutions instead, `..._conv`. These are nn.Conv1d with weights (out, in, 1), but nn.Conv2d with
(out, in, 1, 1) in ImageNet's MLP. All models contain layers that their forward pass never calls.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

Shape = tuple[int, ...]

_WRAPPERS = ("module.", "_orig_mod.")
"""Prefixes that DataParallel and torch.compile put before every name."""
_POINTWISE = re.compile(r"(block\.\d+\.(?:attn\.(?:q|k|v|proj)|mlp\.fc[12]))_conv\.(weight|bias)")
_UNUSED = re.compile(r"norm\..+|block\.\d+\.norm[12]\..+|pos_embed")
_COUNTER = "num_batches_tracked"
_BLOCK = re.compile(r"block\.(\d+)\.")
_HIDDEN = re.compile(r"block\.\d+\.mlp\.fc1_linear\.weight")
_NEURON_WEIGHT = re.compile(r".+_lif\d*\.w")
_QKV_BIAS = re.compile(r"block\.\d+\.attn\.[qkv]_linear\.bias")


class Entry(NamedTuple):
    """A tensor of a file.

    source: its name in the file.
    shape: its shape in our network.
    """

    source: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Translation:
    """A state dict's tensors under our names, and those left out because no forward pass reads them."""

    entries: dict[str, Entry]
    left_out: tuple[str, ...]

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
    prefix = _wrapper(shapes)
    present = {name.removeprefix(prefix) for name in shapes}
    entries: dict[str, Entry] = {}
    left_out = []
    for source, shape in shapes.items():
        name = source.removeprefix(prefix)
        if _UNUSED.fullmatch(name):
            left_out.append(name)
        elif name.rpartition(".")[2] != _COUNTER:
            pointwise = _POINTWISE.fullmatch(name)
            ours = f"{pointwise[1]}_linear.{pointwise[2]}" if pointwise else name
            if ours == name or ours in present:
                entries[name] = Entry(source, shape)
            else:
                entries[ours] = Entry(source, shape[:2] if set(shape[2:]) == {1} else shape)
    return Translation(entries, tuple(left_out))


def _wrapper(names: Collection[str]) -> str:
    """The prefix of every name; empty if a name lacks it."""
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
