"""Train a supernet from a recipe, or resume it."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.session import Session


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
    from autospikformer_cli.store.runs import named_run, new_run, prepared_run, resolve_run, run_lock
    from autospikformer_cli.store.supernet import read_training

    if recipe is None:
        begun = read_training(resolve_run(session.run))
        resolved = recipe_from_toml(begun.recipe_toml, begun.recipe_name, session.overrides)
    else:
        resolved = load_recipe(recipe, session.overrides)
    if dry_run:
        plan = training_plan(resolved, session.precision)
        session.console.print(plan_table(f"aspk train {resolved.name} would", plan))
        session.emit(plan)
        return
    if session.run is not None:
        path = prepared_run(session.run)
    elif recipe is None:
        path = resolve_run(None)
    else:
        path = new_run(resolved.name) if fresh else named_run(resolved.name)

    from autospikformer_cli.runs.training import TrainingRun
    from autospikformer_cli.training.paths import sampled_paths

    space = resolved.space.search_space()
    paths = sampled_paths(space, resolved.seed, resolved.train.sampling)
    with run_lock(path):
        _, state = TrainingRun(path, resolved, session, paths, (space.largest(), space.smallest())).run(
            f"training {resolved.name}"
        )
    last = state.history[-1]
    session.console.print(
        f"{path}: trained for {state.epoch} epochs; top-1 on validation: largest subnet "
        f"{last.val_top1_largest:.2f} %, smallest {last.val_top1_smallest:.2f} %",
        markup=False,
    )
    session.say(f"next: aspk search --run {path}")
    images = sum(record.images_per_second * record.seconds for record in state.history)
    session.emit(
        {
            "run": str(path),
            "recipe": resolved.name,
            "epochs": state.epoch,
            "steps": sum(record.steps for record in state.history),
            "images_per_second": images / sum(record.seconds for record in state.history),
            "val_top1_largest": last.val_top1_largest,
            "val_top1_smallest": last.val_top1_smallest,
        }
    )
