"""Memory traffic: which bits an operation moves, in a machine that keeps a sum in a register until it is whole.

An input is read once by each operation and sent to all the sums that need it; what it meets there, weights or the other
factor of an attention product, is read for every accumulate or multiplication. A neuron's potential is read and written
once a time step, its spike written. Formulas and what they leave out: docs/energy.md.
"""

from __future__ import annotations

from typing import NamedTuple

from autospikformer_cli.recipe.energy.models import Memory
from autospikformer_cli.spiking.layout import Operation


class Traffic(NamedTuple):
    """Bits read and written for one image, and their energy in the profile's unit."""

    read: float
    written: float
    energy: float


def _traffic(read: float, written: float, memory: Memory) -> Traffic:
    return Traffic(read, written, read * memory.read + written * memory.write)


def spiking_traffic(operation: Operation, executed: float, steps: int, time_step: int, memory: Memory) -> Traffic:
    """What an operation of a spiking network moves.

    executed: its accumulates and multiplications. steps: how often it runs. time_step: how often its neurons do.
    """
    stored = {"weights": memory.weight_bits, "spikes": 1, "sums": memory.potential_bits}[operation.stored]
    read = executed * stored + operation.inputs * steps * _input_bits(operation, memory)
    if not operation.fires:
        return _traffic(read, operation.outputs * steps * memory.potential_bits, memory)
    neurons = operation.outputs
    written = neurons * time_step * (memory.potential_bits + 1)
    read += neurons * time_step * memory.potential_bits
    if steps < time_step:
        # The current of the pixels is kept, and read by the neurons at every step.
        read += neurons * time_step * memory.potential_bits
        written += neurons * memory.potential_bits
    return _traffic(read, written, memory)


def ann_traffic(operation: Operation, macs: float, memory: Memory) -> Traffic:
    """What the operation of an ANN moves: weights for every multiplication, inputs once, outputs once."""
    stored = memory.weight_bits if operation.stored == "weights" else memory.activation_bits
    read = macs * stored + operation.inputs * memory.activation_bits
    return _traffic(read, operation.outputs * memory.activation_bits, memory)


def _input_bits(operation: Operation, memory: Memory) -> int:
    """Bits of one input value: a spike's one, as many as its largest value needs, or a real value's."""
    if operation.input_kind in ("binary", "integer"):
        return operation.largest_input.bit_length()
    return memory.activation_bits
