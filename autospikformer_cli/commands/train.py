"""Train a supernet from a recipe, or resume it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from autospikformer_cli.cli.completion import complete_recipe
from autospikformer_cli.cli.options import ComputeOptions, DryRunOption, FreshRunOption, NewRunOption, SetOption
from autospikformer_cli.cli.session import Session

if TYPE_CHECKING:
    from autospikformer_cli.runs.training import TrainingResult
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
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Train a recipe's supernet in runs/RECIPE, or in --run. A run that has begun goes on where it stopped.

    Without RECIPE, the newest run, or that of --run, goes on with its own recipe.

    Example: aspk train quickstart --set train.epochs=5
    """
    from autospikformer_cli.api import train_supernet
    from autospikformer_cli.recipe import load_recipe, recipe_from_toml
    from autospikformer_cli.recipe.idle import idle_remarks
    from autospikformer_cli.report.plan_table import plan_table
    from autospikformer_cli.runs.conditions import require_resumable
    from autospikformer_cli.runs.pace import training_pace
    from autospikformer_cli.runs.plans import training_plan
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
        for remark in idle_remarks(resolved):
            session.remark(remark)
        pace = partial(training_pace, resolved, compute, compute.threads, path, session)
        plan = training_plan(resolved, compute, pace, session)
        session.console.print(plan_table(f"aspk train {resolved.name} would", plan))
        session.emit({**plan, **resolved.fidelity_document()})
        return
    result = train_supernet(
        resolved,
        run if fresh else begun_in,
        fresh=fresh,
        compute=compute.set_up(),
        say=session,
        interruptible=session.interruptible,
    )
    session.console.print(f"{result.path}: {_summary(result)}", markup=False)
    session.remark(f"next: {_next_command(result)}")
    session.emit(result.to_document())


def _summary(result: TrainingResult) -> str:
    state, few = result.state, result.recipe.data.train_images
    if not state.history:
        return "its weights were imported, there is nothing to train"
    last, trained = state.history[-1], f"trained for {state.epoch} epoch{'s' * (state.epoch != 1)}"
    if few is not None:
        trained += f" on {few:,} training images"
    if last.val_top1_largest is None:
        return f"{trained}{'' if few else ' on all training images'}, none held out for validation"
    space = result.recipe.space.search_space()
    if space.largest() == space.smallest():
        return f"{trained}; top-1 on validation: {last.val_top1_largest:.2f} %"
    smallest = f"smallest {last.val_top1_smallest:.2f} %"
    return f"{trained}; top-1 on validation: largest subnet {last.val_top1_largest:.2f} %, {smallest}"


def _next_command(result: TrainingResult) -> str:
    """What to type next. Without validation images, a search has nothing to select by."""
    if result.state.history and result.state.history[-1].val_top1_largest is None:
        return f"aspk evaluate --run {result.path} --subnet largest"
    return f"aspk search --run {result.path}"
