"""The energies of many subnets by layer, under one rule after another: `energy.columns` prices all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from autospikformer_cli.energy.columns import Floats, SubnetColumns
from autospikformer_cli.energy.counts import OperationCounts, count_columns
from autospikformer_cli.energy.pricing import EnergyModel, LayerEnergy, Pricing
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe.energy.models import Convention, HardwareProfile
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import NetworkShape, Operation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[np.int64]

_MANY_SOPS = 1e9
"""Synaptic operations that a layer's price for one is computed from: their energy is far above that of all the rest."""


@dataclass(frozen=True)
class LayerPrices:
    """One row of a table of layers, for all subnets.

    sops: synaptic operations of each subnet; None if the layer has none. which: for each subnet, the place of its price
    in `prices`; -1 if it has no such layer. prices: (joules a synaptic operation, joules besides). energy_j: of each.
    """

    name: str
    kind: str
    sops: Floats | None
    which: Places
    prices: tuple[tuple[float, float], ...]
    energy_j: Floats


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
        self._measurements = measurements

    def under(self, convention: Convention, hardware: HardwareProfile) -> ManyPriced:
        """All of them under a convention and a profile. Raises MissingCounts if counts of one of them are missing."""
        energy = EnergyModel(self._shape, convention, hardware)
        energies, sops = np.empty(len(self._subnets)), np.empty(len(self._subnets))
        layers: dict[str, _Rows] = {}
        for places, genes, counts in self._groups:
            report, pricing = energy.report(genes, counts, 0), energy.pricing(genes)
            energies[places], sops[places] = report.energy_j, report.sops
            operations = {operation.name: operation for operation in energy.operations(genes)}
            for layer in report.layers:
                rows = layers.setdefault(layer.name, _Rows(len(self._subnets)))
                rows.add(places, layer, *_prices(pricing, operations.get(layer.name), layer))
        priced = tuple(rows.prices(name) for name, rows in layers.items())
        return ManyPriced(tuple(energies.tolist()), tuple(sops.tolist()), priced)

    @cached_property
    def _groups(self) -> list[tuple[Places, SubnetColumns, OperationCounts]]:
        """Subnets with the same layers: places, genes and counts. The deepest come first, as they have all layers."""
        depths = [subnet.depth for subnet in self._subnets]
        found = [
            (places, SubnetColumns.of([self._subnets[place] for place in places.tolist()]), counts)
            for places, counts in count_columns(self._measurements, depths)
        ]
        return sorted(found, key=lambda group: -group[1].depth)


class _Rows:
    """What one layer costs in each subnet, while it is put together."""

    def __init__(self, num: int) -> None:
        self._kind = ""
        self._sops: Floats | None = None
        self._energies = np.full(num, np.nan)
        self._which = np.full(num, -1, np.int64)
        self._prices: dict[tuple[float, float], int] = {}

    def add(self, places: Places, layer: LayerEnergy, each_j: float | Floats, besides_j: float | Floats) -> None:
        """The layer of the subnets at some places. each_j: joules of a synaptic operation. besides_j: all others."""
        self._kind = layer.kind
        self._energies[places] = layer.energy_j
        pairs = np.stack(np.broadcast_arrays(each_j, besides_j, self._energies[places])[:2], axis=1)
        distinct, which = np.unique(pairs, axis=0, return_inverse=True)
        numbers = [self._prices.setdefault((each, besides), len(self._prices)) for each, besides in distinct.tolist()]
        self._which[places] = np.array(numbers, np.int64)[which.reshape(-1)]
        if layer.sops is not None:
            if self._sops is None:
                self._sops = np.full(len(self._energies), np.nan)
            self._sops[places] = layer.sops

    def prices(self, name: str) -> LayerPrices:
        """The finished row."""
        return LayerPrices(name, self._kind, self._sops, self._which, tuple(self._prices), self._energies)


def _prices(pricing: Pricing, operation: Operation | None, layer: LayerEnergy) -> tuple[float | Floats, float | Floats]:
    """Joules of one of its synaptic operations, and joules besides: energy is linear in what a layer executes."""
    if layer.sops is None or operation is None:
        return 0.0, layer.energy_j
    besides = pricing.priced(operation, None, 0.0).energy_j
    return (pricing.priced(operation, None, _MANY_SOPS).energy_j - besides) / _MANY_SOPS, besides
