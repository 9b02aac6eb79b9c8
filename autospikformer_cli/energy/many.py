"""The energies of many subnets at once: as `energy.pricing` prices one, to the last bit, and hundreds of times faster.

`Pricing` computes with whatever its counts are. So it gets columns, one number for each subnet that has an operation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from autospikformer_cli.energy.counts import InputRate, OperationCounts, SynapticWork
from autospikformer_cli.energy.pricing import LayerEnergy, Pricing
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe.energy.models import Convention, HardwareProfile
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import NetworkShape, Operation, Order, operations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[np.float64]
    Places = NDArray[np.int64]

_MANY_SOPS = 1e9
"""Synaptic operations that a layer's price for one is computed from: their energy is far above that of all the rest."""


@dataclass(frozen=True)
class _Member:
    """One operation of one size, in networks with time_step time steps. rows: the subnets that have it."""

    operation: Operation
    time_step: int
    rows: list[int]


@dataclass(frozen=True)
class LayerPrices:
    """One row of a table of layers, for all subnets.

    sops: synaptic operations of each subnet; None if the layer has none. which: for each subnet, the place of its price
    in `prices`; -1 if it has no such layer. prices: (joules a synaptic operation, joules besides). energy_j: of each.
    """

    name: str
    kind: str
    sops: Column | None
    which: Places
    prices: tuple[tuple[float, float], ...]
    energy_j: Column


@dataclass(frozen=True)
class ManyPriced:
    """What subnets cost, in their order: joules and synaptic operations of an image, and all rows of their layers."""

    energy_j: tuple[float, ...]
    sops: tuple[float, ...]
    layers: tuple[LayerPrices, ...]


class ManySubnets:
    """Subnets of one network shape, each with what it measured on at least one image."""

    def __init__(self, shape: NetworkShape, subnets: Sequence[Subnet], measurements: Sequence[Measurement]) -> None:
        self._shape = shape
        self._subnets = subnets
        self._counts = [OperationCounts.of(measurement) for measurement in measurements]
        self._known_means: dict[tuple[Order, bool], list[InputRate | None]] = {}
        self._grown: dict[Order, tuple[list[_Member], list[list[Operation]]]] = {}

    def under(self, convention: Convention, hardware: HardwareProfile) -> ManyPriced:
        """All of them under a convention and a profile. Raises MissingCounts if counts of one of them are missing."""
        members, listed = self._members(convention.order)
        means = self._means(convention, listed)
        layers: dict[str, _Rows] = {}
        for member in members:
            pricing = Pricing(convention, hardware, member.time_step)
            if pricing.counts(member.operation):
                found = list(pricing.with_norm(member.operation, self._counts_of(member, means)))
                for number, layer in enumerate(found):
                    rows = layers.setdefault(layer.name, _Rows(len(self._subnets)))
                    rows.add(member, layer, _price(pricing, member.operation, layer) if number == 0 else None)
        deepest = max(listed, key=len, default=[])
        names = [name for each in deepest for name in (each.name, each.norm) if name in layers]
        ordered = [layers[name].prices(name) for name in names]
        spiking = [each.sops for each in ordered if each.sops is not None]
        return ManyPriced(
            _sums([each.energy_j for each in ordered], len(self._subnets)),
            _sums(spiking, len(self._subnets)),
            tuple(ordered),
        )

    def _members(self, order: Order) -> tuple[list[_Member], list[list[Operation]]]:
        """Every operation with the subnets that have it, and each subnet's operations, without copies of equal ones."""
        if order not in self._grown:
            found: dict[tuple[Operation, int], _Member] = {}
            listed = []
            for row, subnet in enumerate(self._subnets):
                own = []
                for operation in operations(self._shape, subnet, order):
                    key = (operation, subnet.time_step)
                    member = found.get(key) or found.setdefault(key, _Member(*key, []))
                    member.rows.append(row)
                    own.append(member.operation)
                listed.append(own)
            self._grown[order] = (list(found.values()), listed)
        return self._grown[order]

    def _means(self, convention: Convention, listed: Sequence[Sequence[Operation]]) -> list[InputRate | None] | None:
        """Of each subnet, the mean over all its inputs, if the convention takes that."""
        if convention.rate != "mean":
            return None
        key = (convention.order, convention.head)
        if key not in self._known_means:
            self._known_means[key] = [
                counts.mean(each for each in own if convention.head or each.kind != "head")
                for counts, own in zip(self._counts, listed, strict=True)
            ]
        return self._known_means[key]

    @cached_property
    def _columns(self) -> tuple[Mapping[str, InputRate], Mapping[str, SynapticWork]]:
        """The counts of all subnets, by layer and by operation; nan for one that has no such count."""
        rates, work = ({name for each in self._counts for name in getattr(each, field)} for field in ("rates", "work"))
        absent_rate, absent_work = InputRate(np.nan, np.nan), SynapticWork(np.nan, np.nan)
        by_layer = {name: [each.rates.get(name, absent_rate) for each in self._counts] for name in rates}
        by_operation = {name: [each.work.get(name, absent_work) for each in self._counts] for name in work}
        return (
            {name: _rate([(each.mean, each.nonzero) for each in found]) for name, found in by_layer.items()},
            {name: SynapticWork(*_column(found)) for name, found in by_operation.items()},
        )

    def _counts_of(self, member: _Member, means: list[InputRate | None] | None) -> OperationCounts:
        """The counts that an operation reads, as columns of the subnets that have it."""
        rates, work = self._columns
        operation, rows = member.operation, member.rows
        of_one = means and [means[row] for row in rows]
        if of_one and all(each is not None for each in of_one):
            mean = _rate([(each.mean, each.nonzero) for each in of_one if each is not None])
            return OperationCounts(dict.fromkeys((operation.reads,), mean), {})
        own_rates, own_work = {}, {}
        if operation.reads in rates:
            rate = _rate_at(rates[operation.reads], rows)
            if not np.isnan(rate.mean).any():
                own_rates[operation.reads] = rate
        if operation.name in work:
            events, passes = (cast("Column", each)[rows] for each in work[operation.name])
            if not np.isnan(events).any():
                own_work[operation.name] = SynapticWork(cast("float", events), cast("float", passes))
        return OperationCounts(own_rates, own_work)


