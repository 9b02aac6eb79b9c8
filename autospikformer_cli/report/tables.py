"""Tables of candidates in the paper's form (Tables 2 and 3), and the form of all tables."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import isnan, nan
from typing import Literal, TypeVar

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.constrain import Constrain
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from autospikformer_cli.analysis.paired import SIGNIFICANCE
from autospikformer_cli.measurement import SILENT_RATE
from autospikformer_cli.report.list_form import is_cut, listed_values
from autospikformer_cli.report.rows import HIGHER, LOWER, NOT_APART, UNTESTED, CandidateRow, equal_looking_notes
from autospikformer_cli.search.objectives import Objective
from autospikformer_cli.space import Subnet
from autospikformer_cli.units import ABSENT, EnergyUnit, energy_unit, format_count, format_share

BASELINE_MARK = "*"
MAX_WIDTH = 100
GAP = 2
"""Columns between two columns of a table."""
OPTIONAL = ("Fr", "Params", "Silent")
"""Columns that a narrow console leaves out, the first first."""


class PageTable(Table):
    """A table that is at most MAX_WIDTH columns wide, on any console. If a number does not fit, it is a list."""

    most_columns = MAX_WIDTH

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render as rich does, on a console of at most `most_columns`, or a value a line."""
        options = options.update(max_width=min(options.max_width, self.most_columns))
        parts = list(super().__rich_console__(console, options))
        segments = [part for part in parts if isinstance(part, Segment)]
        if is_cut(self, "".join(segment.text for segment in segments), options.max_width):
            yield from listed_values(self)
        else:
            yield from parts


class WideTable(PageTable):
    """A table that is as wide as the console, if need be."""

    most_columns = sys.maxsize


AnyTable = TypeVar("AnyTable", bound=PageTable)


def plain_table(title: str | None = None, caption: str | None = None) -> PageTable:
    """An empty table in the form of all reports: a rule under the head, and no frame."""
    return table_of(PageTable, title, caption)


def table_of(kind: type[AnyTable], title: str | None, caption: str | None = None) -> AnyTable:
    """An empty table of a kind of its own, in the form of `plain_table`."""
    return kind(
        title=None if title is None else Text(title, style="bold"),
        caption=None if caption is None else Text(caption),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
        collapse_padding=True,
        show_edge=False,
    )


def noted(table: Table, notes: Sequence[str]) -> Group:
    """A table with notes under it that are as wide as a page, for a table that is narrower than they are."""
    return Group(table, Constrain(Text("\n".join(notes), style="italic"), MAX_WIDTH))


