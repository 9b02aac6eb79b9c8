"""Show whether the supernet ranks its subnets truly."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.bounds import MOST_EPOCHS, MOST_NETWORKS, MOST_SEEDS
from autospikformer_cli.cli.completion import complete_run
from autospikformer_cli.cli.options import (
    ComputeOptions,
    DryRunOption,
    FromScratchOption,
    RunOption,
    SetOption,
    VerboseOption,
)
from autospikformer_cli.cli.session import Session

CalibrationsOption = Annotated[
    list[int],
    typer.Option(
        "--recalibrate", metavar="N", min=1, help="Also with BatchNorm of N images. Repeatable.", show_default=False
    ),
]
StepsOption = Annotated[
    list[int],
    typer.Option(
        "--steps", metavar="K", min=1, help="Also after training each for K steps. Repeatable.", show_default=False
    ),
]
SecondRunOption = Annotated[
    str | None,
    typer.Option("--with", metavar="RUN", help="Also averaged with a second supernet.", autocompletion=complete_run),
]


def ranking(
    session: Session,
    compute: ComputeOptions,
    finetune: Annotated[
        int, typer.Option("--finetune", min=1, max=MOST_EPOCHS, help="Retrain each subnet alone for N epochs.")
    ],
    sample: Annotated[
        int, typer.Option("--sample", min=3, max=MOST_NETWORKS, help="Retrain N subnets that span the space.")
    ] = 32,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=MOST_SEEDS, help="Retrain each with N seeds, and take the mean.")
    ] = 1,
    from_scratch: FromScratchOption = False,
    images: Annotated[
        int | None, typer.Option("--images", min=1, help="The first N validation images.", show_default="all")
    ] = None,
    recalibrate: CalibrationsOption = [],  # noqa: B006
    steps: StepsOption = [],  # noqa: B006
    averaged: SecondRunOption = None,
    dry_run: DryRunOption = False,
    verbose: VerboseOption = False,
    run: RunOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Retrain subnets that span the space, each alone, and compare their order with that of inherited weights.

    Does the supernet rank its subnets truly? The answer is Kendall's tau-b with its interval, the ceiling that noise
    leaves of it, and tau without noise. --dry-run says how many subnets are needed. Retrained subnets are kept: after
    an interruption, or for a larger sample, only the rest is retrained.

    Example: aspk analyze ranking --sample 32 --finetune 5 --seeds 2
    """
    from autospikformer_cli.recipe import Decides
    from autospikformer_cli.report.provenance import fidelity_notes
    from autospikformer_cli.report.ranking_table import ranking_table
    from autospikformer_cli.runs.fixed_by_training import keys_of_retraining
    from autospikformer_cli.runs.ranking import RankingRun, RankingSettings
    from autospikformer_cli.runs.retraining import FOLDER
    from autospikformer_cli.runs.trained_run import open_run

    computes, may_change = compute.set_up(), keys_of_retraining()
    opened = open_run(run, overrides, searched=False, compute=computes, say=session, may_change=may_change)
    opened.remark_idle(overrides, Decides.TRAINING)
    settings = RankingSettings(
        sample, finetune, from_scratch, seeds, images, tuple(recalibrate), tuple(steps), averaged
    )
    ranked = RankingRun.open(opened, settings, session.interruptible)
    if dry_run:
        plan = ranked.plan()
        session.console.print("\n".join(plan.lines), markup=False, highlight=False)
        session.emit({"run": str(opened.path), **plan.to_document(), **opened.recipe.fidelity_document()})
        return
    result = ranked.rank()
    notes = [
        f"retrained weights are kept in {opened.path / FOLDER}, a run each",
        *fidelity_notes(opened.recipe, verbose),
    ]
    session.console.print(ranking_table(f"Does the supernet of {opened.path} rank truly?", result, notes))
    session.remark(f"next: {ranked.next_command(result, overrides)}")
    session.emit({"run": str(opened.path), **result.to_document(), **opened.recipe.fidelity_document()})
