"""What `aspk energy` reports of one network: tables and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from autospikformer_cli.energy.results import NetworkEnergy
from autospikformer_cli.errors import UserError
from autospikformer_cli.report.energy_charts import bar_chart, heat_map
from autospikformer_cli.report.energy_comparison import ann_table, conventions_table
from autospikformer_cli.report.energy_notes import energy_notes, module_notes, module_warnings, sops_note
from autospikformer_cli.report.energy_table import energy_table
from autospikformer_cli.report.figures.rates import FIRING_RATE_LABEL, INPUT_RATE
from autospikformer_cli.report.paper import paper_ann_energy
from autospikformer_cli.report.provenance import fidelity_notes
from autospikformer_cli.runs.selection import selection_notes


def energy_tables(found: NetworkEnergy, compare: bool, ann: bool, verbose: bool = False) -> Iterator[Table]:
    """The table of layers, then, if asked for, those of all conventions and of the ANN. Raises MissingCounts.

    verbose: list every switch.
    """
    notes = list(_notes(found, verbose))
    partial = found.module is not None and found.module.unattributed
    title = f"Energy of {found.title}{', of what could be counted' if partial else ''}"
    yield energy_table(_titled(title, found), found.report.layers, notes=notes)
    if compare:
        yield conventions_table(_titled(f"{title} by convention", found), list(found.under_all_conventions()))
    if ann:
        paper = None
        if found.subnet is not None and found.recipe is not None:
            paper = paper_ann_energy(found.subnet, found.recipe.data.dataset)
        yield ann_table(_titled(f"{title}, and of its ANN", found), found.comparison, paper_ann_j=paper)


def _titled(title: str, found: NetworkEnergy) -> str:
    """The title, and under it the run and the search that the subnet is from."""
    return f"{title}\n{found.origin}" if found.origin else title


def _notes(found: NetworkEnergy, verbose: bool) -> Iterator[str]:
    source = found.source if found.engine is None else f"{found.source}, engine {found.engine}"
    yield from energy_notes(found.report, found.comparison, found.rules, found.energy.hardware, source)
    note, layers = sops_note(found.rules), found.report.layers
    is_measured = found.module is None and found.engine is not None
    if note is not None and is_measured and any(layer.sops is not None for layer in layers):
        yield note
    if found.module is not None:
        read = found.network.operations[found.rules.order]
        whole = [f"{each.name} (up to {each.largest_input})" for each in read if each.input_kind == "integer"]
        if whole:
            yield f"whole numbers, a value n read as n spikes (divide a pixel's bytes by 255): {', '.join(whole)}"
        yield from module_notes(found.module)
        yield from module_warnings(found)
    yield from selection_notes(found.selected_on)
    yield from found.remarks
    if found.recipe is not None:
        yield from fidelity_notes(found.recipe, verbose)


def draw(found: NetworkEnergy, chart: Path | None, heatmap: Path | None) -> None:
    """Draw the pictures that are asked for. Raises UserError if one cannot be made."""
    if heatmap is not None and not any(rates for _, rates in found.step_rates):
        if found.module is not None:
            raise UserError(
                "the module has no spikes by time step to draw", "--heatmap", "name T: --input-layout TNCHW"
            )
        fix = "leave the rates out to read a run's"
        raise UserError("given rates have no time steps to draw", "--heatmap", fix)
    if chart is not None:
        prices = f"profile {found.energy.hardware.name}, convention {found.rules.name}"
        bar_chart(chart, f"Energy of {found.title}; {prices}", found.report.layers)
    if heatmap is not None:
        scale = FIRING_RATE_LABEL if found.module is None else INPUT_RATE
        heat_map(heatmap, f"{scale.splitlines()[0]} of {found.title}", found.step_rates, scale)
