"""What operations read and did for one image: counted, or given as rates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe.energy.models import Convention
from autospikformer_cli.spiking.layout import Operation


class MissingCounts(UserError):
    """A convention needs counts that are not there."""


@dataclass(frozen=True, slots=True)
class InputRate:
    """A layer's input over elements, images and time steps: its mean value, and the share of values that are not 0."""

    mean: float
    nonzero: float


class SynapticWork(NamedTuple):
    """Of one image, over all time steps: events, each input value times the outputs that it reaches, and the weights
    visited, a value n once."""

    events: float
    passes: float


@dataclass(frozen=True, slots=True)
class OperationCounts:
    """Rates by the name of an input, exact work by the name of an operation; without work where rates were given."""

    rates: Mapping[str, InputRate]
    work: Mapping[str, SynapticWork]

    @classmethod
    def of(cls, measurement: Measurement) -> OperationCounts:
        """From exact counts over images."""
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
        """From rates alone."""
        return cls(rates, {})

    def under(self, convention: Convention, operations: Sequence[Operation]) -> OperationCounts:
        """The counts that a convention goes by: of each operation, or with the mean over all inputs' elements."""
        if convention.rate == "layer":
            return self
        mean = self.mean(operations)
        return self if mean is None else OperationCounts(dict.fromkeys(self.rates, mean), {})

    def mean(self, operations: Iterable[Operation]) -> InputRate | None:
        """The mean over all elements that some operations read as spikes; None where none does."""
        reading = [(each.inputs, self.rates[each.reads]) for each in operations if each.input_kind != "real"]
        elements = sum(inputs for inputs, _ in reading)
        if not elements:
            return None
        mean = sum(inputs * rate.mean for inputs, rate in reading) / elements
        return InputRate(mean, sum(inputs * rate.nonzero for inputs, rate in reading) / elements)

    def exact(self, operation: Operation) -> SynapticWork:
        """The exact work of an operation. Raises MissingCounts."""
        if operation.name not in self.work:
            what = f'border = "exact" needs the synaptic events of {operation.name}, which were not counted'
            raise MissingCounts(what, "energy.border", "take another convention")
        return self.work[operation.name]
