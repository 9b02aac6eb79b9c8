"""Counts of many measurements in columns: for each measurement its layers, for each layer its time steps.

A search stores tens of counts by layer and time step for each of its candidates. As columns they are small and quickly
read, and arithmetic on all of them is one operation of numpy. `StoredCounts` shows one measurement's part of a column
table as the sequence of counts that `measurement.Measurement` has, and makes them when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.measurement import InputCount, SpikeCount, SynapseCount

Array = NDArray[Any]
"""Of whole numbers: of any width, which holds them."""
Integers = NDArray[np.int64]
Count = TypeVar("Count", bound=InputCount | SpikeCount | SynapseCount)

LARGEST_EXACT = 2**53
"""Whole numbers up to it are floats without rounding."""


@dataclass(frozen=True)
class CountKind(Generic[Count]):
    """One kind of counts. make: its class. by_step, by_layer: its fields in order, after the layer's name.

    by_step has a number for each time step, by_layer one. equal_lengths: the error for columns of steps that differ.
    """

    make: Callable[..., Count]
    name: str
    by_step: tuple[str, ...]
    by_layer: tuple[str, ...]
    equal_lengths: str = ""


INPUTS = CountKind(
    InputCount, "layer", ("sums", "nonzeros"), ("size", "macs"), "an InputCount has as many sums as non-zeros"
)
SPIKES = CountKind(SpikeCount, "layer", ("spikes",), ("neurons",))
SYNAPSES = CountKind(SynapseCount, "operation", ("events", "passes"), (), "a SynapseCount has as many events as passes")


@dataclass(frozen=True, eq=False)
class CountTable(Generic[Count]):
    """Counts of M measurements with E layers in all, in R rows, one for each layer and time step.

    names: of layers. layers (E): indices into names. bounds (M + 1): measurement m has the layers bounds[m] up to
    bounds[m + 1]. rows (E + 1): layer e has the rows rows[e] up to rows[e + 1]. has_steps (E): whether these are time
    steps; a layer without has one row, which does not count. by_step, by_layer: columns of R and of E numbers.
    """

    kind: CountKind[Count]
    names: Sequence[str]
    layers: Array
    bounds: Integers
    rows: Integers
    has_steps: NDArray[np.bool_]
    by_step: Mapping[str, Array]
    by_layer: Mapping[str, Array]
    _last: dict[int, tuple[Count, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, kind: CountKind[Count], measured: Sequence[Sequence[Count]]) -> CountTable[Count]:
        """The counts of some measurements: a sequence of each. Raises ValueError if numbers of steps differ."""
        stored: list[StoredCounts[Count]] = [each for each in measured if isinstance(each, StoredCounts)]
        if measured and len(stored) == len(measured) and all(each.table is stored[0].table for each in stored):
            return stored[0].table.taken(np.array([each.number for each in stored], np.int64))
        counts = [count for each in measured for count in each]
        names = {name: index for index, name in enumerate(dict.fromkeys(getattr(each, kind.name) for each in counts))}
        steps = {field: [getattr(each, field) for each in counts] for field in kind.by_step}
        lengths = {field: [len(values) for values in column] for field, column in steps.items()}
        first = lengths[kind.by_step[0]]
        if any(column != first for column in lengths.values()):
            raise ValueError(kind.equal_lengths)
        return cls(
            kind=kind,
            names=tuple(names),
            layers=_integers([names[getattr(each, kind.name)] for each in counts]),
            bounds=_ends([len(each) for each in measured]),
            rows=_ends([length or 1 for length in first]),
            has_steps=np.array(first, np.int64) > 0,
            by_step={field: _integers(chain.from_iterable(each or (0,) for each in steps[field])) for field in steps},
            by_layer={field: _integers([getattr(each, field) for each in counts]) for field in kind.by_layer},
        )

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def counts(self, number: int) -> tuple[Count, ...]:
        """Those of one measurement. The last answer is remembered, as several questions often follow each other."""
        if number not in self._last:
            made = self._made(number)
            self._last.clear()
            self._last[number] = made
        return self._last[number]

    def _made(self, number: int) -> tuple[Count, ...]:
        first, end = self.bounds[number : number + 2].tolist()
        rows = self.rows[first : end + 1].tolist()
        begin = rows[0] if rows else 0
        steps = [column[begin : rows[-1]].tolist() for column in self.by_step.values()]
        singles = [column[first:end].tolist() for column in self.by_layer.values()]
        heads = zip(self.layers[first:end].tolist(), self.has_steps[first:end].tolist(), rows, rows[1:], strict=False)
        return tuple(
            self.kind.make(
                self.names[layer],
                *(tuple(column[row - begin : last - begin]) if stepped else () for column in steps),
                *(column[place] for column in singles),
            )
            for place, (layer, stepped, row, last) in enumerate(heads)
        )

    def same(self, one: int, other: int) -> bool:
        """Whether two measurements of the table have equal counts."""
        layers, others = (slice(*self.bounds[each : each + 2].tolist()) for each in (one, other))
        first, second = (self.rows[each.start : each.stop + 1] for each in (layers, others))
        rows, other_rows = (slice(int(each[0]), int(each[-1])) for each in (first, second))
        by_layer = (self.layers, self.has_steps, *self.by_layer.values())
        return (
            layers.stop - layers.start == others.stop - others.start
            and (first - first[0]).tobytes() == (second - second[0]).tobytes()
            and all(column[layers].tobytes() == column[others].tobytes() for column in by_layer)
            and all(column[rows].tobytes() == column[other_rows].tobytes() for column in self.by_step.values())
        )

    def taken(self, numbers: Integers) -> CountTable[Count]:
        """The table of some of the measurements."""
        if np.array_equal(numbers, np.arange(len(self))):
            return self
        layers, bounds = _ranges(self.bounds, numbers)
        row_places, rows = _ranges(self.rows, layers)
        return CountTable(
            self.kind,
            self.names,
            self.layers[layers],
            bounds,
            rows,
            self.has_steps[layers],
            {field: column[row_places] for field, column in self.by_step.items()},
            {field: column[layers] for field, column in self.by_layer.items()},
        )

    def views(self) -> list[StoredCounts[Count]]:
        """The counts of each measurement."""
        return [StoredCounts(self, number) for number in range(len(self))]

    @property
    def names_in_use(self) -> list[str]:
        """The names of its layers, in the order of their first use."""
        used, first = np.unique(self.layers, return_index=True)
        return [self.names[layer] for layer in used[np.argsort(first)].tolist()]

    @property
    def num_steps(self) -> Integers:
        """Of each layer; 0 for one without time steps."""
        return np.where(self.has_steps, np.diff(self.rows), 0)

    def totals(self, field: str) -> Array:
        """The sum over time steps of each layer. Whole numbers of Python where 64 bits might not hold them exactly."""
        column = self.by_step[field]
        if not len(column):
            return column.astype(np.int64)
        largest = int(column.max()) * int(np.diff(self.rows).max())
        totals: Array = np.add.reduceat(column, self.rows[:-1], dtype=np.int64 if largest < LARGEST_EXACT else object)
        return totals

    def products(self, field: str, factors: Array) -> Array:
        """A number of each layer times another one, exactly as `totals`."""
        column = self.by_layer[field]
        largest = int(column.max(initial=0)) * int(factors.max(initial=0))
        found: Array = column.astype(np.int64 if largest < LARGEST_EXACT else object) * factors
        return found

    def structures(self) -> list[bytes]:
        """Of each measurement, which layers it has in which order, and which of them have steps: equal or not."""
        codes = 2 * self.layers.astype(np.int64) + self.has_steps
        bounds = self.bounds.tolist()
        return [codes[first:end].tobytes() for first, end in pairwise(bounds)]


class StoredCounts(Sequence[Count]):
    """The counts of one measurement of a table. It equals the tuple of them."""

    __slots__ = ("number", "table")

    def __init__(self, table: CountTable[Count], number: int) -> None:
        self.table, self.number = table, number

    def __len__(self) -> int:
        first, end = self.table.bounds[self.number : self.number + 2].tolist()
        return int(end - first)

    @overload
    def __getitem__(self, place: int) -> Count: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Count, ...]: ...
    def __getitem__(self, place: int | slice) -> Count | tuple[Count, ...]:
        return self.table.counts(self.number)[place]

    def __iter__(self) -> Iterator[Count]:
        return iter(self.table.counts(self.number))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, StoredCounts):
            if other.table is self.table:
                return other.number == self.number or self.table.same(self.number, other.number)
            return tuple(self) == tuple(other)
        return tuple(self) == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __reduce__(self) -> tuple[type[tuple[Count, ...]], tuple[tuple[Count, ...]]]:
        """Another process gets the counts of this measurement, and not the table."""
        return tuple, (tuple(self),)


def quotients(dividends: Array, divisors: Array) -> NDArray[np.float64]:
    """Whole numbers divided as Python divides them: rounded once, of any size. Raises ZeroDivisionError."""
    exact = all(int(each.max(initial=0)) < LARGEST_EXACT for each in (dividends, divisors))
    if not exact or not np.all(divisors):
        dividends, divisors = dividends.astype(object), divisors.astype(object)
    found: NDArray[np.float64] = np.asarray(dividends / divisors, np.float64)
    return found


def _integers(values: Any) -> Integers:
    return np.array(list(values), np.int64)


def _ends(lengths: Sequence[int]) -> Integers:
    """0, and where each of some ranges that follow each other ends."""
    return np.concatenate([[0], np.cumsum(_integers(lengths))]).astype(np.int64)


def _ranges(bounds: Integers, numbers: Integers) -> tuple[Integers, Integers]:
    """The places of some ranges one after the other, and the bounds that the ranges have there."""
    first, lengths = bounds[numbers], (bounds[1:] - bounds[:-1])[numbers]
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    places = np.arange(ends[-1]) + np.repeat(first - ends[:-1], lengths)
    return places, ends