class _Rows:
    """What one layer costs in each subnet, while it is put together."""

    def __init__(self, num: int) -> None:
        self._kind = ""
        self._sops: Column | None = None
        self._energies = np.full(num, np.nan)
        self._which = np.full(num, -1, np.int64)
        self._prices: dict[tuple[float, float], int] = {}

    def add(self, member: _Member, layer: LayerEnergy, price: tuple[float, float] | None) -> None:
        """The layer as the subnets of a member have it. price: None if nothing in it depends on counts."""
        rows, self._kind = member.rows, layer.kind
        self._energies[rows] = layer.energy_j
        self._which[rows] = self._prices.setdefault(price or (0.0, layer.energy_j), len(self._prices))
        if layer.sops is not None:
            if self._sops is None:
                self._sops = np.full(len(self._energies), np.nan)
            self._sops[rows] = layer.sops

    def prices(self, name: str) -> LayerPrices:
        """The finished row."""
        return LayerPrices(name, self._kind, self._sops, self._which, tuple(self._prices), self._energies)


def _price(pricing: Pricing, operation: Operation, layer: LayerEnergy) -> tuple[float, float] | None:
    """Joules of one of its synaptic operations, and joules besides: energy is linear in what a layer executes."""
    if layer.sops is None:
        return None
    besides = pricing.priced(operation, None, 0.0).energy_j
    return (pricing.priced(operation, None, _MANY_SOPS).energy_j - besides) / _MANY_SOPS, besides


def _rate(pairs: Sequence[tuple[float, float]]) -> InputRate:
    mean, nonzero = _column(pairs)
    return InputRate(cast("float", mean), cast("float", nonzero))


def _rate_at(rate: InputRate, rows: Sequence[int]) -> InputRate:
    mean, nonzero = (cast("Column", each)[rows] for each in (rate.mean, rate.nonzero))
    return InputRate(cast("float", mean), cast("float", nonzero))


def _column(pairs: Sequence[tuple[float, float]]) -> Iterator[Any]:
    """The two columns of a list of pairs."""
    return iter(np.array(pairs, np.float64).reshape(-1, 2).T)


def _sums(columns: Sequence[Column], num: int) -> tuple[float, ...]:
    """The sum over the layers that each subnet has, added up in their order as `EnergyReport` does."""
    if not columns:
        return (0.0,) * num
    table = np.stack(columns, axis=1)
    return tuple(float(sum(value for value in row if value == value)) for row in table.tolist())
