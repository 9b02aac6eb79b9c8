"""Search a supernet's subnets for accuracy and little energy."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.cli.session import Session


def search(
    session: Session,
    alpha: Annotated[
        float | None, typer.Option("--alpha", help="Weight of energy in the fitness, 0 to 1 (search.alpha).")
    ] = None,
    algorithm: Annotated[
        str | None,
        typer.Option("--algorithm", help="evolution, random, nsga2, exhaustive, or a plugin's (search.algorithm)."),
    ] = None,
    max_params: Annotated[
        float | None, typer.Option("--max-params", help="Most parameters of a subnet (search.limits.params).")
    ] = None,
    max_energy: Annotated[
        float | None, typer.Option("--max-energy", help="Most joules an image, as 1e-6 (search.limits.energy).")
    ] = None,
    max_sops: Annotated[
        float | None, typer.Option("--max-sops", help="Most synaptic operations an image (search.limits.sops).")
    ] = None,
    max_time_step: Annotated[
        int | None, typer.Option("--max-time-step", help="Most time steps (search.limits.time_step).")
    ] = None,
    executor: Annotated[
        str,
        typer.Option("--executor", help="in-process, processes, ray (plugin aspk-ray): where subnets are measured."),
    ] = "in-process",
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="How many processes measure, with --executor.")
    ] = None,
    address: Annotated[
        str | None, typer.Option("--address", help="A cluster's address, with --executor ray: auto, or HOST:PORT.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Search and measure anew; the old population is kept.")
    ] = False,
    recount: Annotated[
        bool,
        typer.Option("--recount", help="Measure again what an older aspk stored with fewer counts; search nothing."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; run nothing.")] = False,
) -> None:
    """Search a run's supernet by evolution under F_AEB, or otherwise; a search that has begun goes on where it stopped.

    Another search of the same run, as with another --alpha, keeps the one before beside it, and takes what was
    measured before under the same conditions.

    Example: aspk search --alpha 0.5
    """
    from autospikformer_cli.evaluation.executors import ExecutorOptions
    from autospikformer_cli.recipe import option_text
    from autospikformer_cli.report.document import search_document
    from autospikformer_cli.report.plan_table import plan_table
    from autospikformer_cli.report.provenance import selection_notes
    from autospikformer_cli.report.units import format_energy
    from autospikformer_cli.runs.assembly import open_run, open_searched
    from autospikformer_cli.runs.plans import search_plan
    from autospikformer_cli.runs.results import score_population
    from autospikformer_cli.runs.searching.recount import recount as measure_again
    from autospikformer_cli.runs.searching.search import SearchRun
    from autospikformer_cli.runs.searching.search_files import NOT_OF_A_SEARCH
    from autospikformer_cli.search.fronts import pareto_front
    from autospikformer_cli.store.runs import resolve_run, run_lock

    given: dict[tuple[str, str], float | str | None] = {
        ("--alpha", "search.alpha"): alpha,
        ("--algorithm", "search.algorithm"): algorithm,
        ("--max-params", "search.limits.params"): max_params,
        ("--max-energy", "search.limits.energy"): max_energy,
        ("--max-sops", "search.limits.sops"): max_sops,
        ("--max-time-step", "search.limits.time_step"): max_time_step,
    }
    options = [option_text(option, key, value) for (option, key), value in given.items() if value is not None]
    path = resolve_run(session.run)
    keys = {override.partition("=")[0].strip() for override in session.overrides}
    goes_on = not (fresh or options or keys - {*NOT_OF_A_SEARCH})
    run = open_searched(path, session) if goes_on else open_run(path, session, options)
    if dry_run:
        plan = search_plan(run.recipe, session.precision, run.engine.name)
        session.console.print(plan_table(f"aspk search --run {run.path} would", plan))
        session.emit({**plan, **run.recipe.fidelity_document()})
        return
    with run_lock(run.path):
        options_there = ExecutorOptions(workers, address, session.remark)
        population = measure_again(run) if recount else SearchRun(run, executor, options_there).search(fresh)
    results = score_population(run.path, population, run.recipe)
    ranked = results.scores.ranked
    if ranked:
        best = ranked[0]
        rejected = f" ({len(results.scores.rejected)} rejected)" if results.scores.rejected else ""
        measured = f"{len(population.candidates)} subnets measured{rejected}"
        session.console.print(
            f"{run.path}: {measured}, {len(pareto_front(ranked))} on the Pareto front; best by "
            f"F_AEB (alpha {results.provenance.alpha:g}): {best.id}, {best.top1:.2f} %, {format_energy(best.energy_j)}",
            markup=False,
            soft_wrap=True,
        )
        for note in selection_notes(results.provenance.split):
            session.console.print(note, markup=False, soft_wrap=True)
    if algorithm_note := results.provenance.note:
        session.remark(algorithm_note)
    session.remark(f"next: aspk report --run {run.path}")
    session.emit(search_document(results.scores, results.baseline, results.provenance, results.hypervolume))
