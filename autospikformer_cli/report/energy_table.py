"""Where the joules go: energy by layer, with subtotals of stem, blocks and head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from autospikformer_cli.energy.pricing import LayerEnergy, priced_energy
from autospikformer_cli.report.energy_layout import Group, SnugTable, groups_of, share_percent, short_count
from autospikformer_cli.report.tables import table_of
from autospikformer_cli.units import EnergyUnit, energy_unit, format_share


def energy_table(
    title: str, layers: Sequence[LayerEnergy], notes: Sequence[str] = (), unit: EnergyUnit | None = None
) -> Table:
    """Each operation with its MACs a step, rates, steps, SOPs, accumulates, multiplies, and joules of one image.

    Operations are in groups with subtotals; the total comes last. Memory and neurons have columns if a layer spends
    joules on them; the energy includes both. An operation without a figure in the profile has a dash. Sums include what
    of it is priced. unit: of all energies, by default chosen for this table. notes: printed under the table.
    """
    total = sum(layer.energy_j for layer in layers)
    sheet = _Sheet(
        unit or energy_unit([total]),
        total,
        any(layer.memory_j for layer in layers),
        any(layer.neurons_j for layer in layers),
    )
    table = table_of(SnugTable, title, "\n".join(notes) or None)
    table.add_column("Layer", overflow="fold")
    for head in sheet.heads():
        table.add_column_of_numbers(head)
    groups = groups_of([layer.name for layer in layers])
    for place, group in enumerate(groups):
        members = [layers[index] for index in group.places]
        for layer in members:
            table.add_row(layer.name, *sheet.line(layer))
        if group.name:
            table.add_row(f"{group.name} subtotal", *sheet.sums(members), style="italic")
        table.add_section()
        part = _part_that_ends(groups, place)
        if len(part) > 1:
            every = [layers[index] for each in part for index in each.places]
            table.add_row(f"{group.part} subtotal", *sheet.sums(every), style="italic")
            table.add_section()
    table.add_row("total", *sheet.sums(layers), style="bold")
    return table


def _part_that_ends(groups: Sequence[Group], place: int) -> list[Group]:
    """All groups of a part, if the group at this place is its last one; else none."""
    part = groups[place].part
    if not part or part in [group.part for group in groups[place + 1 :]]:
        return []
    return [group for group in groups if group.part == part]


@dataclass(frozen=True, slots=True)
class _Sheet:
    """The cells of an energy table. unit, total: of its energies. memory, neurons: whether it has these columns."""

    unit: EnergyUnit
    total: float
    memory: bool
    neurons: bool

    def heads(self) -> Iterator[str]:
        yield from ("MACs", "Input\nrate", "Non-\nzero", "T", "SOPs", "ACs", "MULs")
        if self.memory:
            yield f"Memory\n({self.unit.symbol})"
        if self.neurons:
            yield f"Neurons\n({self.unit.symbol})"
        yield from (f"Energy\n({self.unit.symbol})", "Share\n(%)")

    def line(self, layer: LayerEnergy) -> Iterator[str]:
        """The cells of one operation."""
        yield short_count(layer.macs)
        yield from (format_share(layer.input_rate), format_share(layer.nonzero_rate), str(layer.steps))
        yield from self._costs([layer])

    def sums(self, layers: Sequence[LayerEnergy]) -> Iterator[str]:
        """The cells of a sum of operations, without rates and steps."""
        yield short_count(round(sum(layer.step_macs for layer in layers)))
        yield from ("", "", "")
        yield from self._costs(layers)

    def _costs(self, layers: Sequence[LayerEnergy]) -> Iterator[str]:
        spiking = [layer.sops for layer in layers if layer.sops is not None]
        yield short_count(sum(spiking) if spiking else None)
        yield short_count(sum(layer.accumulates for layer in layers))
        yield short_count(sum(layer.multiplies for layer in layers))
        if self.memory:
            yield self.unit.number(sum(layer.memory_j for layer in layers))
        if self.neurons:
            yield self.unit.number(sum(layer.neurons_j for layer in layers))
        energy = priced_energy(layers)
        yield self.unit.number(energy)
        yield share_percent(energy, self.total)
