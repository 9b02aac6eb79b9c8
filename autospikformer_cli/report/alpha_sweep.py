"""The report of a sweep of alpha: the best subnet for each weight of energy, and what a sweep cannot find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.text import Text

from autospikformer_cli.report.provenance import provenance_panel
from autospikformer_cli.report.rows import candidate_row, row_of_alike
from autospikformer_cli.report.search_report import BASELINE_LABEL
from autospikformer_cli.report.tables import CandidateTable
from autospikformer_cli.runs.results import AlphaSweep
from autospikformer_cli.runs.selection import noise_notes, selection_notes, unknown_notes
from autospikformer_cli.units import EnergyUnit, energy_unit


def alpha_sweep_report(sweep: AlphaSweep, verbose: bool = False) -> RenderableType:
    """The best subnet for each alpha, the archive's Pareto front, and how the numbers were obtained; in one unit.

    verbose: list every switch.
    """
    results = sweep.results
    ours = None if results.baseline is None else replace(candidate_row(results.baseline, BASELINE_LABEL), fitness=None)
    front = [replace(row_of_alike(alike), fitness=None) for alike in results.different_front]
    unit = energy_unit(row.energy_j for row in (*front, *([ours] if ours else [])))
    notes = selection_notes(results.provenance.split)
    shown = f"Pareto front: {len(front)} of {len(sweep.archive)} candidates of {_searches(sweep)}"
    parts: list[RenderableType] = [
        Text(f"{results.path}, searches {', '.join(sweep.searches)}", style="bold"),
        _best_table(sweep, unit, notes),
        CandidateTable(shown, front, ours, unit, notes, None, results.objectives),
        provenance_panel(results, unit, sweep.searches, verbose),
    ]
    return Group(*(line for part in parts for line in (part, Text())))


def _best_table(sweep: AlphaSweep, unit: EnergyUnit, notes: Sequence[str]) -> CandidateTable:
    title = f"Best by F_AEB for each alpha: {len(sweep.found)} of {len(sweep.archive)} candidates"
    rows = [replace(candidate_row(scored), firing_rate=None) for _, scored in sweep.best]
    alphas = [f"{alpha:g}" for alpha, _ in sweep.best]
    lines = [*_remarks(sweep), *notes]
    objectives = sweep.results.objectives
    return CandidateTable(title, rows, unit=unit, notes=lines, lead=("alpha", alphas), objectives=objectives)


def _searches(sweep: AlphaSweep) -> str:
    num = len(sweep.searches)
    return f"{num} search{'es' * (num != 1)}"


def _remarks(sweep: AlphaSweep) -> list[str]:
    front = {scored.id for scored in sweep.results.front}
    found = sum(name in front for name in sweep.found)
    hull = f"{found} of the {len(front)} subnets on the Pareto front"
    noise = noise_notes(sweep.results.ranking_noise, sweep.results.provenance.split, sweep.results.recipe)
    told = [f"! {sweep.results.weights_remark}"] if sweep.results.weights_remark else []
    remark = f"A sweep of alpha finds points of the front's convex hull only: here {hull}."
    return [*told, remark, *noise, *unknown_notes(sweep.results.unknown, sweep.results.stand_ins)]
