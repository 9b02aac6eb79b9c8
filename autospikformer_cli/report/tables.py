"""Tables of candidates in the paper's form (Tables 2 and 3), and the form of all tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from autospikformer_cli.report.rows import CandidateRow
from autospikformer_cli.units import ABSENT, EnergyUnit, energy_unit, format_count, format_share

BASELINE_MARK = "*"
MAX_WIDTH = 100


class PageTable(Table):
    """A table that is at most MAX_WIDTH columns wide, on any console."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render as rich does, on a console of at most MAX_WIDTH columns."""
        return super().__rich_console__(console, options.update(max_width=min(options.max_width, MAX_WIDTH)))


AnyTable = TypeVar("AnyTable", bound=PageTable)


def plain_table(title: str, caption: str | None = None) -> PageTable:
    """An empty table in the form of all reports: a rule under the head, and no frame."""
    return table_of(PageTable, title, caption)


def table_of(kind: type[AnyTable], title: str, caption: str | None = None) -> AnyTable:
    """An empty table of a kind of its own, in the form of `plain_table`."""
    return kind(
        title=Text(title, style="bold"),
        caption=None if caption is None else Text(caption),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
        collapse_padding=True,
        show_edge=False,
    )


def candidate_table(
    title: str,
    rows: Sequence[CandidateRow],
    baseline: CandidateRow | None = None,
    unit: EnergyUnit | None = None,
    notes: Sequence[str] = (),
) -> Table:
    """Candidates, one a line. The baseline comes last, marked *; the legend has its label.

    Energy and accuracy are bold if both are better than the baseline's. Columns that no row fills are left out.
    unit: of the energies, by default chosen for this table. notes: printed under the table.
    """
    every = [*rows, *([baseline] if baseline else [])]
    unit = unit or energy_unit(row.energy_j for row in every)
    columns = _columns(every, unit)
    table = plain_table(title, "\n".join([*_legend(rows, baseline), *notes]) or None)
    for name, folds in columns:
        justified: Literal["left", "right"] = "left" if folds or name == "Id" else "right"
        table.add_column(name, justify=justified, no_wrap=not folds, overflow="fold")
    names = [name for name, _ in columns]
    for row in rows:
        table.add_row(*_cells(row, row.label, names, unit, row.beats(baseline)))
    if baseline:
        table.add_section()
        table.add_row(*_cells(baseline, BASELINE_MARK, names, unit, False))
    return table


def _columns(rows: Sequence[CandidateRow], unit: EnergyUnit) -> list[tuple[str, bool]]:
    """Each column that some row fills: its name, and whether it folds."""
    found = [("Id", False), ("Candidates", True)]
    if any(row.firing_rate is not None for row in rows):
        found.append(("Fr", False))
    found += [(_energy_head(unit), False), ("Acc (%)", False)]
    if any(row.params is not None for row in rows):
        found.append(("Params", False))
    if any(row.fitness is not None for row in rows):
        found.append(("F_AEB", False))
    return found


def _energy_head(unit: EnergyUnit) -> str:
    return f"Energy\n({unit.symbol})"


def _cells(row: CandidateRow, label: str, names: Sequence[str], unit: EnergyUnit, better: bool) -> list[Text]:
    style = "bold" if better else ""
    by_name = {
        "Id": Text(label),
        "Candidates": Text(row.subnet),
        "Fr": Text(format_share(row.firing_rate)),
        _energy_head(unit): Text(unit.number(row.energy_j), style=style),
        "Acc (%)": Text(format_accuracy(row.top1, row.interval), style=style),
        "Params": Text(ABSENT if row.params is None else format_count(row.params)),
        "F_AEB": Text(format_share(row.fitness)),
    }
    return [by_name[name] for name in names]


def format_accuracy(top1: float, interval: tuple[float, float] | None) -> str:
    """Percent, with the 95 % interval in parentheses if it is known."""
    shown = f"{top1:.2f}"
    return shown if interval is None else f"{shown} ({interval[0]:.1f}–{interval[1]:.1f})"


def _legend(rows: Sequence[CandidateRow], baseline: CandidateRow | None) -> list[str]:
    if baseline is None:
        return []
    better = sum(row.beats(baseline) for row in rows)
    bold = f"bold: less energy and higher accuracy than it ({better} of {len(rows)})"
    return [f"{BASELINE_MARK} {baseline.label}; {bold}"]
