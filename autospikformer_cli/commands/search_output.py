"""What `aspk search` shows: what it would do, and what it found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.cli.session import Session
from autospikformer_cli.errors import UserError
from autospikformer_cli.wording import counted, quoted

if TYPE_CHECKING:
    from autospikformer_cli.engine.names import Computes
    from autospikformer_cli.recipe import Overrides
    from autospikformer_cli.runs.comparing.comparison import SearchComparison
    from autospikformer_cli.runs.results import SearchResults
    from autospikformer_cli.store.runs import RunPath


def require_together(
    alphas: list[float], several: bool, name: str | None, fresh: bool, recount: bool, dry_run: bool,
    front: Path | None,
) -> None:  # fmt: skip
    """Raises UserError for options that exclude each other, for an alpha that is given twice, and for a bad --front."""
    from autospikformer_cli.commands.search_front import require_front

    require_front(front, several, dry_run)
    if recount and (fresh or dry_run):
        other = "--fresh" if fresh else "--dry-run"
        raise UserError("--recount measures again what is there", other, "leave one of the two out")
    twice = next((alpha for alpha in alphas if alphas.count(alpha) > 1), None)
    if twice is not None:
        raise UserError(f"alpha {twice:g} is given twice", "--alpha", "give each alpha once")
    if several and name is not None:
        raise UserError(f"{name} is the name of one search, here are several", "--name", "leave it out")
    if several and fresh:
        what = "several searches share what they measure, and --fresh measures everything anew"
        raise UserError(what, "--fresh", "leave it out, or search anew one after the other")
    if several and recount:
        raise UserError("--recount is of one search", "--recount", "leave out --seeds, and all but one --alpha")


def show_plan(
    session: Session, compute: Computes, run: RunPath, overrides: Overrides, name: str | None, fresh: bool,
    num_searches: int,
) -> None:  # fmt: skip
    """What a search would do, or each of several."""
    from autospikformer_cli.report.plan_table import plan_table
    from autospikformer_cli.runs.pace import search_pace
    from autospikformer_cli.runs.plans import search_plan
    from autospikformer_cli.runs.searching.search import SearchRun
    from autospikformer_cli.runs.trained_run import run_to_search

    opened = run_to_search(run, overrides, name=name, fresh=fresh, compute=compute, say=session)
    SearchRun(opened, name=name).check(fresh)
    pace = search_pace(opened.path)
    plan = search_plan(opened.recipe, compute.precision, opened.engine_name, pace, session)
    each = "" if num_searches == 1 else f"each of {num_searches} searches by "
    session.console.print(plan_table(f"{each}aspk search --run {quoted(opened.path)} would", plan))
    session.emit({"searches": num_searches, **plan, **opened.recipe.fidelity_document()})


def show_comparison(session: Session, found: SearchComparison) -> None:
    """Several searches under common bounds."""
    from autospikformer_cli.report.comparison_report import comparison_report

    session.console.print(comparison_report(found))
    session.emit(found.to_document)


def show_search(session: Session, results: SearchResults, front: Path | None = None) -> None:
    """The best subnet of one search, and what is to be known of it. front: the file that its front is drawn into."""
    from autospikformer_cli.cli.next_steps import after_search
    from autospikformer_cli.commands.search_front import write_front
    from autospikformer_cli.runs.prices import unpriced_notes
    from autospikformer_cli.runs.selection import corrected_text, noise_notes, selection_notes, silence_notes
    from autospikformer_cli.units import format_energy

    ranked, rejected = results.scores.ranked, results.scores.rejected
    if ranked:
        best = ranked[0]
        without = f" ({len(rejected)} rejected)" if rejected else ""
        measured = f"{len(results.population.candidates)} subnets measured{without}"
        front_points = counted(results.num_pareto_points, "point")
        session.console.print(
            f"{results.title}: {measured}, {front_points} on the Pareto front; best by F_AEB "
            f"(alpha {results.recipe.search.alpha:g}): {best.id}, {best.top1:.2f} %, {format_energy(best.energy_j)}",
            markup=False,
            soft_wrap=True,
        )
        if results.best_corrected is not None:
            told = corrected_text(results.best_corrected, best.candidate.measurement.images)
            session.console.print(f"accuracy of {best.id}: {told}", markup=False, soft_wrap=True)
        silence = silence_notes([(best.id, best.candidate.measurement)])
        noise = noise_notes(results.ranking_noise, results.provenance.split, results.recipe)
        predictor = () if results.predictor is None else (results.predictor.sentence,)
        notes = (*unpriced_notes(results.recipe), *selection_notes(results.provenance.split))
        for note in (*notes, *predictor, *silence, *noise):
            session.console.print(note, markup=False, soft_wrap=True)
    if front is not None:
        write_front(session, results, front)
    if results.note:
        session.remark(results.note)
    after_search(session, results.path)
    session.emit(results.to_document)
