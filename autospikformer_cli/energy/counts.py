"""What operations read and did for one image, from counts or from given rates."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.count_tables import INPUTS, SYNAPSES, Array, Count, CountTable, StoredCounts, quotients
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe.energy.models import Convention
from autospikformer_cli.spiking.layout import Operation

ROWS = 4096
"""Measurements in columns together at most: their columns stay in a processor's cache."""


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
        ((_, columns),) = count_columns([measurement])
        rates = {name: InputRate(_only(rate.mean), _only(rate.nonzero)) for name, rate in columns.rates.items()}
        return cls(rates, {name: SynapticWork(*map(_only, work)) for name, work in columns.work.items()})

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
        reading = [(each.step_inputs, self.rates[each.reads]) for each in spiking]
        elements = 1.0 * total(inputs for inputs, _ in reading)
        if not np.any(elements):
            return None
        mean = total(1.0 * inputs * rate.mean for inputs, rate in reading) / elements
        return InputRate(mean, total(1.0 * inputs * rate.nonzero for inputs, rate in reading) / elements)

    def exact(self, operation: Operation) -> SynapticWork:
        """The exact work of an operation. Raises MissingCounts if it was not counted."""
        if operation.name not in self.work:
            what = f'border = "exact" needs the synaptic events of {operation.name}, which were not counted'
            raise MissingCounts(what, "energy.border", "take another convention")
        return self.work[operation.name]


def total(values: Iterable[Any]) -> Any:
    """The sum of numbers or of columns, added one after the other; 0 for none.

    Since Python 3.12, `sum` corrects the rounding of floats, but not that of columns.
    """
    return reduce(add, values, 0)


def count_columns(
    measurements: Sequence[Measurement], keys: Sequence[Hashable] | None = None, *, with_work: bool = True
) -> Iterator[tuple[NDArray[np.int64], OperationCounts]]:
    """The counts of many measurements in groups with the same layers: each group's places, and its counts in columns.

    A column has a number for each measurement of the group, where the type says float: the same arithmetic holds for
    both. keys: what else must be equal in a group, for each measurement. with_work: whether exact work is needed, too.
    Raises ZeroDivisionError without an image.
    """
    for places in _by_table(measurements):
        part = [measurements[place] for place in places]
        inputs = CountTable.of(INPUTS, [each.inputs for each in part])
        synapses = CountTable.of(SYNAPSES, [each.synapses if with_work else () for each in part])
        images = np.array([each.images for each in part], np.int64)
        elements = inputs.products("size", inputs.num_steps)
        read = [_shares(inputs, field, elements) for field in ("sums", "nonzeros")]
        each_image = np.repeat(images, np.diff(synapses.bounds))
        done = [quotients(synapses.totals(field), each_image) for field in ("events", "passes")]
        own = [None] * len(part) if keys is None else [keys[place] for place in places]
        for rows in _grouped(list(zip(own, inputs.structures(), synapses.structures(), strict=True))):
            rates = {name: InputRate(*columns) for name, columns in _columns(inputs, read, rows, only_steps=True)}
            work = {name: SynapticWork(*columns) for name, columns in _columns(synapses, done, rows)}
            yield np.array(places, np.int64)[rows], OperationCounts(rates, work)


def _only(column: Any) -> float:
    """The number of a column that has one."""
    return float(column[0])


def _by_table(measurements: Sequence[Measurement]) -> Iterable[list[int]]:
    """Places of the measurements, those of one stored table together."""
    places: dict[tuple[int, ...], list[int]] = {}
    for place, each in enumerate(measurements):
        tables = tuple(id(of.table) if isinstance(of, StoredCounts) else 0 for of in (each.inputs, each.synapses))
        places.setdefault(tables, []).append(place)
    return places.values()


def _grouped(keys: Sequence[Hashable]) -> Iterator[list[int]]:
    groups: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    for rows in groups.values():
        yield from (rows[first : first + ROWS] for first in range(0, len(rows), ROWS))


def _shares(inputs: CountTable[Count], field: str, elements: Array) -> NDArray[np.float64]:
    """A total over the elements of all steps, by layer; what stands for layers without steps means nothing."""
    return quotients(inputs.totals(field), np.where(inputs.has_steps, elements, 1))


def _columns(
    table: CountTable[Count], values: Sequence[NDArray[np.float64]], rows: list[int], only_steps: bool = False
) -> Iterator[tuple[str, list[Any]]]:
    """Of each layer that measurements have in common its name, and columns of `values`, which are by layer."""
    begin = table.bounds[rows]
    first, end = table.bounds[rows[0] : rows[0] + 2].tolist()
    for place in range(end - first):
        if table.has_steps[first + place] or not only_steps:
            yield table.names[table.layers[first + place]], [column[begin + place] for column in values]
