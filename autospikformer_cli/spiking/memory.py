"""Estimates of the memory that a network needs, from its shape alone."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.layout import NetworkShape, num_neurons, num_params, operations

NUMBERS_A_BYTE = 4
"""Tokens are 0, 1 or 2: two bits each."""
COPIES_OF_WEIGHTS = 4
"""Weight, gradient and AdamW's two moments."""
TENSORS_OF_A_NEURON = 3
"""Saved for the backward pass: current, spike, and on average one more (a sum, a pooled map, an operand)."""
TENSORS_OF_A_SEGMENT = 6
"""Alive at once in the backward pass of a segment whose activations are computed again: current, spike, the gradients
of both, and a pool's (`benchmarks/results/activation_checkpointing.md`)."""
TENSORS_OF_A_LAYER = 4
"""Alive at once in an evaluation, at most: input, its rearranged copy, current, spikes."""

ITEM_BYTES = {"float32": 4, "float64": 8}
"""Bytes of a number, by precision."""


class MemoryBudget(NamedTuple):
    """How an evaluation divides its memory.

    stems: bytes for cached outputs of stems.
    waiting: bytes for spikes that wait.
    """

    stems: int
    waiting: int


def memory_budget(memory: int) -> MemoryBudget:
    """Divide the memory of an evaluation of many subnets. Waiting spikes get less: that costs the least time."""
    waiting = memory // 5
    return MemoryBudget(memory - waiting, waiting)


def training_bytes(shape: NetworkShape, subnet: Subnet, batch: int, item_bytes: int) -> int:
    """Bytes of a training step of one subnet, without the data set and the libraries."""
    weights = COPIES_OF_WEIGHTS * num_params(shape, subnet)
    return item_bytes * (weights + TENSORS_OF_A_NEURON * num_neurons(shape, subnet) * _steps(shape, subnet) * batch)


def checkpointed_bytes(shape: NetworkShape, subnet: Subnet, batch: int, item_bytes: int) -> int:
    """The same with activation checkpointing: what the largest segment needs, and the stream before each segment.

    A segment is a layer of the stem, or a residual branch of a block.
    """
    neurons: Counter[str] = Counter()
    for each in operations(shape, subnet):
        neurons[each.name.rpartition(".")[0] if each.name.startswith("block") else each.name] += each.neurons
    widths = shape.stem_widths(subnet.embed_dim)
    streams = sum(width * shape.stage_size(stage) ** 2 for stage, width in enumerate(widths, 2))
    streams += 2 * subnet.depth * shape.num_tokens * subnet.embed_dim
    numbers = TENSORS_OF_A_SEGMENT * max(neurons.values()) + streams
    needed = item_bytes * (COPIES_OF_WEIGHTS * num_params(shape, subnet) + numbers * _steps(shape, subnet) * batch)
    return min(needed, training_bytes(shape, subnet, batch, item_bytes))


def evaluation_bytes(shape: NetworkShape, subnet: Subnet, images: int, item_bytes: int, spike_bytes: int) -> int:
    """Bytes of evaluating a subnet on n images at once, without the data set and the libraries.

    item_bytes: of a weight.
    spike_bytes: of a spike, as the engine stores it.
    """
    widths = shape.stem_widths(subnet.embed_dim)
    largest = max(width * shape.stage_size(stage) ** 2 for stage, width in enumerate(widths, 1))
    activations = TENSORS_OF_A_LAYER * largest * _steps(shape, subnet) * images
    return item_bytes * num_params(shape, subnet) + spike_bytes * activations


def stem_bytes(shape: NetworkShape, embed_dim: int, time_step: int, images: int, item_bytes: int) -> int:
    """Bytes of a stem's tokens of n images as an evaluation caches them: sums of spikes, packed."""
    numbers = shape.num_tokens * embed_dim
    if shape.network == "transformer":
        return item_bytes * numbers * images
    return images * time_step * -(-numbers // NUMBERS_A_BYTE)


def stems_bytes(shape: NetworkShape, space: SearchSpace, images: int, memory: int, item_bytes: int) -> int:
    """Bytes of the stems that a search of a space caches within its memory; at least the largest stem."""
    sizes = [stem_bytes(shape, dim, step, images, item_bytes) for dim in space.embed_dim for step in space.time_step]
    return min(sum(sizes), max(*sizes, memory))


def waiting_bytes(shape: NetworkShape, space: SearchSpace, subnets: int, images: int, spike_bytes: int) -> int:
    """Most bytes of spikes of all layers of the largest subnet, for every neuron setting that n subnets can have."""
    settings, largest = min(len(space.tau) * len(space.threshold), subnets), space.largest()
    channels = sum(6 * largest.embed_dim + largest.hidden_dim(block) for block in range(largest.depth))
    return spike_bytes * settings * channels * shape.num_tokens * _steps(shape, largest) * images


def _steps(shape: NetworkShape, subnet: Subnet) -> int:
    return 1 if shape.network == "transformer" else subnet.time_step
