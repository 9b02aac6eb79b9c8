"""Search a supernet's subnets for high accuracy and little energy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from autospikformer_cli.cli.completion import complete_algorithm, complete_executor, complete_search
from autospikformer_cli.cli.options import (
    AlphaOption,
    ComputeOptions,
    ConventionOption,
    DryRunOption,
    ProfileOption,
    RunOption,
    SetOption,
    overrides_of,
)
from autospikformer_cli.cli.session import Session

if TYPE_CHECKING:
    from autospikformer_cli.recipe import Overrides
    from autospikformer_cli.runs.results import SearchResults

AlgorithmOption = Annotated[
    str | None,
    typer.Option(
        "--algorithm",
        help="evolution, random, nsga2, exhaustive, or a plugin's (search.algorithm).",
        autocompletion=complete_algorithm,
    ),
]
MaxParamsOption = Annotated[
    str | None,
    typer.Option("--max-params", metavar="N", help="Limit on parameters, such as 50k (search.limits.params)."),
]
MaxEnergyOption = Annotated[
    str | None,
    typer.Option("--max-energy", metavar="J", help="Limit on energy an image, such as 1uJ (search.limits.energy)."),
]
MaxSopsOption = Annotated[
    str | None,
    typer.Option("--max-sops", metavar="N", help="Limit on SOPs an image, such as 2M (search.limits.sops)."),
]
MaxTimeStepOption = Annotated[
    int | None, typer.Option("--max-time-step", help="Limit on time steps (search.limits.time_step).")
]
ExecutorOption = Annotated[
    str,
    typer.Option(
        "--executor",
        help="Who measures subnets: in-process, processes, or ray (plugin aspk-ray).",
        autocompletion=complete_executor,
    ),
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Number of processes that measure, with --executor.")
]
AddressOption = Annotated[
    str | None, typer.Option("--address", help="A cluster's address, with --executor ray: auto, or HOST:PORT.")
]
NameOption = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="The search's name, for --search NAME.",
        show_default="made from its keys",
        autocompletion=complete_search,
    ),
]
FreshSearchOption = Annotated[
    bool, typer.Option("--fresh", help="Search and measure from the start; the old search is kept.")
]
RecountOption = Annotated[
    bool, typer.Option("--recount", help="Measure again what an older aspk stored with fewer counts; search nothing.")
]


def search(
    session: Session,
    compute: ComputeOptions,
    alpha: AlphaOption = None,
    algorithm: AlgorithmOption = None,
    max_params: MaxParamsOption = None,
    max_energy: MaxEnergyOption = None,
    max_sops: MaxSopsOption = None,
    max_time_step: MaxTimeStepOption = None,
    profile: ProfileOption = None,
    convention: ConventionOption = None,
    name: NameOption = None,
    executor: ExecutorOption = "in-process",
    workers: WorkersOption = None,
    address: AddressOption = None,
    fresh: FreshSearchOption = False,
    recount: RecountOption = False,
    dry_run: DryRunOption = False,
    run: RunOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Search a run's supernet by evolution under F_AEB, or otherwise. A search that has begun goes on where it
    stopped.

    Another search of the same run, for example with another --alpha, keeps the earlier one. It takes over what was
    measured under the same conditions, with its ids. --name, or the same keys again, goes on with an earlier search.

    Example: aspk search --alpha 0.5
    """
    from autospikformer_cli.api import recount_subnets, search_subnets
    from autospikformer_cli.evaluation.executors import ExecutorOptions, require_executor

    given = overrides_of(
        overrides,
        {
            "search.alpha": alpha,
            "search.algorithm": algorithm,
            "search.limits.params": max_params,
            "search.limits.energy": max_energy,
            "search.limits.sops": max_sops,
            "search.limits.time_step": max_time_step,
            "energy.profile": profile,
            "energy.convention": convention,
        },
    )
    require_executor(executor, ExecutorOptions(workers, address))
    if recount:
        _require_neither(fresh, dry_run)
    if dry_run:
        _plan(session, compute, run, given, name, fresh)
        return
    where: dict[str, Any] = {"executor": executor, "workers": workers, "address": address}
    how: dict[str, Any] = {"compute": compute, "say": session, "interruptible": session.interruptible}
    if recount:
        results = recount_subnets(run, given, search=name, **where, **how)
    else:
        results = search_subnets(run, given, name=name, fresh=fresh, **where, **how)
    _show(session, results)


def _require_neither(fresh: bool, dry_run: bool) -> None:
    """Raises UserError if --recount is not alone."""
    from autospikformer_cli.errors import UserError

    if fresh or dry_run:
        other = "--fresh" if fresh else "--dry-run"
        raise UserError("--recount measures again what is there", other, "leave one of the two out")


def _plan(
    session: Session, compute: ComputeOptions, run: RunOption, overrides: Overrides, name: str | None, fresh: bool
) -> None:
    from autospikformer_cli.report.plan_table import plan_table
    from autospikformer_cli.runs.pace import search_pace
    from autospikformer_cli.runs.plans import search_plan
    from autospikformer_cli.runs.trained_run import run_to_search

    opened = run_to_search(run, overrides, name=name, fresh=fresh, compute=compute, say=session)
    pace = search_pace(opened.path)
    plan = search_plan(opened.recipe, compute.precision, opened.engine_name, pace, session)
    session.console.print(plan_table(f"aspk search --run {opened.path} would", plan))
    session.emit({**plan, **opened.recipe.fidelity_document()})


def _show(session: Session, results: SearchResults) -> None:
    from autospikformer_cli.runs.selection import noise_notes, selection_notes, silence_notes
    from autospikformer_cli.units import format_energy

    ranked, rejected = results.scores.ranked, results.scores.rejected
    if ranked:
        best = ranked[0]
        without = f" ({len(rejected)} rejected)" if rejected else ""
        measured = f"{len(results.population.candidates)} subnets measured{without}"
        session.console.print(
            f"{results.title}: {measured}, {len(results.front)} on the Pareto front; best by F_AEB "
            f"(alpha {results.recipe.search.alpha:g}): {best.id}, {best.top1:.2f} %, {format_energy(best.energy_j)}",
            markup=False,
            soft_wrap=True,
        )
        silence = silence_notes([(best.id, best.candidate.measurement)])
        noise = noise_notes(results.ranking_noise, results.provenance.split, results.recipe)
        for note in (*selection_notes(results.provenance.split), *silence, *noise):
            session.console.print(note, markup=False, soft_wrap=True)
    if results.note:
        session.remark(results.note)
    session.remark(f"next: aspk report --run {results.path}")
    session.emit(results.to_document())
