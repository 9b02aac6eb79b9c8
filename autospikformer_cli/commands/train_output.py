"""What `aspk train` shows when it is done, and with --dry-run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from autospikformer_cli.cli.session import Session
from autospikformer_cli.wording import quoted

if TYPE_CHECKING:
    from autospikformer_cli.cli.options import ComputeOptions
    from autospikformer_cli.recipe import Recipe
    from autospikformer_cli.runs.training import TrainingResult
    from autospikformer_cli.store.runs import RunPath


def show_training(session: Session, result: TrainingResult) -> None:
    """Print what a training reached, where its time went if that was asked for, and what to type next."""
    from autospikformer_cli.report.step_times_table import step_times_table

    session.console.print(f"{result.path}: {_summary(result)}", markup=False)
    if result.times is not None and result.times.num_steps:
        session.console.print(step_times_table(result.times.num_steps, result.times.seconds))
    session.remark(f"next: {_next_command(result)}")
    session.emit(result.to_document())


def show_training_plan(session: Session, recipe: Recipe, run: RunPath, compute: ComputeOptions, *, fresh: bool) -> None:
    """Print what a training would do. Raises UserError if the run in its folder cannot go on so."""
    from autospikformer_cli.recipe.idle import idle_remarks
    from autospikformer_cli.report.plan_table import plan_table
    from autospikformer_cli.runs.conditions import require_resumable
    from autospikformer_cli.runs.pace import training_pace
    from autospikformer_cli.runs.plans import training_plan
    from autospikformer_cli.store.runs import is_run, run_to_write, runs_folder
    from autospikformer_cli.store.supernet import read_training

    path = runs_folder() / recipe.name if run is None else run_to_write(run)
    if is_run(path) and not fresh:
        require_resumable(path, read_training(path), recipe, compute.precision)
    for remark in idle_remarks(recipe):
        session.remark(remark)
    pace = partial(training_pace, recipe, compute, compute.threads, path, session)
    plan = training_plan(recipe, compute, pace, session)
    session.console.print(plan_table(f"aspk train {recipe.name} would", plan))
    session.emit({**plan, **recipe.fidelity_document()})


def _summary(result: TrainingResult) -> str:
    state, few = result.state, result.recipe.data.train_images
    if not state.history:
        return "its weights were imported, there is nothing to train"
    (largest, smallest), trained = state.top1, f"trained for {state.epoch} epoch{'s' * (state.epoch != 1)}"
    if few is not None:
        trained += f" on {few:,} training images"
    if largest is None:
        return f"{trained}{'' if few else ' on all training images'}, none held out for validation"
    space = result.recipe.space.search_space()
    if space.largest() == space.smallest():
        return f"{trained}; top-1 on validation: {largest:.2f} %"
    others = f"smallest {smallest:.2f} %"
    return f"{trained}; top-1 on validation: largest subnet {largest:.2f} %, {others}"


def _next_command(result: TrainingResult) -> str:
    """What to type next. Without validation images, a search has nothing to select by."""
    if result.state.history and result.state.top1[0] is None:
        return f"aspk evaluate --run {quoted(result.path)} --subnet largest"
    return f"aspk search --run {quoted(result.path)}"