@dataclass(frozen=True)
class CandidateTable:
    """Candidates, one a line. The baseline comes last, marked *; the legend has its label.

    A candidate takes one line if it has at most two blocks, else two. If the console is too narrow for that, first the
    genes come closer, then the interval loses its decimals, then columns are left out. The legend names these.
    Columns that no row fills are left out, too.
    objectives: those of plugins, a column for each. They are the last to be left out.
    unit: of the energies, by default chosen for this table. notes: printed under the table.
    lead: a first column: its head, and its cell in each row.
    """

    title: str
    rows: Sequence[CandidateRow]
    baseline: CandidateRow | None = None
    unit: EnergyUnit | None = None
    notes: Sequence[str] = ()
    lead: tuple[str, Sequence[str]] | None = None
    objectives: Sequence[Objective] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render in the fullest layout that fits."""
        yield self.table(options.max_width)

    def table(self, width: int = MAX_WIDTH) -> Table:
        """The table for a console of so many columns."""
        every = [*self.rows, *([self.baseline] if self.baseline else [])]
        unit = self.unit or energy_unit(row.energy_j for row in every)
        filled = _filled_columns(every, self.objectives)
        lines = [self._cells(row, unit) for row in every]
        if self.lead:
            filled = [self.lead[0], *filled]
            for line, cell in zip(lines, [*self.lead[1], ""], strict=False):
                line[self.lead[0]] = cell
        named = {"Energy": f"Energy\n({unit.symbol})"}
        named |= {_column_of(objective): _head_of(objective) for objective in self.objectives}
        heads = {name: named.get(name, name) for name in filled}
        layout = _layout_for(min(width, MAX_WIDTH), heads, lines, [row.subnet for row in every])
        return self._laid_out(layout, heads, lines)

    def _laid_out(self, layout: _Layout, heads: dict[str, str], lines: list[dict[str, str]]) -> Table:
        dropped = [name for name in heads if name in layout.left_out]
        shown = [name for name in heads if name not in layout.left_out]
        names = ", ".join(heads[name].replace("\n", " ") for name in dropped)
        left_out = [f"not shown at this width: {names}"] if dropped else []
        table = plain_table(self.title, "\n".join([*_legend(self.rows, self.baseline), *left_out, *self.notes]) or None)
        for name in shown:
            justified: Literal["left", "right"] = "left" if name in ("Id", "Candidates") else "right"
            table.add_column(heads[name], justify=justified, no_wrap=name != "Candidates", overflow="fold")
        for place, (line, row) in enumerate(zip(lines, [*self.rows, self.baseline], strict=False)):
            if place == len(self.rows):
                table.add_section()
            better = row is not None and row.saves(self.baseline) and row.mark(self.baseline) == HIGHER
            cells = layout.cells(line)
            bold = ("Energy", "Acc (%)") if better else ()
            table.add_row(*(Text(cells[name], style="bold" if name in bold else "") for name in shown))
        return table

    def _cells(self, row: CandidateRow, unit: EnergyUnit) -> dict[str, str]:
        if row is self.baseline:
            label = BASELINE_MARK
        else:
            alike = f"x{row.num_alike}" if row.num_alike > 1 else ""
            label = " ".join(filter(None, (row.label, alike, row.mark(self.baseline))))
        return {
            "Id": label,
            "Candidates": str(row.subnet),
            "Fr": format_share(row.firing_rate),
            "Energy": unit.number(row.energy_j),
            "Acc (%)": format_accuracy(row.top1, row.interval),
            _SHORT: format_accuracy(row.top1, row.interval, decimals=0),
            "Params": ABSENT if row.params is None else format_count(row.params),
            "Silent": ABSENT if row.silent is None else "{}, {}".format(*row.silent),
            "F_AEB": format_share(row.fitness),
            **{_column_of(each): _value_cell(row, each) for each in self.objectives},
        }


_SHORT = "Acc (%), short"
_OBJECTIVE = "objective "


def _column_of(objective: Objective) -> str:
    """The column of a plugin's objective, which no column of ours is called."""
    return f"{_OBJECTIVE}{objective.name}"


def _head_of(objective: Objective) -> str:
    """Its label in short lines, and its unit."""
    unit = [f"({objective.unit})"] if objective.unit else []
    return "\n".join([*textwrap.wrap(objective.label, 12), *unit])


def _value_cell(row: CandidateRow, objective: Objective) -> str:
    value = row.plugin_values.get(objective.name, nan)
    return ABSENT if isnan(value) else objective.to_number(value)


@dataclass(frozen=True)
class _Layout:
    """How a line is made narrower.

    close: no blanks between genes. short: an interval without decimals. left_out: columns.
    width: of the column of candidates.
    """

    close: bool
    short: bool
    left_out: tuple[str, ...]
    width: int = 0

    def genes(self, subnet: str) -> str:
        """A subnet's tuple in lines that fit."""
        if not self.close:
            return subnet
        lines = [""]
        for gene in subnet.replace(" ", "").split(","):
            piece = gene if gene.endswith(")") else f"{gene},"
            if lines[-1] and len(lines[-1]) + len(piece) > self.width:
                lines.append("")
            lines[-1] += piece
        return "\n".join(lines)

    def cells(self, line: dict[str, str]) -> dict[str, str]:
        """The texts of a line."""
        accuracy = line[_SHORT] if self.short else line["Acc (%)"]
        return {**line, "Candidates": self.genes(line["Candidates"]), "Acc (%)": accuracy}


