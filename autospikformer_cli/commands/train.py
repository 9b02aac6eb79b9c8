"""Train a supernet from a recipe, or resume it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autospikformer_cli.cli.session import Session

if TYPE_CHECKING:
    from autospikformer_cli.store.supernet import EpochRecord, TrainState


def train(
    session: Session,
    recipe: Annotated[str | None, typer.Argument(metavar="RECIPE", help="A recipe's name, or a .toml file.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start a new run beside the one that is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; run nothing.")] = False,
) -> None:
    """Train a recipe's supernet in runs/RECIPE (or --run); a run that has begun goes on where it stopped.

    Without RECIPE: the run's own, that is the newest run's or that of --run.

    Example: aspk train quickstart --set train.epochs=5
    """
    from autospikformer_cli.recipe import load_recipe, recipe_from_toml
    from autospikformer_cli.report.plan_table import plan_table
    from autospikformer_cli.runs.plans import training_plan
    from autospikformer_cli.store.runs import is_run, new_run, prepared_run, resolve_run, run_lock, runs_folder
    from autospikformer_cli.store.supernet import read_training

    if recipe is None:
        begun = read_training(resolve_run(session.run))
        resolved = recipe_from_toml(begun.recipe_toml, begun.recipe_name, session.overrides)
    else:
        resolved = load_recipe(recipe, session.overrides)
    if dry_run:
        plan = training_plan(resolved, session.precision)
        session.console.print(plan_table(f"aspk train {resolved.name} would", plan))
        session.emit({**plan, **resolved.fidelity_document()})
        return

    from autospikformer_cli.runs.training import TrainingRun
    from autospikformer_cli.training.paths import sampled_paths

    space = resolved.space.search_space()
    paths = sampled_paths(space, resolved.seed, resolved.train.sampling)
    training = TrainingRun(resolved, session, paths, (space.largest(), space.smallest()))
    named = session.run or runs_folder() / resolved.name
    path = resolve_run(None) if session.run is None and recipe is None else named
    if fresh or not is_run(path):
        training.require_startable()
        path = new_run(named) if fresh else prepared_run(path)
    with run_lock(path):
        _, state = training.run(path, f"training {resolved.name}")
    session.console.print(f"{path}: {_summary(state)}", markup=False)
    session.remark(f"next: aspk search --run {path}")
    session.emit({**_document(path, resolved.name, state.history), **resolved.fidelity_document()})


def _summary(state: TrainState) -> str:
    if not state.history:
        return "its weights were imported, there is nothing to train"
    last = state.history[-1]
    return (
        f"trained for {state.epoch} epoch{'s' * (state.epoch != 1)}; top-1 on validation: largest subnet "
        f"{last.val_top1_largest:.2f} %, smallest {last.val_top1_smallest:.2f} %"
    )


def _document(path: Path, recipe: str, history: Sequence[EpochRecord]) -> dict[str, object]:
    """history: empty where the weights were imported."""
    images = sum(record.images_per_second * record.seconds for record in history)
    return {
        "run": str(path),
        "recipe": recipe,
        "epochs": len(history),
        "steps": sum(record.steps for record in history),
        "images_per_second": images / sum(record.seconds for record in history) if history else None,
        "val_top1_largest": history[-1].val_top1_largest if history else None,
        "val_top1_smallest": history[-1].val_top1_smallest if history else None,
    }
