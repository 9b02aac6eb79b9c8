"""Estimates of the memory that a network needs, from its shape alone."""

from __future__ import annotations

from typing import NamedTuple

from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.layout import NetworkShape, num_neurons, num_params

NUMBERS_A_BYTE = 4
"""Of tokens, which are 0, 1 or 2."""
COPIES_OF_WEIGHTS = 4
"""Weight, gradient and AdamW's two moments."""
TENSORS_OF_A_NEURON = 3
"""Kept for the backward pass: current, spike, and on average one more (a sum, a pooled map, an operand)."""
TENSORS_OF_A_LAYER = 4
"""Alive at once in an evaluation, at most: input, its rearranged copy, current, spikes."""


class MemoryBudget(NamedTuple):
    """Bytes for what stems give, kept, and for spikes that wait."""

    stems: int
    waiting: int


def memory_budget(memory: int) -> MemoryBudget:
    """How the memory of an evaluation of many subnets is divided: less for spikes that wait costs it least."""
    waiting = memory // 5
    return MemoryBudget(memory - waiting, waiting)


def training_bytes(shape: NetworkShape, subnet: Subnet, batch: int, item_bytes: int) -> int:
    """Bytes of a training step of one subnet, the data set and the libraries aside."""
    weights = COPIES_OF_WEIGHTS * num_params(shape, subnet)
    return item_bytes * (weights + TENSORS_OF_A_NEURON * num_neurons(shape, subnet) * _steps(shape, subnet) * batch)


def evaluation_bytes(shape: NetworkShape, subnet: Subnet, images: int, item_bytes: int, spike_bytes: int) -> int:
    """Bytes of evaluating a subnet on so many images at once, the data set and the libraries aside.

    item_bytes: of a weight. spike_bytes: of a spike, as the engine holds it.
    """
    widths = shape.stem_widths(subnet.embed_dim)
    largest = max(width * shape.stage_size(stage) ** 2 for stage, width in enumerate(widths, 1))
    activations = TENSORS_OF_A_LAYER * largest * _steps(shape, subnet) * images
    return item_bytes * num_params(shape, subnet) + spike_bytes * activations


def stem_bytes(shape: NetworkShape, embed_dim: int, time_step: int, images: int, item_bytes: int) -> int:
    """Bytes of the tokens that a stem gives for so many images, as an evaluation keeps them: sums of spikes, packed."""
    numbers = shape.num_tokens * embed_dim
    if shape.network == "transformer":
        return item_bytes * numbers * images
    return images * time_step * -(-numbers // NUMBERS_A_BYTE)


def stems_bytes(shape: NetworkShape, space: SearchSpace, images: int, memory: int, item_bytes: int) -> int:
    """Bytes of the stems that a search of a space keeps within so much memory, or of the largest."""
    sizes = [stem_bytes(shape, dim, step, images, item_bytes) for dim in space.embed_dim for step in space.time_step]
    return min(sum(sizes), max(*sizes, memory))


def waiting_bytes(shape: NetworkShape, space: SearchSpace, subnets: int, images: int, spike_bytes: int) -> int:
    """Bytes, at most, of the spikes of all layers of the largest subnet, for each setting that so many subnets have."""
    settings, largest = min(len(space.tau) * len(space.threshold), subnets), space.largest()
    channels = sum(6 * largest.embed_dim + largest.hidden_dim(block) for block in range(largest.depth))
    return spike_bytes * settings * channels * shape.num_tokens * _steps(shape, largest) * images


def _steps(shape: NetworkShape, subnet: Subnet) -> int:
    return 1 if shape.network == "transformer" else subnet.time_step
