"""Search a supernet's subnets for accuracy and little energy."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.session import Session


def search(
    session: Session,
    alpha: Annotated[
        float | None, typer.Option("--alpha", help="Weight of energy in the fitness, 0 to 1 (search.alpha).")
    ] = None,
    algorithm: Annotated[
        str | None, typer.Option("--algorithm", help="evolution or random (search.algorithm).")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Search anew; the old population is kept beside.")] = False,
    recount: Annotated[
        bool,
        typer.Option("--recount", help="Measure again what an older aspk stored with fewer counts; search nothing."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; run nothing.")] = False,
) -> None:
    """Search a run's supernet by evolution under F_AEB; a search that has begun goes on where it stopped.

    Example: aspk search --alpha 0.5
    """
    from autospikformer_cli.report.document import search_document
    from autospikformer_cli.report.plan_table import plan_table
    from autospikformer_cli.report.units import format_energy
    from autospikformer_cli.runs.assembly import open_run, open_searched
    from autospikformer_cli.runs.plans import search_plan
    from autospikformer_cli.runs.recount import recount as measure_again
    from autospikformer_cli.runs.search import SearchRun, score_population
    from autospikformer_cli.search.fronts import pareto_front
    from autospikformer_cli.store.runs import resolve_run, run_lock

    given = {"search.alpha": alpha, "search.algorithm": algorithm and f'"{algorithm}"'}
    options = [f"{key}={value}" for key, value in given.items() if value is not None]
    path = resolve_run(session.run)
    goes_on = not (fresh or options or session.overrides)
    run = open_searched(path, session) if goes_on else open_run(path, session, options)
    if dry_run:
        plan = search_plan(run.recipe, session.precision)
        session.console.print(plan_table(f"aspk search --run {run.path} would", plan))
        session.emit({**plan, **run.recipe.fidelity_document()})
        return
    with run_lock(run.path):
        population = measure_again(run) if recount else SearchRun(run).search(fresh)
    results = score_population(run.path, population, run.recipe)
    ranked = results.scores.ranked
    if ranked:
        best = ranked[0]
        session.console.print(
            f"{run.path}: {len(ranked)} subnets measured, {len(pareto_front(ranked))} on the Pareto front; best by "
            f"F_AEB (alpha {results.provenance.alpha:g}): {best.id}, {best.top1:.2f} %, {format_energy(best.energy_j)}",
            markup=False,
            soft_wrap=True,
        )
    if algorithm_note := results.provenance.note:
        session.say(algorithm_note)
    session.say(f"next: aspk report --run {run.path}")
    session.emit(search_document(results.scores, results.baseline, results.provenance))
