"""The report of a search: Pareto front, top accuracy, correlation, the paper's rows, provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from autospikformer_cli.report.paper import PaperTable, paper_renderables
from autospikformer_cli.report.provenance import provenance_panel
from autospikformer_cli.report.rows import CandidateRow, candidate_row, row_of_alike, ties_text, top_accuracy
from autospikformer_cli.report.tables import CandidateTable
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.runs.selection import corrected_text, noise_notes, selection_notes, silence_notes, unknown_notes
from autospikformer_cli.search.fitness import Scored
from autospikformer_cli.search.hypervolume import Hypervolumes
from autospikformer_cli.search.objectives import Objective
from autospikformer_cli.units import EnergyUnit, energy_unit
from autospikformer_cli.wording import counted, shortened

BASELINE_LABEL = "baseline, no part of the population"


def search_report(
    results: SearchResults, paper: PaperTable | None = None, top: int = 10, verbose: bool = False
) -> RenderableType:
    """Everything that `aspk report` prints, energies in one unit.

    top: the most rows of the list of top accuracy. verbose: list every switch.
    """
    hypervolume = results.hypervolume
    ours = None if results.baseline is None else candidate_row(results.baseline, BASELINE_LABEL)
    front = [row_of_alike(alike) for alike in results.different_front]
    accurate = [row_of_alike(alike) for alike in top_accuracy(results.different, limit=top)]
    unit = report_unit([*front, *accurate, *([ours] if ours else [])], paper)
    measured, notes = candidates_text(results), selection_notes(results.provenance.split)
    tied, top_title = filter(None, [ties_text(results.different, top)]), f"Top accuracy: {len(accurate)} of {measured}"
    parts: list[RenderableType] = [
        Text(results.title, style="bold"),
        CandidateTable(f"{front_title(results)} of {measured}", front, ours, unit, notes, None, results.objectives),
        CandidateTable(top_title, accurate, ours, unit, [*tied, *notes], None, results.objectives),
        Text("\n".join([*_remarks(results), *(hypervolume_lines(hypervolume) if hypervolume else ())])),
        *(paper_renderables(paper, unit) if paper else ()),
        provenance_panel(results, unit, verbose=verbose),
    ]
    return Group(*(line for part in parts for line in (part, Text())))


def front_title(results: SearchResults) -> str:
    """The number of the front's points, and that of its candidates if some share a point."""
    points, num = results.num_pareto_points, len(results.different_front)
    shared = f"{counted(points, 'point')}, {num}" if points < num else str(num)
    return f"Pareto front: {shared}"


def candidates_text(results: SearchResults) -> str:
    """How many candidates are taken of how many, and how many of them differ in what they measured."""
    ranked, taken, different = len(results.scores.ranked), len(results.taken), len(results.different)
    alike = f" ({different} different)" if different < taken else ""
    if taken < ranked:
        return f"the best {taken}{alike} by F_AEB of {ranked} candidates"
    return f"{ranked} candidate{'s' * (ranked != 1)}{alike}"


def report_unit(rows: list[CandidateRow], paper: PaperTable | None = None) -> EnergyUnit:
    """One unit for all energies of a report."""
    printed = [] if paper is None else [*paper.rows, paper.baseline]
    return energy_unit(row.energy_j for row in (*rows, *printed))


def hypervolume_lines(hypervolume: Hypervolumes) -> Iterator[str]:
    """How the dominated share of the box grew, and the box's corners; nothing before the first generation is done."""
    if not hypervolume.shares:
        return
    box, last = hypervolume.reference, len(hypervolume.shares) - 1
    steps = sorted({0, last, *(round(last * part / 4) for part in (1, 2, 3))})
    yield f"Hypervolume by generation: {', '.join(f'{hypervolume.shares[step]:.4f} ({step + 1})' for step in steps)},"
    worst = dict(zip(box.objectives, box.point, strict=True))
    fixed = [_shown(objective, value) for objective, value in worst.items() if objective.better == "more"]
    doubled = [_shown(objective, value) for objective, value in worst.items() if objective.better == "less"]
    corners = ", ".join([*fixed, *([f"{', '.join(doubled)} (twice the baseline's)"] if doubled else [])])
    yield f"share of the box from {corners}"
    best = zip(box.objectives, box.ideal, strict=True)
    yield f"to {', '.join(_shown(objective, value) for objective, value in best)}"


def _shown(objective: Objective, value: float) -> str:
    return f"{objective.label} {objective.to_text(value)}"


def _remarks(results: SearchResults) -> Iterator[str]:
    yield from search_remarks(results)
    yield from silence_notes((scored.id, scored.candidate.measurement) for scored in shown_first(results))
    yield from rejection_remarks(results)


def shown_first(results: SearchResults) -> list[Scored]:
    """The candidates whose silent blocks a report warns of: the best by F_AEB, and the front."""
    return [*results.scores.ranked[:1], *results.front]


def search_remarks(results: SearchResults) -> Iterator[str]:
    """What a reader of the tables must know of the search: what is not known, tau, noise, its own choice, prices."""
    scores, tau = results.scores, results.kendall_tau
    shown = "undefined" if tau is None else f"{tau:.2f}"
    num, taken, ranked = len(results.different), len(results.taken), len(scores.ranked)
    of = f"over {num} {'' if num == taken else 'different '}candidate{'s' * (num != 1)}"
    if taken < ranked:
        of = f"over {'' if num == taken else f'{num} different of '}the best {taken} by F_AEB"
    if results.weights_remark:
        yield f"! {results.weights_remark}"
    yield from unknown_notes(results.unknown, results.stand_ins)
    yield f"Kendall's tau between accuracy and energy: {shown} {of}"
    if results.predictor is not None:
        yield results.predictor.sentence
    yield from noise_notes(results.ranking_noise, results.provenance.split, results.recipe)
    if results.best_corrected is not None:
        first = scores.ranked[0]
        told = corrected_text(results.best_corrected, first.candidate.measurement.images)
        by = f"best by F_AEB (alpha {results.recipe.search.alpha:g})" if results.is_priced else "most accurate"
        yield f"accuracy of {first.id}, the {by}: {told}"
    if results.best is not None:
        yield f"best, the search's own choice: {results.best.id}"
    if results.best_num is not None and results.best_num > ranked:
        yield f"fewer candidates than the best {results.best_num} that are asked for: all {ranked} are taken"
    yield from results.price_remarks


def rejection_remarks(results: SearchResults) -> Iterator[str]:
    """How many candidates have no fitness, for each reason."""
    scores = results.scores
    reasons = Counter(rejected.reason for rejected in scores.rejected)
    for reason, count in sorted(reasons.items()):
        named = [rejected.candidate.id for rejected in scores.rejected if rejected.reason == reason]
        yield f"Rejected: {count} ({shortened(named, most=5, rest=', ...')}): {reason}"
