"""Energy of memory traffic: the bits that an operation moves, in a machine that keeps an unfinished sum in a register.

Each operation reads an input once, and sends it to all sums that need it. For each accumulate or multiplication it
reads the stored factor: a weight, or the other factor of an attention product. At each time step a neuron's potential
is read and written, and its spike is written. Formulas and what they leave out: docs/energy.md.
"""

from __future__ import annotations

from autospikformer_cli.recipe.energy.models import Memory
from autospikformer_cli.spiking.layout import Operation


def spiking_traffic_energy(operation: Operation, executed: float, steps: int, updates: int, memory: Memory) -> float:
    """Energy of the bits that a spiking network's operation moves for one image, in the profile's unit.

    executed: its accumulates and multiplications. steps: how often it runs. updates: how often its neurons run.
    """
    stored = {"weights": memory.weight_bits, "spikes": 1, "sums": memory.potential_bits}[operation.stored]
    read = executed * stored + operation.inputs * steps * _input_bits(operation, memory)
    if not operation.fires:
        return _energy(read, operation.outputs * steps * memory.potential_bits, memory)
    neurons = operation.neurons
    written = neurons * updates * (memory.potential_bits + 1)
    read += neurons * updates * memory.potential_bits
    repeats = steps < updates
    # The current of the pixels is then stored once. The neurons read it at every step.
    read += repeats * neurons * updates * memory.potential_bits
    written += repeats * neurons * memory.potential_bits
    return _energy(read, written, memory)


def ann_traffic_energy(operation: Operation, macs: float, memory: Memory) -> float:
    """Energy of the bits that an ANN's operation moves for one image, in the profile's unit.

    It reads a weight for each multiplication and each input once, and writes each output once.
    """
    stored = memory.weight_bits if operation.stored == "weights" else memory.activation_bits
    read = macs * stored + operation.inputs * memory.activation_bits
    return _energy(read, operation.outputs * memory.activation_bits, memory)


def _energy(read: float, written: float, memory: Memory) -> float:
    return read * memory.read + written * memory.write


def _input_bits(operation: Operation, memory: Memory) -> int:
    """Bits of one input value: 1 for a spike, enough for the largest value of a sum, or those of a real value."""
    if operation.input_kind in ("binary", "integer"):
        return operation.largest_input.bit_length()
    return memory.activation_bits
