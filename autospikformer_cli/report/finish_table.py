"""The table of `aspk finish`: networks retrained and tested, what they are compared with, and how it was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from autospikformer_cli.analysis.paired import p_text
from autospikformer_cli.report.finish_notes import (
    GUESSING,
    HAS_DIVERGED,
    MORE_THAN_CHANCE,
    comparison_notes,
    fault_notes,
    flattery_notes,
    network_notes,
    trainings_text,
)
from autospikformer_cli.report.fitted import FittedColumn, FittedTable
from autospikformer_cli.report.provenance import batchnorm_text, fidelity_text, of_the_network, switches_in_force
from autospikformer_cli.report.tables import MAX_WIDTH, PageTable, format_accuracy
from autospikformer_cli.runs.finishing.results import FinishResults, FinishRow
from autospikformer_cli.runs.finishing.statistics import BaselineComparison
from autospikformer_cli.units import ABSENT, energy_unit, format_count
from autospikformer_cli.wording import counted

_FRAME = len("│ BatchNorm  ") + len(" │")
"""Columns of the panel that are not its text."""
_STEPS = ("weights", "time_step", "params", "share", "difference", "accuracy")
"""What gives way on a narrow console, the first first."""


def finish_report(found: FinishResults, verbose: bool = False) -> RenderableType:
    """The tables, with what is more than chance, what diverged, and a panel that says how numbers were obtained."""
    parts: list[RenderableType] = [_networks(found)]
    if found.flattery:
        parts += ["", _flattery(found)]
    return Group(*parts, "", _panel(found, verbose))


def _networks(found: FinishResults) -> FittedTable:
    rows, unit = found.rows, energy_unit(row.energy_j for row in found.rows if row.energy_j is not None)
    columns = {
        "network": FittedColumn("Network", [row.network.name for row in rows], is_number=False),
        "weights": FittedColumn(
            "Weights", [row.way for row in rows], is_number=False, short=[row.way.removeprefix("from ") for row in rows]
        ),
        "accuracy": FittedColumn(
            "Acc (%)",
            [_accuracy(row, found) for row in rows],
            short=[_accuracy(row, found, decimals=0) for row in rows],
        ),
        "energy": FittedColumn(
            f"Energy\n({unit.symbol})", [ABSENT if row.energy_j is None else unit.number(row.energy_j) for row in rows]
        ),
        "share": FittedColumn("of\nbase", [_share(found.share_of_baseline(row)) for row in rows]),
        "params": FittedColumn("Params", [ABSENT if row.params is None else format_count(row.params) for row in rows]),
        "time_step": FittedColumn("T", [str(row.time_step) for row in rows]),
        "difference": FittedColumn(
            "Acc - base (points)",
            [_difference(each) for each in found.comparisons],
            short=[_difference(each, decimals=0) for each in found.comparisons],
        ),
        "p": FittedColumn("p", [_p(each) for each in found.comparisons]),
    }
    begins = (place for place in range(1, len(rows)) if rows[place].network != rows[place - 1].network)
    notes = [*network_notes(found), *comparison_notes(found), *fault_notes(found)]
    return FittedTable(f"Finished: {found.title}", columns, _STEPS, frozenset(begins), notes)


def _accuracy(row: FinishRow, found: FinishResults, decimals: int = 1) -> str:
    """decimals: of the interval."""
    marks = f"{HAS_DIVERGED * bool(row.diverged)}{GUESSING * found.only_guesses(row)}"
    if row.top1 is None:
        return f"diverged{marks}"
    if row.deviation is not None:
        return f"{row.top1:.2f} ± {row.deviation:.2f}{marks}"
    return f"{format_accuracy(row.top1, row.interval, decimals)}{marks}"


def _share(share: float | None) -> str:
    return ABSENT if share is None else f"{share:.2f}"


def _difference(comparison: BaselineComparison | None, decimals: int = 1) -> str:
    """decimals: of the interval."""
    if comparison is None:
        return ""
    found = comparison.difference
    return f"{found.points:+.2f} ({found.low:+.{decimals}f} to {found.high:+.{decimals}f})"


def _p(comparison: BaselineComparison | None) -> str:
    if comparison is None:
        return ""
    shown = "<.001" if comparison.p_holm < 0.001 else p_text(comparison.p_holm, ".3f")
    return f"{shown}{MORE_THAN_CHANCE if comparison.is_more_than_chance else ' '}"


def _flattery(found: FinishResults) -> FittedTable:
    """The candidates, whom the images chose, and the baseline, which nobody chose."""
    rows = [(row, measured) for row in found.rows if row.way == "inherited" and (measured := found.validation_of(row))]
    chosen = {each.id: each.accuracy for each in found.flattery}
    rows = [(row, measured) for row, measured in rows if row.network.role == "baseline" or row.network.name in chosen]
    picks = [chosen.get(row.network.name) for row, _ in rows]
    split = found.results.provenance.split.capitalize()

    def corrected(decimals: int) -> Sequence[str]:
        return [
            ABSENT if each is None else format_accuracy(each.corrected, (each.low, each.high), decimals)
            for each in picks
        ]

    falls = [None if row.top1 is None else row.top1 - measured.top1 for row, measured in rows]
    columns = {
        "network": FittedColumn("Network", [row.network.name for row, _ in rows], is_number=False),
        "candidate": FittedColumn(
            "Candidate", [str(row.network.subnet) for row, _ in rows], is_number=False, folds=True
        ),
        "validation": FittedColumn(f"{split}\nacc (%)", [f"{measured.top1:.2f}" for _, measured in rows]),
        "flattery": FittedColumn(
            "Flattery\n(points)", [ABSENT if each is None else f"{each.flattery:.2f}" for each in picks]
        ),
        "corrected": FittedColumn("Corrected (%)", corrected(1), short=corrected(0)),
        "test": FittedColumn(
            "Test\nacc (%)",
            [_accuracy(row, found) for row, _ in rows],
            short=[_accuracy(row, found, decimals=0) for row, _ in rows],
        ),
        "fall": FittedColumn(
            f"Test -\n{split.lower()}", [ABSENT if each is None else f"{each:+.2f}" for each in falls]
        ),
    }
    title = f"What choosing on {split.lower()} flatters, with inherited weights"
    return FittedTable(title, columns, ("candidate", "corrected", "test"), notes=list(flattery_notes(found)))


def _panel(found: FinishResults, verbose: bool) -> Panel:
    grid = PageTable.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", max_width=MAX_WIDTH - _FRAME)
    for name, value in _provenance(found, verbose):
        grid.add_row(Text(name, style="bold"), Text(value))
    return Panel(grid, title="How these numbers were obtained", title_align="left", expand=False)


def _provenance(found: FinishResults, verbose: bool) -> Iterator[tuple[str, str]]:
    recipe, measured = found.recipe, found.results.provenance
    yield "accuracy", f"all {found.images:,} test images of {recipe.data.dataset}, each network tested once a training"
    yield "trainings", trainings_text(found)
    if found.training_keys:
        yield "keys", f"otherwise than the supernet was trained: {', '.join(found.training_keys)}"
    yield (
        "search",
        f"chose on {measured.images:,} {measured.split} images with weights of {counted(measured.epochs, 'epoch')}",
    )
    calibration = measured.calibration_images or None
    yield "BatchNorm", batchnorm_text(recipe.model.batchnorm, found.images, recipe.resolved_switches(), calibration)
    energy = recipe.energy
    yield "energy", f"joules an image, profile {energy.profile_name}, convention {energy.convention_name}"
    yield "fidelity", fidelity_text(recipe.fidelity, of_the_network(recipe.switches()))
    resolved = recipe.resolved_switches()
    yield "switches", switches_in_force({key: resolved[key] for key in of_the_network(list(resolved))}, verbose)
