"""Train a supernet from a recipe, or resume it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from autospikformer_cli.cli.completion import complete_recipe
from autospikformer_cli.cli.options import (
    ComputeOptions,
    DryRunOption,
    FreshRunOption,
    NewRunOption,
    SetOption,
    StepTimingOption,
    TraceOption,
    TrackerOption,
)
from autospikformer_cli.cli.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from autospikformer_cli.recipe import Recipe
    from autospikformer_cli.store.runs import RunPath


def train(
    session: Session,
    compute: ComputeOptions,
    recipe: Annotated[
        str | None,
        typer.Argument(metavar="RECIPE", help="A recipe's name, or a .toml file.", autocompletion=complete_recipe),
    ] = None,
    fresh: FreshRunOption = False,
    dry_run: DryRunOption = False,
    run: NewRunOption = None,
    tracker: TrackerOption = None,
    timing: StepTimingOption = False,
    trace: TraceOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Train a recipe's supernet in runs/RECIPE, or in --run. A run that has begun goes on where it stopped.

    Without RECIPE, the newest run, or that of --run, goes on with its own recipe.

    Example: aspk train quickstart --set train.epochs=5
    """
    from autospikformer_cli.api import train_supernet
    from autospikformer_cli.commands.train_output import show_training
    from autospikformer_cli.recipe import load_recipe, recipe_from_toml
    from autospikformer_cli.runs.conditions import require_resumable
    from autospikformer_cli.store.runs import is_run, resolve_run, run_to_write, runs_folder
    from autospikformer_cli.store.supernet import read_training

    begun_in: RunPath = run
    if recipe is None:
        begun_in = path = resolve_run(run)
        begun = read_training(path)
        resolved = recipe_from_toml(begun.recipe_toml, begun.recipe_name, overrides)
    else:
        resolved = load_recipe(recipe, overrides)
    if dry_run:
        path = runs_folder() / resolved.name if begun_in is None else run_to_write(begun_in)
        if is_run(path) and not fresh:
            require_resumable(path, read_training(path), resolved, compute.precision)
        _show_plan(session, compute, resolved, path)
        return
    result = train_supernet(
        resolved,
        run if fresh else begun_in,
        fresh=fresh,
        tracker=tracker,
        timing=timing,
        trace=trace,
        compute=compute.set_up(),
        say=session,
        interruptible=session.interruptible,
    )
    show_training(session, result)


def _show_plan(session: Session, compute: ComputeOptions, recipe: Recipe, path: Path) -> None:
    """Show what a training in a folder would do."""
    from autospikformer_cli.recipe.idle import idle_remarks
    from autospikformer_cli.report.plan_table import plan_table
    from autospikformer_cli.runs.pace import training_pace
    from autospikformer_cli.runs.plans import training_plan

    for remark in idle_remarks(recipe):
        session.remark(remark)
    pace = partial(training_pace, recipe, compute, compute.threads, path, session)
    plan = training_plan(recipe, compute, pace, session)
    session.console.print(plan_table(f"aspk train {recipe.name} would", plan))
    session.emit({**plan, **recipe.fidelity_document()})
