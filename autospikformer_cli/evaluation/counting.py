"""Exact counts of what a subnet's layers read and do and its neurons emit, gathered over batches."""

from __future__ import annotations

from collections.abc import Iterable

from autospikformer_cli.engine.tally import Integers, Synapses, Values
from autospikformer_cli.measurement import InputCount, SpikeCount, SynapseCount
from autospikformer_cli.spiking.layout import Operation


class Counter:
    """A tally that adds up by layer and time step, for one setting of neurons."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.macs = {operation.reads: operation.macs for operation in operations}
        self.sizes: dict[str, int] = {}
        self.values: dict[str, Values] = {}
        self.synapses: dict[str, Synapses] = {}
        self.spikes: dict[str, Integers] = {}
        self.neurons: dict[str, int] = {}

    def reads(self, layer: str, size: int, values: Values | None) -> None:
        """Add one layer's input."""
        self.sizes[layer] = self.sizes.get(layer, 0) + size
        if values is not None:
            before = self.values.get(layer, Values(0, 0))  # type: ignore[arg-type]
            self.values[layer] = Values(before.sums + values.sums, before.nonzeros + values.nonzeros)

    def executes(self, operation: str, synapses: Synapses) -> None:
        """Add what one operation did."""
        before = self.synapses.get(operation, Synapses(0, 0))  # type: ignore[arg-type]
        self.synapses[operation] = Synapses(before.events + synapses.events, before.passes + synapses.passes)

    def emits(self, layer: str, spikes_ST: Integers, neurons: int) -> None:
        """Add one layer's spikes."""
        (spikes_T,) = spikes_ST
        self.spikes[layer] = self.spikes.get(layer, 0) + spikes_T
        self.neurons[layer] = neurons

    def inputs(self) -> tuple[InputCount, ...]:
        """The counts of every layer's input, in the order of execution."""
        nothing = Values((), ())  # type: ignore[arg-type]
        return tuple(
            InputCount(
                layer=layer,
                sums=tuple(map(int, self.values.get(layer, nothing).sums)),
                nonzeros=tuple(map(int, self.values.get(layer, nothing).nonzeros)),
                size=self.sizes[layer],
                macs=macs,
            )
            for layer, macs in self.macs.items()
        )

    def executed(self) -> tuple[SynapseCount, ...]:
        """The synaptic events of every operation, in the order of execution."""
        return tuple(
            SynapseCount(operation, tuple(map(int, events)), tuple(map(int, passes)))
            for operation, (events, passes) in self.synapses.items()
        )

    def emitted(self) -> tuple[SpikeCount, ...]:
        """The spikes of every LIF layer, in the order of execution."""
        return tuple(SpikeCount(name, tuple(map(int, s)), self.neurons[name]) for name, s in self.spikes.items())
