"""A table that fits a console: first cells become shorter, then columns are left out, in an order that it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from autospikformer_cli.report.tables import GAP, MAX_WIDTH, PageTable, WideTable, noted, table_of

LEAST_FOLDED = 14
"""Columns that a column whose cells may take several lines needs, if its longest word does not need more."""


@dataclass(frozen=True)
class FittedColumn:
    """One column. cells: a text for each row. short: the same in fewer characters. folds: whether a cell may take
    several lines.
    """

    head: str
    cells: Sequence[str]
    is_number: bool = True
    short: Sequence[str] = ()
    folds: bool = False

    def texts(self, shortened: bool) -> Sequence[str]:
        """Its cells, short ones if it has any."""
        return self.short if shortened and self.short else self.cells

    def width(self, shortened: bool) -> int:
        """Columns of the console that it needs."""
        lines = [*self.head.splitlines(), *self.texts(shortened)]
        whole = max(map(cell_len, lines))
        if not self.folds:
            return whole
        return min(whole, max(LEAST_FOLDED, *(cell_len(word) for line in lines for word in line.split())))


@dataclass(frozen=True)
class FittedTable:
    """Columns by key, as wide as the console if need be. It is a list, a value a line, if all is of no avail.

    steps: keys of columns, in the order in which they give way on a narrow console: a column with short cells gets
    these, and is left out if it is named again; another one is left out at once. The notes name what is left out.
    sections: rows that a section begins with. notes: printed under the table, as wide as a page.
    """

    title: str
    columns: Mapping[str, FittedColumn]
    steps: Sequence[str]
    sections: frozenset[int] = frozenset()
    notes: Sequence[str] = field(default_factory=tuple)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render in the fullest layout that fits."""
        yield self.laid_out(options.max_width)

    def laid_out(self, width: int = MAX_WIDTH) -> RenderableType:
        """The table with its notes, for a console of so many columns."""
        shortened, left_out = self._layout(width)
        heads = [" ".join(each.head.split()) for key, each in self.columns.items() if key in left_out]
        dropped = [f"not shown at this width: {', '.join(heads)}"] if heads else []
        table, notes = self._table(shortened, left_out), [*dropped, *self.notes]
        return noted(table, notes) if notes else table

    def _layout(self, width: int) -> tuple[set[str], set[str]]:
        """The keys of columns with short cells, and of columns that are left out; none if nothing fits."""
        shortened: set[str] = set()
        left_out: set[str] = set()
        steps = iter(self.steps)
        while self._width(shortened, left_out) > width:
            key = next(steps, None)
            if key is None:
                return set(), set()
            can_be_shorter = bool(self.columns[key].short) and key not in shortened
            (shortened if can_be_shorter else left_out).add(key)
        return shortened, left_out

    def _width(self, shortened: set[str], left_out: set[str]) -> int:
        shown = [each.width(key in shortened) for key, each in self.columns.items() if key not in left_out]
        return sum(shown) + GAP * (len(shown) - 1)

    def _table(self, shortened: set[str], left_out: set[str]) -> PageTable:
        table = table_of(WideTable, self.title)
        shown = {key: each for key, each in self.columns.items() if key not in left_out}
        for key, each in shown.items():
            justified: Literal["left", "right"] = "right" if each.is_number else "left"
            least = each.width(key in shortened) if each.folds else None  # no word is cut
            table.add_column(each.head, justify=justified, no_wrap=not each.folds, overflow="fold", min_width=least)
        rows = zip(*(each.texts(key in shortened) for key, each in shown.items()), strict=True)
        for place, cells in enumerate(rows):
            if place and place in self.sections:
                table.add_section()
            table.add_row(*map(Text, cells))
        return table
