"""The shape of a Spikformer as values: its operations, their multiply-accumulates and parameters. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, Protocol

from autospikformer_cli.errors import UserError
from autospikformer_cli.space import BlockHalf, Subnet

Kind = Literal["convolution", "linear", "attention", "head"]
InputKind = Literal["real", "binary", "integer", "events"]
Order = Literal["qk_v", "q_kv"]
Runs = Literal["step", "image", "repeated"]
Stored = Literal["weights", "spikes", "sums"]
PoolPlace = Literal["after", "before"]

STEM_FRACTIONS = (8, 4, 2, 1)
"""The stem's four convolutions have 1/8, 1/4, 1/2 and all of the embedding dimension."""
KERNEL = 3


class OperationGenes(Protocol):
    """The genes of a subnet that decide its operations. Of several subnets, they are columns: `energy.columns`."""

    @property
    def depth(self) -> int:
        """Number of encoder blocks."""

    @property
    def num_heads(self) -> tuple[int, ...]:
        """Heads of each block."""

    @property
    def time_step(self) -> int:
        """Number of time steps."""

    @property
    def embed_dim(self) -> int:
        """The embedding dimension."""

    def hidden_dim(self, block: int) -> int:
        """Hidden neurons of a block's MLP."""

    def present_halves(self) -> list[BlockHalf]:
        """The residual branches of all blocks, in the order that they run."""


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """What the data set and the supernet fix.

    image_size: side in pixels.
    widest_dim: the largest embedding dimension.
    pooled_stages: the stages 1 to 4 of the stem that end in a 3 x 3 max-pool of stride 2, which halves the side.
    fixed_heads: the head count of every block, instead of the subnet's; None for the subnet's own.
    qkv_bias: whether q, k and v have biases.
    reads_events: whether frames are counts of events, one frame for each time step.
    network: "transformer" is the ANN of the same shape; all its layers read real values once.
    neuron_params: learned numbers of one layer's neurons; None if its kind is not known here.
    stem_dim: the stem's first three convolutions have an eighth, a quarter and a half of it; 0 for widest_dim.
    pool: whether a max-pool reads spikes, after the neurons, or currents, before them.
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
    neuron_params: int | None = 0
    stem_dim: int = 0
    pool: PoolPlace = "after"

    def stage_size(self, stage: int) -> int:
        """Side, in positions, of the feature map that stage 1 to 4 convolves; stage 5 is what leaves the stem."""
        size = self.image_size
        for _ in range(sum(pooled < stage for pooled in self.pooled_stages)):
            size = (size + 1) // 2
        return size

    def neuron_size(self, stage: int) -> int:
        """Side, in neurons, of the map that fires after convolution 1 to 4; 5 is the position embedding's."""
        return self.stage_size(stage + 1 if self.pool == "before" else stage)

    @property
    def num_tokens(self) -> int:
        """Tokens that the encoder reads: positions of the stem's last map."""
        return self.stage_size(5) ** 2

    def num_heads(self, subnet: OperationGenes, block: int) -> int:
        """Heads of one block of a subnet."""
        return subnet.num_heads[block] if self.fixed_heads is None else self.fixed_heads

    def stem_widths(self, embed_dim: int) -> tuple[int, int, int, int]:
        """Output channels of the four convolutions. Only the last follows the subnet (weight entanglement)."""
        first, second, third, _ = ((self.stem_dim or self.widest_dim) // fraction for fraction in STEM_FRACTIONS)
        return first, second, third, embed_dim


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation with multiply-accumulates (MACs).

    macs: of one time step and image.
    reached_macs: macs without those at a convolution's border that multiply padding.
    params: weights and biases, with those of the BatchNorm after it.
    reads: the name under which its input is counted: a layer's own, or q and v for the two attention products.
    inputs, outputs: elements of one time step and image.
    runs: at every time step, once an image, or "repeated": at every step on the same values.
    largest_input: of inputs that are whole numbers.
    stored: what the input meets: weights, or the spikes or sums of an attention product's other factor.
    norm: the BatchNorm after it; "" for none.
    fires: whether its outputs feed neurons.
    pooled_outputs: the outputs that a max-pool before the neurons leaves; None for no such pool.
    analog: whether it belongs to an ANN, whose neurons have no potential.
    runs_a_step: how often it runs in a time step, on average. It is 1, unless the same layer is another operation at
        other time steps, on another kind of input.
    """

    name: str
    kind: Kind
    macs: int
    reached_macs: int
    params: int
    reads: str
    input_kind: InputKind
    inputs: int
    outputs: int
    runs: Runs = "step"
    largest_input: int = 1
    stored: Stored = "weights"
    norm: str = ""
    fires: bool = True
    analog: bool = False
    runs_a_step: Fraction = Fraction(1)
    pooled_outputs: int | None = None

    @property
    def step_inputs(self) -> int | Fraction:
        """Elements of an average time step and image."""
        return self.inputs if self.runs_a_step == 1 else self.inputs * self.runs_a_step

    @property
    def neurons(self) -> int:
        """Neurons that its outputs feed."""
        if not self.fires:
            return 0
        return self.outputs if self.pooled_outputs is None else self.pooled_outputs


def even_frames(num_frames: int, time_step: int) -> list[int]:
    """Which of F frames the T time steps read, evenly: floor(t F / T).

    >>> even_frames(10, 4)
    [0, 2, 5, 7]
    """
    return [step * num_frames // time_step for step in range(time_step)]


def stem_names() -> tuple[str, ...]:
    """Names of the stem's four convolutions (Spikformer's state dict)."""
    return tuple(f"patch_embed.proj_conv{suffix}" for suffix in ("", "1", "2", "3"))


def norm_name(operation: str) -> str:
    """The BatchNorm after a convolution or linear layer (Spikformer's state dict).

    >>> norm_name("patch_embed.proj_conv1")
    'patch_embed.proj_bn1'
    """
    return operation.replace("_conv", "_bn").replace("_linear", "_bn")


def _stem(shape: NetworkShape, subnet: OperationGenes) -> Iterator[Operation]:
    names = (*stem_names(), "patch_embed.rpe_conv")
    widths = (*shape.stem_widths(subnet.embed_dim), subnet.embed_dim)
    inputs = shape.in_channels
    for stage, (name, outputs) in enumerate(zip(names, widths, strict=True), 1):
        side = shape.stage_size(stage)
        weights = inputs * outputs * KERNEL**2
        first = stage == 1
        yield Operation(
            name,
            "convolution",
            macs=weights * side**2,
            # Along a side of n positions, 3 taps read 3 n - 2 inputs: one at each end would be padding.
            reached_macs=inputs * outputs * (KERNEL * side - 2) ** 2,
            params=weights + 2 * outputs,
            reads=name,
            input_kind=("events" if shape.reads_events else "real") if first else "binary",
            inputs=inputs * side**2,
            outputs=outputs * side**2,
            runs="repeated" if first and not shape.reads_events else "step",
            norm=norm_name(name),
            pooled_outputs=outputs * shape.neuron_size(stage) ** 2 if shape.pool == "before" else None,
        )
        inputs = outputs


def _linear(name: str, inputs: int, outputs: int, tokens: int, largest_input: int = 1, bias: bool = True) -> Operation:
    weights = inputs * outputs
    return Operation(
        name,
        "linear",
        macs=weights * tokens,
        reached_macs=weights * tokens,
        params=weights + (2 + bias) * outputs,
        reads=name,
        input_kind="binary" if largest_input == 1 else "integer",
        inputs=inputs * tokens,
        outputs=outputs * tokens,
        largest_input=largest_input,
        norm=norm_name(name),
    )


def _attention(prefix: str, tokens: int, dim: int, heads: int, order: Order) -> Iterator[Operation]:
    q, v = f"{prefix}.q", f"{prefix}.v"
    products: tuple[tuple[str, str, Stored, int], ...]
    if order == "qk_v":
        products = (("q@k", q, "spikes", heads * tokens**2), ("(q@k)@v", v, "sums", tokens * dim))
        macs = tokens**2 * dim
    else:
        products = (("k@v", v, "spikes", dim**2 // heads), ("q@(k@v)", q, "sums", tokens * dim))
        macs = tokens * dim**2 // heads
    for product, reads, stored, outputs in products:
        yield Operation(
            f"{prefix}.{product}",
            "attention",
            macs,
            macs,
            params=0,
            reads=reads,
            input_kind="binary",
            inputs=tokens * dim,
            outputs=outputs,
            stored=stored,
            fires=stored == "sums",
        )


def operations(shape: NetworkShape, subnet: OperationGenes, order: Order = "qk_v") -> list[Operation]:
    """All operations of a subnet in execution order, the head last. Names are those of Spikformer's state dict."""
    dim, tokens = subnet.embed_dim, shape.num_tokens
    if shape.network == "transformer":
        order = "qk_v"  # softmax needs the whole product of q and k
    found = list(_stem(shape, subnet))
    embedded = 2  # the largest value of the stream: the embedding is a sum of two spikes, and each half adds one
    for block, half in subnet.present_halves():
        if half == "attention":
            attention = f"block.{block}.attn"
            found += [_linear(f"{attention}.{x}_linear", dim, dim, tokens, embedded, shape.qkv_bias) for x in "qkv"]
            found += _attention(attention, tokens, dim, shape.num_heads(subnet, block), order)
            found.append(_linear(f"{attention}.proj_linear", dim, dim, tokens))
        else:
            mlp, hidden = f"block.{block}.mlp", subnet.hidden_dim(block)
            found.append(_linear(f"{mlp}.fc1_linear", dim, hidden, tokens, embedded))
            found.append(_linear(f"{mlp}.fc2_linear", hidden, dim, tokens))
        embedded += 1
    classes = shape.num_classes
    weights = dim * classes
    head = Operation(
        "head", "head", weights, weights, weights + classes, "head", "real", dim, classes, runs="image", fires=False
    )
    found.append(head)
    if shape.network == "transformer":
        return [replace(each, input_kind="real", runs="image", analog=True) for each in found]
    return found


def firing_names(found: Iterable[Operation]) -> dict[str, str]:
    """The name under which stores count a layer's spikes -> the name of the operation that feeds its neurons.

    Spikes are counted after a BatchNorm, or after both attention products. Tables, charts and documents have the
    operation's name.

    >>> firing_names([_linear("block.0.mlp.fc1_linear", 4, 8, 16)])
    {'block.0.mlp.fc1_bn': 'block.0.mlp.fc1_linear'}
    """
    return {each.norm or f"{each.name.rpartition('.')[0]}.attn": each.name for each in found if each.fires}


def num_params(shape: NetworkShape, subnet: Subnet) -> int:
    """Parameters of a subnet alone: weights, biases, BatchNorm's affine part, and what neurons learn.

    Raises UserError if the kind of its neurons is not known here.
    """
    if shape.neuron_params is None:
        what = "the parameters of the run's neurons are not known here"
        raise UserError(what, "model.neuron", "install the plugin that gives them")
    counted = operations(shape, subnet)
    return sum(each.params + each.fires * shape.neuron_params for each in counted)


def num_neurons(shape: NetworkShape, subnet: Subnet) -> int:
    """LIF neurons of a subnet; for the ANN, its activations."""
    return sum(operation.neurons for operation in operations(shape, subnet))
