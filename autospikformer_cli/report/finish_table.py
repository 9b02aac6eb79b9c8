"""The table of `aspk finish`: networks retrained and tested, what they are compared with, and how it was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from autospikformer_cli.energy.pricing import unpriced_text
from autospikformer_cli.report.provenance import batchnorm_text, fidelity_text, of_the_network, switches_in_force
from autospikformer_cli.report.tables import MAX_WIDTH, PageTable, format_accuracy, noted, plain_table
from autospikformer_cli.runs.finishing.results import FinishResults, FinishRow
from autospikformer_cli.runs.finishing.statistics import BaselineComparison
from autospikformer_cli.runs.prices import MOST_UNPRICED
from autospikformer_cli.units import ABSENT, EnergyUnit, energy_unit, format_count
from autospikformer_cli.wording import counted

MORE_THAN_CHANCE = "*"
_FRAME = len("│ BatchNorm  ") + len(" │")
"""Columns of the panel that are not its text."""


def finish_report(found: FinishResults, verbose: bool = False) -> RenderableType:
    """The tables, with what is more than chance, what diverged, and a panel that says how numbers were obtained."""
    parts: list[RenderableType] = [noted(_networks(found), list(_notes(found)))]
    if found.flattery:
        parts += ["", noted(_flattery(found), _flattery_notes(found))]
    return Group(*parts, "", _panel(found, verbose))


def _networks(found: FinishResults) -> PageTable:
    unit = energy_unit(row.energy_j for row in found.rows if row.energy_j is not None)
    table = plain_table(f"Finished: {found.title}")
    for name in ("Network", "Weights"):
        table.add_column(name, no_wrap=True)
    for name in ("Acc (%)", f"Energy\n({unit.symbol})", "of\nbase", "Params", "T", "Acc - base (points)", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    before = None
    for row, comparison in zip(found.rows, found.comparisons, strict=True):
        if before is not None and before != row.network:
            table.add_section()
        table.add_row(*map(Text, _cells(row, found, comparison, unit)))
        before = row.network
    return table


def _cells(
    row: FinishRow, found: FinishResults, comparison: BaselineComparison | None, unit: EnergyUnit
) -> Sequence[str]:
    share = found.share_of_baseline(row)
    return (
        row.network.name,
        row.way,
        _accuracy(row),
        ABSENT if row.energy_j is None else unit.number(row.energy_j),
        ABSENT if share is None else f"{share:.2f}",
        ABSENT if row.params is None else format_count(row.params),
        str(row.time_step),
        *(("", "") if comparison is None else _compared_cells(comparison)),
    )


def _compared_cells(comparison: BaselineComparison) -> tuple[str, str]:
    difference, p = comparison.difference, comparison.p_holm
    shown = "<.001" if p < 0.001 else f"{p:.3f}"
    mark = MORE_THAN_CHANCE if comparison.is_more_than_chance else " "
    return f"{difference.points:+.2f} ({difference.low:+.1f} to {difference.high:+.1f})", f"{shown}{mark}"


def _accuracy(row: FinishRow) -> str:
    if row.top1 is None:
        return "diverged"
    mark = "!" if row.diverged else ""
    return f"{row.top1:.2f}{mark}" if row.deviation is None else f"{row.top1:.2f}±{row.deviation:.2f}{mark}"


def _notes(found: FinishResults) -> Iterator[str]:
    if len(found.seeds) > 1:
        yield f"Acc: mean ± standard deviation of the trainings with {counted(len(found.seeds), 'seed')}"
    yield from _unpriced(found)
    yield "Weights: inherited from the supernet, retrained from these, or trained alone from scratch"
    comparisons = [each for each in found.comparisons if each is not None]
    if comparisons:
        yield "base: the baseline with weights of the same kind, on the same images; in parentheses the 95 % interval"
        yield from dict.fromkeys(f"  {each.difference.method.partition(' of ')[0]}" for each in comparisons)
        yield f"p: adjusted for {counted(len(comparisons), 'comparison')} (Holm); {MORE_THAN_CHANCE} more than chance"
    for row in found.rows:
        for each in row.diverged:
            seed = "" if each.seed is None else f", seed {each.seed}"
            yield f"! {row.label}{seed}: {each.why}"
    if found.has_diverged:
        yield f"  less than train.lr = {found.recipe.train.lr:g} may help, and trains all anew: --set train.lr=NUMBER"


def _unpriced(found: FinishResults) -> Iterator[str]:
    """Which operations are in no energy, and which networks have none at all."""
    rows = [row for row in found.rows if row.unpriced and row.tested]
    partly = dict.fromkeys(name for row in rows if row.energy_j is not None for name in row.unpriced)
    nothing = dict.fromkeys(row.network.name for row in rows if row.energy_j is None)
    if rows:
        names = list(partly) or rows[0].unpriced
        yield unpriced_text(found.recipe.energy.hardware, names, MOST_UNPRICED)
    if nothing:
        yield f"{ABSENT} no operation is priced of {', '.join(nothing)}"


def _flattery(found: FinishResults) -> PageTable:
    split = found.results.provenance.split
    table = plain_table("What choosing flatters, of inherited weights")
    table.add_column("Network", no_wrap=True)
    table.add_column("Candidate", overflow="fold")
    for name in (f"{split.capitalize()}\nacc (%)", "Flattery\n(points)", "Corrected (%)", "Test\nacc (%)"):
        table.add_column(name, justify="right", no_wrap=True)
    inherited = {row.network.name: row for row in found.rows if row.way == "inherited"}
    for each in found.flattery:
        row, accuracy = inherited[each.id], each.accuracy
        corrected = format_accuracy(accuracy.corrected, (accuracy.low, accuracy.high))
        shown = (f"{accuracy.top1:.2f}", f"{accuracy.flattery:.2f}", corrected, _accuracy(row))
        table.add_row(*map(Text, (each.id, str(row.network.subnet), *shown)))
    return table


def _flattery_notes(found: FinishResults) -> list[str]:
    measured, num = found.results.provenance, len(found.results.different)
    rule = "best by F_AEB" if found.best is not None else "front"
    others = f"on other images than the {measured.images:,} that chose it, with the 95 % interval"
    how = "many halves of these images choose, the other halves judge"
    return [f"Corrected: what the {rule} of {num:,} candidates has {others}; {how}"]


def _panel(found: FinishResults, verbose: bool) -> Panel:
    grid = PageTable.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", max_width=MAX_WIDTH - _FRAME)
    for name, value in _provenance(found, verbose):
        grid.add_row(Text(name, style="bold"), Text(value))
    return Panel(grid, title="How these numbers were obtained", title_align="left", expand=False)


def _provenance(found: FinishResults, verbose: bool) -> Iterator[tuple[str, str]]:
    recipe, measured = found.recipe, found.results.provenance
    on = "validation images too" if found.all_images else "without validation images"
    yield "accuracy", f"all {found.images:,} test images of {recipe.data.dataset}, each network tested once a training"
    if recipe.data.train_images is not None:
        on = f"as many as data.train_images takes, {on}"
    seeds = ", ".join(map(str, found.seeds))
    lengths = f"{counted(found.retrained_epochs, 'epoch')} retrained"
    if found.epochs is not None:
        lengths = f"{counted(found.epochs, 'epoch')} from scratch, {lengths}"
    yield "trainings", f"{lengths}, on {found.train_images:,} images ({on}); seeds {seeds}"
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
