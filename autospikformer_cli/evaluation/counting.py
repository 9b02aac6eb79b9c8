"""Exact counts of what a subnet's layers read and its neurons emit, gathered over batches."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import InputCount, SpikeCount
from autospikformer_cli.spiking.layout import Operation


def step_sums(x_TBPC: Tensor) -> Tensor:
    """Sum by time step of whole-number values, int64. Exact in float32 where an image's sum at a step is below 2^24."""
    return x_TBPC.flatten(2).sum(-1).to(torch.int64).sum(1)


class Counter:
    """An observer that adds up inputs and spikes by layer and time step.

    strange_neuron: the name of a plugin's neuron, whose spikes are then checked: what is not 0 or 1 cannot be counted.
    """

    def __init__(self, operations: Iterable[Operation], strange_neuron: str | None = None) -> None:
        self.strange_neuron = strange_neuron
        self.counted = {operation.reads: operation for operation in operations}
        self.sums: dict[str, Tensor] = {}
        self.nonzeros: dict[str, Tensor] = {}
        self.sizes: dict[str, int] = {}
        self.spikes: dict[str, Tensor] = {}
        self.neurons: dict[str, int] = {}

    def reads(self, name: str, x_TBPC: Tensor) -> None:
        """Add one layer's input."""
        operation = self.counted[name]
        self.sizes[name] = self.sizes.get(name, 0) + x_TBPC[0].numel()
        if operation.input_kind == "real":
            return
        sums = step_sums(x_TBPC.double() if operation.input_kind == "events" else x_TBPC)  # events know no limit
        nonzeros = sums if operation.input_kind == "binary" else (x_TBPC != 0).sum((1, 2, 3))
        self.sums[name] = self.sums.get(name, 0) + sums
        self.nonzeros[name] = self.nonzeros.get(name, 0) + nonzeros

    def emits(self, name: str, spikes_TBPC: Tensor) -> None:
        """Add one layer's spikes. Raises UserError for a plugin's that are none."""
        if self.strange_neuron is not None and not ((spikes_TBPC == 0) | (spikes_TBPC == 1)).all():
            raise UserError(
                f"the neuron {self.strange_neuron} emits other values than 0 and 1",
                "model.neuron",
                "choose another, or mend the plugin that adds it",
            )
        self.spikes[name] = self.spikes.get(name, 0) + step_sums(spikes_TBPC)
        self.neurons[name] = spikes_TBPC[0, 0].numel()

    def inputs(self) -> tuple[InputCount, ...]:
        """The counts of every layer's input, in the order of execution."""
        return tuple(
            InputCount(
                layer=name,
                sums=tuple(self.sums[name].tolist()) if name in self.sums else (),
                nonzeros=tuple(self.nonzeros[name].tolist()) if name in self.nonzeros else (),
                size=self.sizes[name],
                macs=operation.macs,
            )
            for name, operation in self.counted.items()
        )

    def emitted(self) -> tuple[SpikeCount, ...]:
        """The spikes of every LIF layer, in the order of execution."""
        return tuple(SpikeCount(name, tuple(s.tolist()), self.neurons[name]) for name, s in self.spikes.items())
