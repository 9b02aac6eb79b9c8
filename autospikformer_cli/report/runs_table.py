"""The tables of `aspk runs`: all runs, and the searches of one."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from autospikformer_cli.report.tables import plain_table
from autospikformer_cli.runs.listing import RunSummary, SearchSummary
from autospikformer_cli.units import ABSENT

PRESENT_MARK = "*"


def runs_table(runs: Sequence[RunSummary]) -> Table:
    """A run a line, in the order given."""
    table = Table("run", "recipe", "state", "searches", "last written", "best top-1")
    for run in runs:
        cells = (run.name, run.recipe or ABSENT, run.state, str(len(run.searches)), f"{run.date:%Y-%m-%d %H:%M}")
        table.add_row(*map(Text, (*cells, ABSENT if run.best is None else _best_text(run.best))))
    return table


def searches_table(title: str, searches: Sequence[SearchSummary]) -> Table:
    """A search a line: name, state, candidates, the most accurate of them, and the conditions of measurement."""
    table = plain_table(title, f"{PRESENT_MARK} the present search, which commands take without --search")
    for name, folds in (("Search", True), ("State", True), ("Candidates", False), ("Best top-1", True)):
        table.add_column(name, overflow="fold", no_wrap=not folds)
    table.add_column("Measured", overflow="fold")
    for search in searches:
        rejected = f" ({search.rejected} rejected)" if search.rejected else ""
        best = ABSENT if search.best_top1 is None else f"{search.best_id}, {search.best_top1:.2f} %"
        name = f"{search.name} {PRESENT_MARK}" if search.present else search.name
        table.add_row(
            *map(Text, (name, search.state, f"{search.candidates}{rejected}", best, _conditions_text(search)))
        )
    return table


def _best_text(best: SearchSummary) -> str:
    split = "" if best.provenance is None else f" on {best.provenance.split}"
    return f"{best.best_top1:.2f} %{split}"


def _conditions_text(search: SearchSummary) -> str:
    measured = search.provenance
    if measured is None:
        return ABSENT
    where = f"{measured.engine}, {measured.precision}, {measured.device}"
    return f"{measured.images} {measured.split} images, BatchNorm {measured.batchnorm}, {where}"
