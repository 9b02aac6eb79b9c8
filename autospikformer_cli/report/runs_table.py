"""The tables of `aspk runs`: all runs, and the searches of one."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from autospikformer_cli.report.tables import WideTable, plain_table
from autospikformer_cli.runs.listing import RunSummary, SearchSummary, Unusable
from autospikformer_cli.units import ABSENT

PRESENT_MARK = "*"


def runs_table(runs: Sequence[RunSummary]) -> Table:
    """A run a line, in the order given."""
    table = WideTable()
    for name in ("run", "recipe", "state", "searches", "last written", "best top-1"):
        table.add_column(name, overflow="fold", no_wrap=name == "last written")  # a date stays whole
    for run in runs:
        others = [file for file in run.damaged if file not in run.state]
        state = f"{run.state}, damaged: {', '.join(others)}" if others else run.state
        cells = (run.name, run.recipe or ABSENT, state, str(len(run.searches)), f"{run.date:%Y-%m-%d %H:%M}")
        table.add_row(*map(Text, (*cells, ABSENT if run.best is None else _best_text(run.best))))
    return table


def searches_table(title: str, searches: Sequence[SearchSummary], unusable: Sequence[Unusable] = ()) -> Table:
    """A search a line: name, state, candidates, its choice, the best accuracy, and the conditions of measurement.

    unusable: files that the notes name.
    """
    notes = [f"{PRESENT_MARK} the present search, which commands take without --search"]
    notes.append("best: what the search chose; top-1: of its most accurate candidate")
    notes += [
        f"! {each.name} was written as {each.written_as}: its file was renamed, or copied"
        for each in searches
        if each.written_as
    ]
    notes += [unusable_text(each) for each in unusable]
    table = plain_table(title, "\n".join(notes))
    for name in ("Search", "State", "Candidates", "Best", "Top-1", "Measured"):
        table.add_column(name, overflow="fold", min_width=len(name))
    for search in searches:
        name = f"{search.name} {PRESENT_MARK}" if search.present else search.name
        rejected = f" ({search.rejected} rejected)" if search.rejected else ""
        top1 = ABSENT if search.best_top1 is None else f"{search.best_top1:.2f} %"
        cells = (name, search.state, f"{search.candidates}{rejected}", search.best or ABSENT, top1)
        table.add_row(*map(Text, (*cells, _conditions_text(search))))
    return table


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
