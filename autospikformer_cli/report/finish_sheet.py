"""`aspk report --table finish`: the table of `aspk finish` as a table for a paper."""

from __future__ import annotations

from collections.abc import Iterator

from autospikformer_cli.analysis.paired import SIGNIFICANCE, p_text
from autospikformer_cli.report.finish_notes import (
    MORE_THAN_CHANCE,
    comparison_notes,
    guessing_seeds,
    guessing_text,
    network_notes,
    since_notes,
    trainings_text,
)
from autospikformer_cli.report.finish_table import finish_report
from autospikformer_cli.report.own_tables import FINISH_TABLE
from autospikformer_cli.report.sheets import Footnote, FootnoteMarks, Sheet, SheetColumn, SheetRow
from autospikformer_cli.report.table_notes import PARENTHESES, priced
from autospikformer_cli.runs.finishing.results import FinishResults, FinishRow
from autospikformer_cli.runs.finishing.statistics import BaselineComparison
from autospikformer_cli.units import EnergyUnit, energy_unit


def finish_sheet(found: FinishResults) -> Sheet:
    """Its networks, one a row for each kind of weights, with the numbers of a cell in columns of their own."""
    unit = energy_unit(row.energy_j for row in found.rows if row.energy_j is not None)
    marks = FootnoteMarks()
    rows = [
        _row(row, found, comparison, unit, marks) for row, comparison in zip(found.rows, found.comparisons, strict=True)
    ]
    filled = {key for row in rows for key in row.cells}
    columns = [column for column in _columns(unit) if column.key in filled]
    is_starred = any("p" in row.marks for row in rows)
    star = [Footnote(MORE_THAN_CHANCE, f"more than chance: p < {SIGNIFICANCE:g}")] if is_starred else []
    notes = [*marks.notes, *star, *(Footnote("", f"{line}.") for line in _notes(found))]
    return Sheet(FINISH_TABLE, f"Finished: {found.title}", columns, rows, notes, printed=finish_report(found))


def _columns(unit: EnergyUnit) -> list[SheetColumn]:
    return [
        SheetColumn("network", "Network"),
        SheetColumn("weights", "Weights"),
        SheetColumn("top1", "Acc", "%", is_number=True),
        SheetColumn("top1_deviation", "SD", "points", is_number=True),
        SheetColumn("top1_low", "Acc from", "%", is_number=True),
        SheetColumn("top1_high", "Acc to", "%", is_number=True),
        SheetColumn("energy", "Energy", unit.symbol, is_number=True),
        SheetColumn("energy_of_baseline", "of base", is_number=True),
        SheetColumn("params", "Params", is_number=True),
        SheetColumn("time_step", "T", is_number=True),
        SheetColumn("difference", "Diff", "points", is_number=True),
        SheetColumn("difference_low", "Diff from", "points", is_number=True),
        SheetColumn("difference_high", "Diff to", "points", is_number=True),
        SheetColumn("p", "p", is_number=True),
    ]


def _row(
    row: FinishRow, found: FinishResults, comparison: BaselineComparison | None, unit: EnergyUnit, marks: FootnoteMarks
) -> SheetRow:
    share, interval = found.share_of_baseline(row), row.interval
    cells = {"network": row.network.name, "weights": row.way, "time_step": str(row.time_step)}
    numbers = {
        "top1": row.top1,
        "top1_deviation": row.deviation,
        "top1_low": None if interval is None else interval[0],
        "top1_high": None if interval is None else interval[1],
        "energy_of_baseline": share,
    }
    if comparison is not None:
        difference = comparison.difference
        numbers |= {"difference": difference.points, "difference_low": difference.low}
        numbers |= {"difference_high": difference.high}
        cells["p"] = "<0.001" if comparison.p_holm < 0.001 else p_text(comparison.p_holm, ".3f")
    cells |= {key: f"{value:.2f}" for key, value in numbers.items() if value is not None}
    cells |= {} if row.energy_j is None else {"energy": unit.number(row.energy_j)}
    cells |= {} if row.params is None else {"params": str(row.params)}
    faults = list(_faults(row, found))
    marked = {"network": marks.mark("; ".join(faults))} if faults else {}
    marked |= {"p": MORE_THAN_CHANCE} if comparison is not None and comparison.is_more_than_chance else {}
    return SheetRow("yours", cells, marked)


def _faults(row: FinishRow, found: FinishResults) -> Iterator[str]:
    """Its trainings without a result, and those without a use."""
    for each in row.diverged:
        seed = "" if each.seed is None else f" with seed {each.seed}"
        yield f"the training{seed} diverged: {each.why}"
    if found.guessing(row):
        which = guessing_seeds(row, found)
        yield f"{which}{': ' * bool(which)}{guessing_text(found)}"


def _notes(found: FinishResults) -> Iterator[str]:
    genes = dict.fromkeys((row.network.name, row.network.subnet) for row in found.rows if not row.network.is_ann)
    yield f"Networks: {'; '.join(f'{name} {subnet}' for name, subnet in genes)}"
    yield f"In parentheses: {PARENTHESES}"
    yield from network_notes(found, in_columns=True)
    yield from comparison_notes(found, in_columns=True)
    recipe, measured = found.recipe, found.results.provenance
    yield f"{found.images:,} test images of {recipe.data.dataset}, each network tested once a training"
    yield f"Trainings: {trainings_text(found)}"
    prices = priced(recipe)
    yield f"{prices[:1].upper()}{prices[1:]}"
    validated = list(_validated(found))
    if validated:
        added = "and in parentheses what having been chosen by these images adds on average, in points"
        what = f"accuracy with inherited weights on the {measured.images:,} {measured.split} images of the search"
        yield f"For comparison, {what}, {added}: {'; '.join(validated)}"
    yield from since_notes(found)


def _validated(found: FinishResults) -> Iterator[str]:
    flattery = {each.id: each.accuracy.flattery for each in found.flattery}
    for row in found.rows:
        measured = found.validation_of(row)
        if row.way == "inherited" and measured is not None:
            name, chosen = row.network.name, row.network.role == "found"
            if not chosen or name in flattery:
                yield f"{name} {measured.top1:.2f} % ({f'{flattery[name]:.2f}' if chosen else 'not chosen'})"
