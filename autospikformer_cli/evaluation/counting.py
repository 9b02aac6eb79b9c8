"""Adds up the exact counts of a subnet's layers over batches of images."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import torch
from torch import Tensor

from autospikformer_cli.engine.tally import StepCounts, Synapses, Values
from autospikformer_cli.measurement import InputCount, SpikeCount, SynapseCount
from autospikformer_cli.spiking.layout import Operation


class Counter:
    """A tally that adds up counts by layer and time step, for one setting of neurons."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.values: dict[str, Values] = {}
        self.synapses: dict[str, Synapses] = {}
        self.spikes: dict[str, StepCounts] = {}
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

    def emits(self, layer: str, spikes_ST: StepCounts, neurons: int) -> None:
        """Add one layer's spikes."""
        (spikes_T,) = spikes_ST
        self.spikes[layer] = self.spikes.get(layer, 0) + spikes_T
        self.neurons[layer] = neurons

    @classmethod
    def joined(cls, counters: Iterable[Counter]) -> Counter:
        """The counts of different layers together."""
        whole = cls()
        for counter in counters:
            for name, by_layer in vars(counter).items():
                vars(whole)[name].update(by_layer)
        return whole

    def on_host(self) -> Counter:
        """The same counts on the host. Those of a GPU come in one copy."""
        pairs = (self.values, self.synapses)
        counts = [*chain.from_iterable(chain.from_iterable(each.values()) for each in pairs), *self.spikes.values()]
        tensors = [each for each in counts if isinstance(each, Tensor)]
        if not tensors:
            return self
        taken = iter(torch.cat(tensors).cpu().split([len(each) for each in tensors]))
        host = Counter()
        host.sizes, host.neurons = self.sizes, self.neurons
        host.values = {layer: Values(next(taken).numpy(), next(taken).numpy()) for layer in self.values}
        host.synapses = {name: Synapses(next(taken).numpy(), next(taken).numpy()) for name in self.synapses}
        host.spikes = {layer: next(taken).numpy() for layer in self.spikes}
        return host

    def inputs(self, operations: Iterable[Operation], time_step: int) -> tuple[InputCount, ...]:
        """The counts of every layer's input in the first `time_step` steps, in execution order."""
        macs = {operation.reads: operation.macs for operation in operations}
        nothing = Values((), ())  # type: ignore[arg-type]
        return tuple(
            InputCount(
                layer=layer,
                sums=_whole(self.values.get(layer, nothing).sums, time_step),
                nonzeros=_whole(self.values.get(layer, nothing).nonzeros, time_step),
                size=self.sizes[layer],
                macs=macs[layer],
            )
            for layer in macs
        )

    def executed(self, time_step: int) -> tuple[SynapseCount, ...]:
        """The synaptic events of every operation in the first `time_step` steps, in execution order."""
        return tuple(
            SynapseCount(operation, _whole(events, time_step), _whole(passes, time_step))
            for operation, (events, passes) in self.synapses.items()
        )

    def emitted(self, time_step: int) -> tuple[SpikeCount, ...]:
        """The spikes of every LIF layer in the first `time_step` steps, in execution order."""
        return tuple(
            SpikeCount(name, _whole(spikes, time_step), self.neurons[name]) for name, spikes in self.spikes.items()
        )


def _whole(counts_T: Iterable[int], time_step: int) -> tuple[int, ...]:
    """The first steps' counts, as integers of Python."""
    return tuple(map(int, list(counts_T)[:time_step]))
