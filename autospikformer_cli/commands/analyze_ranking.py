"""Show whether the supernet ranks its subnets truly."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.cli.options import (
    ComputeOptions,
    FromScratchOption,
    RunOption,
    SearchOption,
    SetOption,
    VerboseOption,
)
from autospikformer_cli.cli.session import Session


def ranking(
    session: Session,
    compute: ComputeOptions,
    finetune: Annotated[int, typer.Option("--finetune", min=1, help="Retrain each subnet alone for N epochs.")],
    sample: Annotated[int, typer.Option("--sample", min=3, help="Retrain N subnets.")] = 12,
    from_scratch: FromScratchOption = False,
    verbose: VerboseOption = False,
    run: RunOption = None,
    search: SearchOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Retrain some of the searched subnets, each alone, and compare the two orders.

    Does the supernet rank its subnets truly? The answer is Kendall's tau-b between inherited and retrained accuracy,
    with its interval. The sample, of all that the run's searches measured, is stratified by inherited accuracy.
    Retrained subnets are kept: after an interruption, or for a larger sample, only the rest is retrained.

    Example: aspk analyze ranking --sample 12 --finetune 5
    """
    from autospikformer_cli.recipe import Decides
    from autospikformer_cli.report.provenance import fidelity_notes
    from autospikformer_cli.report.ranking_table import ranking_table
    from autospikformer_cli.runs.ranking import RankingRun
    from autospikformer_cli.runs.retraining import FOLDER
    from autospikformer_cli.runs.trained_run import open_run

    opened = open_run(run, overrides, search=search, compute=compute.set_up(), say=session)
    opened.remark_idle(overrides, Decides.TRAINING | Decides.IMAGES)
    ranked = RankingRun.open(opened, session.interruptible)
    recipe = opened.recipe
    result = ranked.retrain(ranked.sample(sample), finetune, from_scratch)
    notes = [
        f"retrained weights are kept in {opened.path / FOLDER}, a run each",
        *fidelity_notes(recipe, verbose),
    ]
    searches = f"searches {', '.join(result.searches)}"
    session.console.print(ranking_table(f"Does the supernet of {opened.path} rank truly?\n{searches}", result, notes))
    session.emit({"run": str(opened.path), **result.to_document(), **recipe.fidelity_document()})
