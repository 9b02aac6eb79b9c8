"""The tables of `aspk runs`: all runs, and the searches of one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from autospikformer_cli.report.tables import MAX_WIDTH, WideTable, plain_table
from autospikformer_cli.runs.listing import RunSummary, SearchSummary, Unusable
from autospikformer_cli.units import ABSENT

PRESENT_MARK = "*"
MEASURED_HEAD = "Measured"
_LEAST = {"best top-1": len("100.00 %")}
"""Columns of text in which a number and its unit stay together."""


def runs_table(runs: Sequence[RunSummary]) -> Table:
    """A run a line, in the order given."""
    table = WideTable()
    for name in ("run", "recipe", "state", "searches", "last written", "best top-1"):
        table.add_column(name, overflow="fold", no_wrap=name == "last written", min_width=_LEAST.get(name))
    for run in runs:
        others = [file for file in run.damaged if file not in run.state]
        state = f"{run.state}, damaged: {', '.join(others)}" if others else run.state
        cells = (run.name, run.recipe or ABSENT, state, str(len(run.searches)), f"{run.date:%Y-%m-%d %H:%M}")
        table.add_row(*map(Text, (*cells, ABSENT if run.best is None else _best_text(run.best))))
    return table


@dataclass(frozen=True)
class SearchesTable:
    """A search a line: name, state, candidates, its choice, the best accuracy; below, how they were measured.

    A name is typed after --search, so it is not broken. If the table is too wide for that, each search has a line for
    its name, and one for the rest. unusable: files that the notes name.
    """

    title: str
    searches: Sequence[SearchSummary]
    unusable: Sequence[Unusable] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render as a table if that fits, else as pairs of lines."""
        rows = [_cells(search, self._kinds) for search in self.searches]
        heads = [head for head in rows[0] if head != MEASURED_HEAD or len(self._kinds) > 1]
        table = plain_table(self.title)
        for head in heads:
            table.add_column(head, no_wrap=True)
        for row in rows:
            table.add_row(*(Text(row[head]) for head in heads))
        unlimited = options.update(max_width=sys.maxsize)
        if Measurement.get(console, unlimited, table).maximum <= min(options.max_width, MAX_WIDTH):
            yield table
        else:
            yield Text(self.title, style="bold")
            for row, search in zip(rows, self.searches, strict=True):
                mark = f"{PRESENT_MARK} " if search.present else ""
                rest = [f"{head.lower()} {row[head]}" for head in heads[2:] if row[head] != ABSENT]
                yield Text(search.name, overflow="fold")
                yield Padding(Text(mark + ", ".join([row["State"], *rest])), (0, 0, 0, 2), expand=False)
        for note in self._notes():
            yield Text(note)

    @property
    def _kinds(self) -> list[str]:
        """The ways in which these searches were measured."""
        return list(dict.fromkeys(_conditions_text(search) for search in self.searches if search.provenance))

    def _notes(self) -> Iterator[str]:
        if any(search.present for search in self.searches):
            yield f"{PRESENT_MARK} the present search, which commands take without --search"
        yield "chosen: by the search, with its top-1; highest top-1: of its most accurate candidate, often another one"
        kinds = self._kinds
        for number, kind in enumerate(kinds, 1):
            yield f"measured{f' ({number})' if len(kinds) > 1 else ''}: {kind}"
        for each in self.searches:
            if each.written_as:
                yield f"! {each.name} was written as {each.written_as}: its file was renamed, or copied"
        yield from map(unusable_text, self.unusable)


def _cells(search: SearchSummary, kinds: Sequence[str]) -> dict[str, str]:
    """A search's cells by column. kinds: the ways of measuring, by number from 1."""
    rejected = f" ({search.rejected} rejected)" if search.rejected else ""
    return {
        "Search": f"{search.name} {PRESENT_MARK}" if search.present else search.name,
        "State": search.state,
        "Candidates": f"{search.candidates}{rejected}",
        "Chosen": _chosen_text(search),
        "Highest top-1": ABSENT if search.best_top1 is None else f"{search.best_top1:.2f} %",
        MEASURED_HEAD: f"({kinds.index(_conditions_text(search)) + 1})" if search.provenance else ABSENT,
    }


def _chosen_text(search: SearchSummary) -> str:
    top1 = "" if search.chosen_top1 is None else f" ({search.chosen_top1:.2f} %)"
    return f"{search.best or ABSENT}{top1}"


def unusable_text(file: Unusable) -> str:
    """A file that cannot be used, and why."""
    return f"! {file.file}: {file.what}"


def _best_text(best: SearchSummary) -> str:
    split = "" if best.provenance is None else f" on {best.provenance.split}"
    return f"{best.best_top1:.2f} %{split}"


def _conditions_text(search: SearchSummary) -> str:
    measured = search.provenance
    if measured is None:
        return ABSENT
    where = f"{measured.engine}, {measured.precision}, {measured.device}"
    return f"{measured.images} {measured.split} images, BatchNorm {measured.batchnorm}, {where}"
