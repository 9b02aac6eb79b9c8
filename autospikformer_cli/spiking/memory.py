"""Estimates of the memory that a network needs, from its shape alone."""

from __future__ import annotations

from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import NetworkShape, num_neurons, num_params

COPIES_OF_WEIGHTS = 4
"""Weight, gradient and AdamW's two moments."""
TENSORS_OF_A_NEURON = 3
"""Kept for the backward pass: current, spike, and on average one more (a sum, a pooled map, an operand)."""
TENSORS_OF_A_LAYER = 4
"""Alive at once in an evaluation: input, its rearranged copy, current, spikes."""


def training_bytes(shape: NetworkShape, subnet: Subnet, batch: int, item_bytes: int) -> int:
    """Bytes of a training step of one subnet, the data set and the libraries aside."""
    weights = COPIES_OF_WEIGHTS * num_params(shape, subnet)
    return item_bytes * (weights + TENSORS_OF_A_NEURON * num_neurons(shape, subnet) * _steps(shape, subnet) * batch)


def evaluation_bytes(shape: NetworkShape, subnet: Subnet, images: int, item_bytes: int) -> int:
    """Bytes of evaluating a subnet on so many images at once, the data set and the libraries aside."""
    widths = shape.stem_widths(subnet.embed_dim)
    largest = max(width * shape.stage_size(stage) ** 2 for stage, width in enumerate(widths, 1))
    activations = TENSORS_OF_A_LAYER * largest * _steps(shape, subnet) * images
    return item_bytes * (num_params(shape, subnet) + activations)


def _steps(shape: NetworkShape, subnet: Subnet) -> int:
    return 1 if shape.network == "transformer" else subnet.time_step
