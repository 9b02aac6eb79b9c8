"""Where the joules go: energy by layer, with subtotals of stem, blocks and head."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

from rich.table import Table

from autospikformer_cli.report.tables import plain_table
from autospikformer_cli.report.units import ABSENT, EnergyUnit, energy_unit, format_count, format_share

PARTS = (("patch_embed", "stem"), ("block", "blocks"), ("head", "head"))
"""How the first word of a layer's name (Spikformer's state dict) says which part it belongs to."""


class LayerEnergy(Protocol):
    """One layer's costs: MACs of one step and image, mean input value (None: real inputs), SOPs, joules."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def macs(self) -> int: ...
    @property
    def input_rate(self) -> float | None: ...
    @property
    def sops(self) -> float | None: ...
    @property
    def energy_j(self) -> float: ...


def energy_table(
    title: str,
    layers: Sequence[LayerEnergy],
    unit: EnergyUnit | None = None,
    notes: Sequence[str] = (),
) -> Table:
    """Every layer with MACs, input rate, SOPs, energy and its share; subtotals by part, then the total."""
    total = sum(layer.energy_j for layer in layers)
    unit = unit or energy_unit([total])
    table = plain_table(title, "\n".join(notes) or None)
    table.add_column("Layer", no_wrap=True)
    table.add_column("Kind", no_wrap=True)
    for name in ("MACs", "Rate", "SOPs", f"Energy\n({unit.symbol})", "Share\n(%)"):
        table.add_column(name, justify="right", no_wrap=True)
    for part, members in groupby(layers, key=part_of):
        group = list(members)
        for layer in group:
            rate = format_share(layer.input_rate)
            table.add_row(layer.name, layer.kind, format_count(layer.macs), rate, *_costs([layer], total, unit))
        if len(group) > 1:
            table.add_row(part, "subtotal", _macs(group), "", *_costs(group, total, unit), style="italic")
        table.add_section()
    table.add_row("total", "", _macs(layers), "", *_costs(layers, total, unit), style="bold")
    return table


def part_of(layer: LayerEnergy) -> str:
    """The part of the network that a layer belongs to: stem, blocks or head; else the first word of its name."""
    word = layer.name.split(".", 1)[0]
    return dict(PARTS).get(word, word)


def _macs(layers: Sequence[LayerEnergy]) -> str:
    return format_count(sum(layer.macs for layer in layers))


def _costs(layers: Sequence[LayerEnergy], total: float, unit: EnergyUnit) -> tuple[str, str, str]:
    """SOPs, energy, share of the total."""
    counted = [layer.sops for layer in layers if layer.sops is not None]
    energy = sum(layer.energy_j for layer in layers)
    share = f"{100.0 * energy / total:.1f}" if total else ABSENT
    return format_count(sum(counted)) if counted else ABSENT, unit.number(energy), share