def _layout_for(width: int, heads: dict[str, str], lines: list[dict[str, str]], subnets: Sequence[Subnet]) -> _Layout:
    """The fullest layout in which every candidate takes one line, or two if it has more than two blocks."""
    one = 1 if all(subnet.depth <= 2 for subnet in subnets) else 2
    optional = [name for name in (*OPTIONAL, *(name for name in heads if name.startswith(_OBJECTIVE))) if name in heads]
    less = [tuple(optional[:num]) for num in range(len(optional) + 1)]
    steps = [(False, False), (True, False), (True, True)]
    layouts = [_fitted(_Layout(*step, left_out), width, heads, lines) for left_out, step in product(less, steps)]
    for most in (one, 2):
        for layout in layouts:
            if all(_height(layout, line["Candidates"]) <= most for line in lines):
                return layout
    return layouts[-1]


def _fitted(layout: _Layout, width: int, heads: dict[str, str], lines: list[dict[str, str]]) -> _Layout:
    """The layout with the width that is left for candidates."""
    texts = [layout.cells(line) for line in lines]
    others = [name for name in heads if name not in ("Candidates", *layout.left_out)]
    taken = sum(
        GAP + max(map(cell_len, [*heads[name].splitlines(), *(cells.get(name, "") for cells in texts)]))
        for name in others
    )
    return _Layout(layout.close, layout.short, layout.left_out, max(len("Candidates"), width - taken))


def _height(layout: _Layout, subnet: str) -> int:
    """Lines that a subnet takes."""
    return layout.genes(subnet).count("\n") + 1 if layout.close else len(textwrap.wrap(subnet, layout.width))


def _filled_columns(rows: Sequence[CandidateRow], objectives: Sequence[Objective]) -> list[str]:
    """The columns that some row fills."""
    optional = {
        "Fr": any(row.firing_rate is not None for row in rows),
        "Params": any(row.params is not None for row in rows),
        "Silent": any(row.silent is not None and row.silent[0] for row in rows),
        "F_AEB": any(row.fitness is not None for row in rows),
    }
    plugins = map(_column_of, objectives)
    names = ("Id", "Candidates", "Fr", "Energy", "Acc (%)", *plugins, "Params", "Silent", "F_AEB")
    return [name for name in names if optional.get(name, True)]


def format_accuracy(top1: float, interval: tuple[float, float] | None, decimals: int = 1) -> str:
    """Percent, with the 95 % interval in parentheses if it is known. decimals: of the interval."""
    shown = f"{top1:.2f}"
    return shown if interval is None else f"{shown} ({interval[0]:.{decimals}f}–{interval[1]:.{decimals}f})"


def _compared_lines(rows: Sequence[CandidateRow], baseline: CandidateRow) -> Iterator[str]:
    """The baseline's name, how many rows need less energy, and what each mark means, with the number of its rows."""
    yield f"{BASELINE_MARK} {baseline.label}"
    if not rows:
        return
    if not isnan(baseline.energy_j):
        yield f"less energy than {BASELINE_MARK}: {sum(row.saves(baseline) for row in rows)} of {len(rows)}"
    marks = [row.mark(baseline) for row in rows]
    texts = {HIGHER: "higher", NOT_APART: "cannot be told apart", LOWER: "lower", UNTESTED: "not tested"}
    if baseline.printed:
        yield "printed accuracies: no test can compare them"
    elif set(marks) == {UNTESTED}:
        yield f"{UNTESTED} accuracy not tested: answers by image are not stored"
    else:
        shown = [f"{mark} {text} ({marks.count(mark)})" for mark, text in texts.items() if mark in marks]
        yield f"accuracy against {BASELINE_MARK} (McNemar's exact test, p < {SIGNIFICANCE:g}): {', '.join(shown)}"


def _legend(rows: Sequence[CandidateRow], baseline: CandidateRow | None) -> list[str]:
    """What the marks of these rows mean."""
    lines: list[str] = []
    if baseline is not None:
        lines += _compared_lines(rows, baseline)
    if any(row.num_alike > 1 for row in rows):
        lines.append("x2: two candidates that agree in every measured number; --json lists them")
    lines += equal_looking_notes(rows)
    if any(row.silent is not None and row.silent[0] for row in rows):
        lines.append(f"Silent: layers with a firing rate below {SILENT_RATE:g}, and channels without variance")
    return lines
