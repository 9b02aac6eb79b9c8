"""Tables that compare a network's energy: with the ANN of the same shape, and under other conventions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

from rich.table import Table

from autospikformer_cli.energy.comparison import Comparison, LayerComparison
from autospikformer_cli.energy.pricing import EnergyReport, priced_energy
from autospikformer_cli.energy.results import ConventionRow
from autospikformer_cli.report.energy_layout import (
    PARTS,
    SnugTable,
    finer_unit,
    groups_of,
    is_spikformer,
    part_of,
    short_count,
    times,
)
from autospikformer_cli.report.tables import table_of
from autospikformer_cli.units import ABSENT, EnergyUnit, format_energy, format_share


def ann_table(title: str, comparison: Comparison, notes: Sequence[str] = (), paper_ann_j: float | None = None) -> Table:
    """Each operation as spiking and as ANN, the total, then each way to run the network, and the paper's figure.

    All energies have one unit. A dash: the profile has no figure. notes: printed under the table. paper_ann_j: the
    paper's energy of the ANN, in joules.
    """
    whole = comparison
    ways: list[tuple[str, int, float | None]] = [
        ("spiking", 0, whole.energy_j),
        ("spiking, 8-bit weights", 0, whole.energy_int8_j),
        ("ANN (Equation 4)", 1, whole.ann_j),
        ("ANN, 8 bits", 2, whole.ann_int8_j),
    ]
    if paper_ann_j is not None:
        ways.append(("ANN, as the paper prints", 1, paper_ann_j))
    unit = finer_unit(energy for _, _, energy in ways if energy is not None)
    legend = "× spiking: the ANN's energy, or the line's, as a multiple of the spiking network's"
    total = "total: the input rate is the mean weighted by cost; below break-even, spikes cost less than the ANN"
    shown = [legend, *([total] if whole.weighted_rate is not None else []), *notes]
    table = table_of(SnugTable, title, "\n".join(shown))
    table.add_column("Layer", overflow="fold")
    for head in (
        "Input\nrate",
        "Break-\neven",
        *(f"{name}\n({unit.symbol})" for name in ("Spiking", "ANN", "ANN 8-bit")),
    ):
        table.add_column_of_numbers(head)
    table.add_column_of_numbers("×\nspiking")
    for group in groups_of([layer.name for layer in whole.layers]):
        for place in group.places:
            table.add_row(whole.layers[place].name, *_layer_cells(whole.layers[place], unit))
        table.add_section()
    rates = (format_share(whole.weighted_rate), format_share(whole.break_even_rate))
    energies = (whole.energy_j, whole.ann_j, whole.ann_int8_j)
    table.add_row("total", *rates, *_numbers(energies, unit), times(whole.ann_j, whole.energy_j), style="bold")
    table.add_section()
    for name, column, energy in ways:
        cells = ["", "", ""]
        cells[column] = ABSENT if energy is None else unit.number(energy)
        table.add_row(name, "", "", *cells, times(energy, whole.energy_j))
    return table


def _layer_cells(layer: LayerComparison, unit: EnergyUnit) -> Iterator[str]:
    """A layer's rates, energies and ratio; a dash if the profile has no figure."""
    energy = None if layer.unpriced else layer.energy_j
    yield from (format_share(layer.input_rate), format_share(layer.break_even_rate))
    yield from _numbers((energy, layer.ann_j, layer.ann_int8_j), unit)
    yield times(layer.ann_j, energy)


def _numbers(energies_j: Sequence[float | None], unit: EnergyUnit) -> Iterator[str]:
    return (ABSENT if energy is None else unit.number(energy) for energy in energies_j)


def conventions_table(title: str, rows: Sequence[ConventionRow], notes: Sequence[str] = ()) -> Table:
    """One network under several conventions: counts, joules by part and in all, and the spread of the totals.

    The last column is the total as a multiple of the first counted convention's. The spread leaves out a convention
    that lacks figures for operations that the first one prices. A convention with missing counts has dashes. Under the
    table are the reasons, the numbers of operations without a figure, and the notes.
    """
    counted = [(row.name, row.report) for row in rows if row.report is not None]
    totals = {name: report.energy_j for name, report in counted if isfinite(report.energy_j)}
    unit = finer_unit(totals.values())
    by_part = all(is_spikformer([layer.name for layer in report.layers]) for _, report in counted)
    parts = tuple(PARTS.values()) if by_part else ()
    first = next(iter(totals), None)
    comparable = {
        name: totals[name] for name, report in counted if name in totals and _prices_as_much(report, counted[0][1])
    }
    table = table_of(SnugTable, title, "\n".join([*_spread(comparable, unit), *_remarks(rows), *notes]) or None)
    table.add_column("Convention", overflow="fold")
    for head in ("SOPs", "ACs", "MULs", *(f"{part.capitalize()}\n({unit.symbol})" for part in parts)):
        table.add_column_of_numbers(head)
    table.add_column_of_numbers(f"Energy\n({unit.symbol})")
    table.add_column_of_numbers(f"×\n{first}" if first else "×")
    for row in rows:
        if row.report is None:
            table.add_row(row.name, *[ABSENT] * (len(table.columns) - 1))
            continue
        total = totals.get(row.name)
        energies = [*(_part_energy(row.report, part) for part in parts), total]
        ratio = times(total, totals[first] if first else None)
        table.add_row(row.name, *_executed(row.report), *_numbers(energies, unit), ratio)
    return table


def _executed(report: EnergyReport) -> Iterator[str]:
    layers = report.layers
    spiking = any(layer.sops is not None for layer in layers)
    yield short_count(report.sops if spiking else None)
    yield short_count(sum(layer.accumulates for layer in layers))
    yield short_count(sum(layer.multiplies for layer in layers))


def _part_energy(report: EnergyReport, part: str) -> float | None:
    """Joules of a part; None if nothing of it is counted, nan if nothing is priced."""
    layers = [layer for layer in report.layers if part_of(layer.name) == part]
    return priced_energy(layers) if layers else None


def _prices_as_much(report: EnergyReport, first: EnergyReport) -> bool:
    """Whether a report prices all that the first one prices. With fewer figures, its total would only seem smaller."""
    return set(report.unpriced) <= set(first.unpriced)


def _spread(totals: dict[str, float], unit: EnergyUnit) -> Iterator[str]:
    if len(totals) > 1:
        least, most = min(totals, key=totals.__getitem__), max(totals, key=totals.__getitem__)
        ends = f"{most} {format_energy(totals[most], unit)}, {least} {format_energy(totals[least], unit)}"
        yield f"spread: most / least = {times(totals[most], totals[least])} ({ends})"


def _remarks(rows: Sequence[ConventionRow]) -> Iterator[str]:
    yield from (f"{row.name}: {row.about}" for row in rows if row.about)
    for row in rows:
        if row.report is None:
            yield f"{row.name} is not counted: {row.missing}"
    partial = [f"{row.name} {len(row.report.unpriced)}" for row in rows if row.report and row.report.unpriced]
    if partial:
        yield f"operations whose multiplications have no figure, and are in no energy here: {', '.join(partial)}"
