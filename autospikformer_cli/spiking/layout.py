"""The shape of a Spikformer as values: its operations with their multiply-accumulates and parameters. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from autospikformer_cli.space import Subnet

Kind = Literal["convolution", "linear", "attention", "head"]
InputKind = Literal["real", "binary", "integer", "events"]
Order = Literal["qk_v", "q_kv"]

STEM_FRACTIONS = (8, 4, 2, 1)
"""The stem's four convolutions have 1/8, 1/4, 1/2 and all of the embedding dimension."""
KERNEL = 3
NEURON_LAYERS = 7
"""Of a block: q, k, v, behind attention, the projection, fc1, fc2."""


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """What the data set and the supernet fix: image side in pixels, channels, classes, the widest dimension.

    pooled_stages: which of the stem's stages 1 to 4 end in a 3 x 3 max-pool of stride 2, which halves the side.
    fixed_heads: the head count of every block where the subnet's own has no effect; None where it has.
    qkv_bias: whether q, k and v have biases. reads_events: frames are counts of events, one for each time step.
    network: "transformer" is the ANN of the same shape, whose layers all read real values once. neuron_params: learned
    numbers of one layer's neurons. stem_dim: what the stem's first three convolutions have an eighth, a quarter and a
    half of; 0 for widest_dim.
    """

    image_size: int
    in_channels: int
    num_classes: int
    widest_dim: int
    pooled_stages: tuple[int, ...] = (3, 4)
    fixed_heads: int | None = None
    qkv_bias: bool = True
    reads_events: bool = False
    network: Literal["spikformer", "transformer"] = "spikformer"
    neuron_params: int = 0
    stem_dim: int = 0

    def stage_size(self, stage: int) -> int:
        """Side of the feature map that stage 1 to 4 convolves, or that leaves the stem (stage 5), in positions."""
        size = self.image_size
        for _ in range(sum(pooled < stage for pooled in self.pooled_stages)):
            size = (size + 1) // 2
        return size

    @property
    def num_tokens(self) -> int:
        """Tokens that the encoder sees: positions of the embedding."""
        return self.stage_size(5) ** 2

    def num_heads(self, subnet: Subnet, block: int) -> int:
        """Heads that a block of a subnet computes with."""
        return subnet.num_heads[block] if self.fixed_heads is None else self.fixed_heads

    def stem_widths(self, embed_dim: int) -> tuple[int, int, int, int]:
        """Output channels of the four convolutions: only the last follows the subnet (weight entanglement)."""
        first, second, third, _ = ((self.stem_dim or self.widest_dim) // fraction for fraction in STEM_FRACTIONS)
        return first, second, third, embed_dim


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation that has multiply-accumulates.

    macs: of one time step and image. params: weights and biases, with those of the BatchNorm behind it.
    reads: the name under which its input is counted (a linear layer's own; the two attention products read q and v).
    """

    name: str
    kind: Kind
    macs: int
    params: int
    reads: str
    input_kind: InputKind


def even_frames(num_frames: int, time_step: int) -> list[int]:
    """Which of F frames the T time steps read, evenly: floor(t F / T).

    >>> even_frames(10, 4)
    [0, 2, 5, 7]
    """
    return [step * num_frames // time_step for step in range(time_step)]


def stem_names() -> tuple[str, ...]:
    """Names of the stem's four convolutions (Spikformer's state dict)."""
    return tuple(f"patch_embed.proj_conv{suffix}" for suffix in ("", "1", "2", "3"))


def _stem(shape: NetworkShape, subnet: Subnet) -> Iterator[Operation]:
    inputs = shape.in_channels
    for stage, (name, outputs) in enumerate(zip(stem_names(), shape.stem_widths(subnet.embed_dim), strict=True), 1):
        weights = inputs * outputs * KERNEL**2
        macs = weights * shape.stage_size(stage) ** 2
        first: InputKind = "events" if shape.reads_events else "real"
        yield Operation(name, "convolution", macs, weights + 2 * outputs, name, first if stage == 1 else "binary")
        inputs = outputs
    weights = subnet.embed_dim**2 * KERNEL**2
    name = "patch_embed.rpe_conv"
    yield Operation(name, "convolution", weights * shape.num_tokens, weights + 2 * subnet.embed_dim, name, "binary")


def _linear(name: str, inputs: int, outputs: int, tokens: int, input_kind: InputKind, bias: bool = True) -> Operation:
    weights = inputs * outputs
    return Operation(name, "linear", weights * tokens, weights + (2 + bias) * outputs, name, input_kind)


def _attention(prefix: str, tokens: int, dim: int, heads: int, order: Order) -> Iterator[Operation]:
    q, v = f"{prefix}.q", f"{prefix}.v"
    if order == "qk_v":
        products = (("q@k", q), ("(q@k)@v", v))
        macs = tokens**2 * dim
    else:
        products = (("k@v", v), ("q@(k@v)", q))
        macs = tokens * dim**2 // heads
    for product, reads in products:
        yield Operation(f"{prefix}.{product}", "attention", macs, 0, reads, "binary")


def operations(shape: NetworkShape, subnet: Subnet, order: Order = "qk_v") -> list[Operation]:
    """Every operation of a subnet, in the order of execution, the head last (names: Spikformer's state dict)."""
    dim, tokens = subnet.embed_dim, shape.num_tokens
    if shape.network == "transformer":
        order = "qk_v"  # softmax wants the whole product of q and k
    found = list(_stem(shape, subnet))
    for block in range(subnet.depth):
        attention, mlp = f"block.{block}.attn", f"block.{block}.mlp"
        hidden = subnet.hidden_dim(block)
        found += [_linear(f"{attention}.{x}_linear", dim, dim, tokens, "integer", shape.qkv_bias) for x in "qkv"]
        found += _attention(attention, tokens, dim, shape.num_heads(subnet, block), order)
        found.append(_linear(f"{attention}.proj_linear", dim, dim, tokens, "binary"))
        found.append(_linear(f"{mlp}.fc1_linear", dim, hidden, tokens, "integer"))
        found.append(_linear(f"{mlp}.fc2_linear", hidden, dim, tokens, "binary"))
    weights = dim * shape.num_classes
    found.append(Operation("head", "head", weights, weights + shape.num_classes, "head", "real"))
    return [replace(each, input_kind="real") for each in found] if shape.network == "transformer" else found


def num_params(shape: NetworkShape, subnet: Subnet) -> int:
    """Parameters of a subnet taken alone: weights, biases, BatchNorm's affine part, what neurons learn."""
    neuron_layers = len(STEM_FRACTIONS) + 1 + NEURON_LAYERS * subnet.depth
    return sum(operation.params for operation in operations(shape, subnet)) + shape.neuron_params * neuron_layers


def num_neurons(shape: NetworkShape, subnet: Subnet) -> int:
    """LIF neurons of a subnet; of the ANN, its activations."""
    widths = shape.stem_widths(subnet.embed_dim)
    stem = sum(width * shape.stage_size(stage) ** 2 for stage, width in enumerate(widths, 1))
    tokens, dim = shape.num_tokens, subnet.embed_dim
    blocks = sum(tokens * (6 * dim + subnet.hidden_dim(block)) for block in range(subnet.depth))
    return stem + tokens * dim + blocks
