"""The table of `aspk evaluate`: what single subnets measure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.report.energy_notes import sops_note
from autospikformer_cli.report.provenance import (
    batchnorm_text,
    fidelity_text,
    network_switches_text,
    of_the_network,
)
from autospikformer_cli.report.tables import format_accuracy, plain_table
from autospikformer_cli.runs.evaluation import EvaluationResult
from autospikformer_cli.runs.prices import unpriced_notes
from autospikformer_cli.runs.selection import selection_notes, silence_notes
from autospikformer_cli.units import (
    ABSENT,
    EnergyUnit,
    energy_unit,
    format_count,
    format_energy,
    format_share,
)

NOTE_WIDTH = 80


def evaluation_table(
    title: str, evaluations: Sequence[EvaluationResult], unit: EnergyUnit | None = None, verbose: bool = False
) -> RenderableType:
    """Evaluations side by side: one a column, one property a line. The switches in force are printed below.

    verbose: list every switch.
    """
    unit = unit or energy_unit(evaluation.energy_j for evaluation in evaluations)
    table = plain_table(title)
    table.add_column("", no_wrap=True)
    for evaluation in evaluations:
        table.add_column(Text(evaluation.label), overflow="fold")
    for name, cells in _lines(evaluations, unit):
        table.add_row(name, *map(Text, cells))
    in_force = dict.fromkeys(network_switches_text(each.recipe, verbose) for each in evaluations)
    silence = silence_notes((each.label, each.evaluation.measurement) for each in evaluations)
    marks = dict.fromkeys(
        note
        for each in evaluations
        if each.evaluation.split == each.selected_on
        for note in selection_notes(each.selected_on)
    )
    remarks = dict.fromkeys(remark for each in evaluations for remark in each.remarks)
    unpriced = dict.fromkeys(
        note for each in evaluations for note in unpriced_notes(each.recipe, each.evaluation.subnet)
    )
    counted = (sops_note(each.recipe.energy.rules) for each in evaluations if each.synaptic_events is not None)
    told = dict.fromkeys(filter(None, counted))
    notes = (*silence, *marks, *remarks, *unpriced, *told, *in_force)
    return Group(table, *(Text(textwrap.fill(text, NOTE_WIDTH)) for text in notes))


def _lines(evaluations: Sequence[EvaluationResult], unit: EnergyUnit) -> Iterator[tuple[str, list[str]]]:
    """Each property's name, and its value in each evaluation."""
    columns = [dict(_properties(each, unit)) for each in evaluations]
    for name in columns[0]:
        yield name, [column[name] for column in columns]


def _properties(result: EvaluationResult, unit: EnergyUnit) -> Iterator[tuple[str, str]]:
    evaluation, recipe, measured = result.evaluation, result.recipe, result.evaluation.measurement
    interval = binomial_interval(measured.correct, measured.images)
    events = result.synaptic_events
    yield "Candidate", str(evaluation.subnet)
    yield "Acc (%), 95 % interval", format_accuracy(measured.top1, interval)
    yield "Correct", f"{measured.correct} of {measured.images} {evaluation.split} images"
    yield "Energy an image", format_energy(result.energy_j, unit)
    yield "Params", format_count(measured.params)
    yield "Firing rate", format_share(measured.firing_rate)
    yield "Synaptic events", ABSENT if events is None else f"{format_count(events)} an image"
    yield "Engine", evaluation.provenance.engine
    yield "BatchNorm", batchnorm_text(recipe.model.batchnorm, measured.images, recipe.resolved_switches())
    yield "Silent channels", str(measured.silent_channels)
    yield "Silent layers", ", ".join(measured.silent_layers) or "none"
    yield "Fidelity", fidelity_text(recipe.fidelity, of_the_network(recipe.switches()))
