"""The table of `aspk finish`: networks retrained and tested, what they are compared with, and how it was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from autospikformer_cli.report.provenance import batchnorm_text, fidelity_text, of_the_network, switches_in_force
from autospikformer_cli.report.tables import MAX_WIDTH, PageTable, noted, plain_table
from autospikformer_cli.runs.finishing.results import FinishResults, FinishRow
from autospikformer_cli.units import ABSENT, EnergyUnit, energy_unit, format_count
from autospikformer_cli.wording import counted

_FRAME = len("│ BatchNorm  ") + len(" │")
"""Columns of the panel that are not its text."""


def finish_report(found: FinishResults) -> RenderableType:
    """The table, with what is more than chance, what diverged, and a panel that says how numbers were obtained."""
    unit = energy_unit(row.energy_j for row in found.rows if row.energy_j is not None)
    table = plain_table(f"Finished: {found.title}")
    for name in ("Network", "Weights"):
        table.add_column(name, no_wrap=True)
    for name in (
        f"Acc (%)\n{counted(found.images, 'test image')}",
        f"Energy\n({unit.symbol})",
        "of\nbaseline",
        "Params",
        "T",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    before = None
    for row in found.rows:
        if before not in (None, row.network):
            table.add_section()
        table.add_row(*map(Text, _cells(row, found, unit)))
        before = row.network
    return Group(noted(table, list(_notes(found))), _panel(found))


def _cells(row: FinishRow, found: FinishResults, unit: EnergyUnit) -> Sequence[str]:
    share = found.share_of_baseline(row)
    return (
        row.network.name,
        row.way,
        _accuracy(row),
        ABSENT if row.energy_j is None else unit.number(row.energy_j),
        ABSENT if share is None else f"{share:.2f}",
        ABSENT if row.params is None else format_count(row.params),
        str(row.time_step),
    )


def _accuracy(row: FinishRow) -> str:
    if row.top1 is None:
        return "diverged"
    mark = "!" if row.diverged else ""
    return f"{row.top1:.2f}{mark}" if row.deviation is None else f"{row.top1:.2f} ± {row.deviation:.2f}{mark}"


def _notes(found: FinishResults) -> Iterator[str]:
    seeds = counted(len(found.seeds), "seed")
    if len(found.seeds) > 1:
        yield f"Acc ±: mean and standard deviation of the trainings with {seeds}; Energy: their mean"
    yield "Weights: inherited from the supernet, retrained from these, or trained alone from scratch"
    for row in found.rows:
        for each in row.diverged:
            seed = "" if each.seed is None else f", seed {each.seed}"
            yield f"! {row.label}{seed}: {each.why}"


def _panel(found: FinishResults) -> Panel:
    grid = PageTable.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", max_width=MAX_WIDTH - _FRAME)
    for name, value in _provenance(found):
        grid.add_row(Text(name, style="bold"), Text(value))
    return Panel(grid, title="How these numbers were obtained", title_align="left", expand=False)


def _provenance(found: FinishResults) -> Iterator[tuple[str, str]]:
    recipe, measured = found.recipe, found.results.provenance
    on = "validation images too" if found.all_images else "without validation images"
    yield "accuracy", f"all {found.images:,} test images of {recipe.data.dataset}, each network tested once a training"
    seeds = ", ".join(map(str, found.seeds))
    yield "trainings", f"{counted(found.epochs, 'epoch')} on {found.train_images:,} images ({on}); seeds {seeds}"
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
    yield "switches", switches_in_force({key: resolved[key] for key in of_the_network(list(resolved))}, verbose=False)
