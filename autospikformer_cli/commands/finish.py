"""Retrain what a search found, test each network once, and compare."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from autospikformer_cli.bounds import MOST_EPOCHS, MOST_NETWORKS, MOST_SEEDS
from autospikformer_cli.cli.options import (
    ComputeOptions,
    ConventionOption,
    DryRunOption,
    ProfileOption,
    RunOption,
    SearchOption,
    SetOption,
    VerboseOption,
    overrides_of,
)
from autospikformer_cli.cli.search_options import AddressOption, TaskExecutorOption, WorkersOption
from autospikformer_cli.cli.session import Session

BestToFinishOption = Annotated[
    int | None,
    typer.Option(
        "--best", metavar="N", min=1, max=MOST_NETWORKS, help="Take the best N by F_AEB.",
        show_default="the Pareto front",
    ),
]  # fmt: skip
EpochsOption = Annotated[
    int | None,
    typer.Option(
        "--epochs", metavar="N", min=1, max=MOST_EPOCHS, help="Epochs from scratch.", show_default="the recipe's"
    ),
]
RetrainedEpochsOption = Annotated[
    int | None,
    typer.Option(
        "--retrained-epochs", metavar="N", min=1, max=MOST_EPOCHS, help="Epochs from inherited weights.",
        show_default="a fifth of --epochs",
    ),
]  # fmt: skip
ScratchTooOption = Annotated[
    bool, typer.Option("--from-scratch/--no-from-scratch", help="Train from first weights, too; ANNs have no others.")
]


def finish(
    session: Session,
    compute: ComputeOptions,
    best: BestToFinishOption = None,
    epochs: EpochsOption = None,
    retrained_epochs: RetrainedEpochsOption = None,
    from_scratch: ScratchTooOption = True,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds", metavar="N", min=1, max=MOST_SEEDS, help="Train each with N seeds, from the run's seed on."
        ),
    ] = 3,
    profile: ProfileOption = None,
    convention: ConventionOption = None,
    executor: TaskExecutorOption = None,
    workers: WorkersOption = None,
    address: AddressOption = None,
    dry_run: DryRunOption = False,
    verbose: VerboseOption = False,
    run: RunOption = None,
    search: SearchOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Retrain what a search found, test each network once, and compare all with the baseline and with ANNs.

    Each network is tested with the supernet's weights, retrained from them, and trained alone from first weights. The
    trainings see all images that are not tested. Spikformer's hand-made networks and the ANN of the same shape are
    trained alone. Each result is stored at once: the same command goes on where it was stopped.

    Exit code 2 if a training diverged: the table names it, and has all others.

    Example: aspk finish --best 3 --seeds 2
    """
    from autospikformer_cli.api import finish_search
    from autospikformer_cli.commands.finish_output import show_finish, show_finish_plan
    from autospikformer_cli.evaluation.executors import PROCESSES, ExecutorOptions, require_executor, task_executor_for
    from autospikformer_cli.runs.finishing.options import FinishOptions

    require_executor(executor or PROCESSES, ExecutorOptions(workers, address), does_tasks=True)
    given = overrides_of(overrides, {"energy.profile": profile, "energy.convention": convention})
    options = FinishOptions(best, epochs, retrained_epochs, from_scratch, seeds)
    if dry_run:
        show_finish_plan(session, compute, run, given, search, options)
        return
    computes = compute.set_up()
    results = finish_search(
        run, given, search=search, **asdict(options), executor=executor or task_executor_for(computes, workers),
        workers=workers, address=address, compute=computes, say=session, interruptible=session.interruptible,
    )  # fmt: skip
    show_finish(session, results, verbose=verbose)
