"""The best subnet of an archive for every weight of energy: what a sweep of alpha finds, and what it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from autospikformer_cli.report.document import candidate_document
from autospikformer_cli.report.provenance import Provenance, bounds_document, provenance_panel, selection_notes
from autospikformer_cli.report.rows import candidate_row
from autospikformer_cli.report.search_report import BASELINE_LABEL
from autospikformer_cli.report.tables import candidate_table, format_accuracy, plain_table
from autospikformer_cli.report.units import EnergyUnit, energy_unit, format_count, format_share
from autospikformer_cli.search.fitness import Scored
from autospikformer_cli.search.fronts import pareto_front

ALPHAS = tuple(step / 10 for step in range(11))


@dataclass(frozen=True)
class AlphaSweep:
    """An archive's best subnet for each of some weights of energy.

    best: by alpha. archive: every ranked candidate, under any alpha. searches: how many files they lie in.
    """

    best: tuple[tuple[float, Scored], ...]
    archive: tuple[Scored, ...]
    searches: int

    @property
    def front(self) -> list[Scored]:
        """The Pareto front of the archive."""
        return pareto_front(self.archive)

    @property
    def found(self) -> list[str]:
        """Ids of the distinct subnets that some alpha finds."""
        return list(dict.fromkeys(scored.id for _, scored in self.best))


def alpha_sweep_report(sweep: AlphaSweep, baseline: Scored | None, provenance: Provenance) -> RenderableType:
    """The best of each alpha, the front that they are chosen from, and how the numbers were obtained; in one unit."""
    ours = None if baseline is None else replace(candidate_row(baseline, BASELINE_LABEL), fitness=None)
    front = [replace(candidate_row(scored), fitness=None) for scored in sweep.front]
    unit = energy_unit(row.energy_j for row in (*front, *([ours] if ours else [])))
    notes = selection_notes(provenance.split)
    shown = f"Pareto front: {len(front)} of {len(sweep.archive)} candidates of {_searches(sweep)}"
    parts: list[RenderableType] = [
        _best_table(sweep, unit, notes),
        candidate_table(shown, front, ours, unit, notes),
        provenance_panel(provenance, unit),
    ]
    return Group(*(line for part in parts for line in (part, Text())))


def _best_table(sweep: AlphaSweep, unit: EnergyUnit, notes: Sequence[str]) -> Table:
    title = f"Best by F_AEB for each alpha: {len(sweep.found)} of {len(sweep.archive)} candidates"
    table = plain_table(title, "\n".join([*_remarks(sweep), *notes]))
    for name in ("alpha", "Id", "Candidates", f"Energy\n({unit.symbol})", "Acc (%)", "Params", "F_AEB"):
        folds = name == "Candidates"
        justified: Literal["left", "right"] = "left" if folds or name == "Id" else "right"
        table.add_column(name, justify=justified, no_wrap=not folds, overflow="fold")
    for alpha, scored in sweep.best:
        row = candidate_row(scored)
        energy, accuracy = unit.number(row.energy_j), format_accuracy(row.top1, row.interval)
        params = format_count(scored.candidate.measurement.params)
        cells = (f"{alpha:g}", row.label, row.subnet, energy, accuracy, params, format_share(row.fitness))
        table.add_row(*map(Text, cells))
    return table


def _searches(sweep: AlphaSweep) -> str:
    return f"{sweep.searches} search{'es' * (sweep.searches != 1)}"


def _remarks(sweep: AlphaSweep) -> list[str]:
    front = {scored.id for scored in sweep.front}
    found = sum(name in front for name in sweep.found)
    hull = f"{found} of the {len(front)} subnets on the Pareto front"
    remarks = [f"A sweep of alpha finds points of the front's convex hull only: here {hull}."]
    if any("/" in scored.id for scored in sweep.archive):
        remarks.append("2/c0001: candidate c0001 of population-2.h5; --subnet takes it, too")
    return remarks


def alpha_sweep_document(sweep: AlphaSweep, baseline: Scored | None, provenance: Provenance) -> dict[str, object]:
    """The sweep as JSON: the best subnet of each alpha, the front that they are chosen from, and what they rest on."""
    return {
        "alpha_sweep": [{"alpha": alpha, **candidate_document(scored)} for alpha, scored in sweep.best],
        "pareto": [_of_no_alpha(scored) for scored in sweep.front],
        "num_candidates": len(sweep.archive),
        "num_searches": sweep.searches,
        "baseline": None if baseline is None else _of_no_alpha(baseline),
        "bounds": bounds_document(provenance.bounds),
        "provenance": provenance.to_document(),
    }


def _of_no_alpha(scored: Scored) -> dict[str, object]:
    return {key: value for key, value in candidate_document(scored).items() if key != "fitness"}
