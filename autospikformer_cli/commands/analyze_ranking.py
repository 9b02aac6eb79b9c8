"""Show whether the supernet ranks its subnets truly."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.cli.options import ComputeOptions, FromScratchOption, RunOption, SetOption
from autospikformer_cli.cli.session import Session


def ranking(
    session: Session,
    compute: ComputeOptions,
    finetune: Annotated[int, typer.Option("--finetune", min=1, help="Retrain each subnet alone for N epochs.")],
    sample: Annotated[int, typer.Option("--sample", min=3, help="Retrain so many subnets.")] = 12,
    from_scratch: FromScratchOption = False,
    run: RunOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Retrain a sample of the subnets that the run's searches measured, each alone, and compare the two orders.

    Shows Kendall's tau-b between inherited and retrained accuracy with its interval: does the supernet rank truly? The
    sample is stratified by inherited accuracy. What was retrained is kept, so an interrupted or a larger sample does
    only the rest.

    Example: aspk analyze ranking --sample 12 --finetune 5
    """
    from autospikformer_cli.report.provenance import fidelity_notes
    from autospikformer_cli.report.ranking_table import ranking_table
    from autospikformer_cli.runs.evaluation import FOLDER
    from autospikformer_cli.runs.ranking import RankingRun
    from autospikformer_cli.runs.trained_run import open_run

    opened = open_run(run, overrides, compute=compute.set_up(), say=session)
    ranked = RankingRun.open(opened, session.interruptible)
    recipe = opened.recipe
    result = ranked.retrain(ranked.sample(sample), finetune, from_scratch)
    notes = [
        f"retrained weights are kept in {opened.path / FOLDER}, a run each",
        *fidelity_notes(recipe.fidelity, recipe.switches(), recipe.resolved_switches()),
    ]
    session.console.print(ranking_table(f"Does the supernet of {opened.path} rank truly?", result, notes))
    session.emit({"run": str(opened.path), **result.to_document(), **recipe.fidelity_document()})
