"""What operations read and did for one image, from counts or from given rates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe.energy.models import Convention
from autospikformer_cli.spiking.layout import Operation


class MissingCounts(UserError):
    """A convention needs counts that were not made."""


@dataclass(frozen=True, slots=True)
class InputRate:
    """A layer's input over elements, images and time steps: its mean value, and the share of values that are not 0."""

    mean: float
    nonzero: float


class SynapticWork(NamedTuple):
    """Exact work for one image, over all time steps.

    events: each input value, times the number of outputs that it reaches. passes: weights visited, each value n once.
    """

    events: float
    passes: float


@dataclass(frozen=True, slots=True)
class OperationCounts:
    """Counts of a network. rates: by the name of an input. work: by the name of an operation; empty for given rates."""

    rates: Mapping[str, InputRate]
    work: Mapping[str, SynapticWork]

    @classmethod
    def of(cls, measurement: Measurement) -> OperationCounts:
        """From the exact counts of a measurement."""
        rates = {
            count.layer: InputRate(count.rate, sum(count.nonzeros) / (count.size * len(count.nonzeros)))
            for count in measurement.inputs
            if count.rate is not None
        }
        images = measurement.images
        work = {
            count.operation: SynapticWork(sum(count.events) / images, sum(count.passes) / images)
            for count in measurement.synapses
        }
        return cls(rates, work)

    @classmethod
    def given(cls, rates: Mapping[str, InputRate]) -> OperationCounts:
        """From rates only."""
        return cls(rates, {})

    def under(self, convention: Convention, operations: Sequence[Operation]) -> OperationCounts:
        """The counts that a convention uses: each operation's own, or the mean over the elements of all inputs."""
        if convention.rate == "layer":
            return self
        mean = self.mean(operations)
        return self if mean is None else OperationCounts(dict.fromkeys(self.rates, mean), {})

    def mean(self, operations: Iterable[Operation]) -> InputRate | None:
        """The mean over all elements that the operations read as spikes; None if none reads spikes."""
        spiking = [each for each in operations if each.input_kind != "real"]
        reading = [(each.inputs * each.runs_a_step, self.rates[each.reads]) for each in spiking]
        elements = float(sum(inputs for inputs, _ in reading))
        if not elements:
            return None
        mean = sum(float(inputs) * rate.mean for inputs, rate in reading) / elements
        return InputRate(mean, sum(float(inputs) * rate.nonzero for inputs, rate in reading) / elements)

    def exact(self, operation: Operation) -> SynapticWork:
        """The exact work of an operation. Raises MissingCounts if it was not counted."""
        if operation.name not in self.work:
            what = f'border = "exact" needs the synaptic events of {operation.name}, which were not counted'
            raise MissingCounts(what, "energy.border", "take another convention")
        return self.work[operation.name]
