"""Train a supernet from a recipe, or resume it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from autospikformer_cli.cli.completion import complete_recipe
from autospikformer_cli.cli.launched import launched
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
    from autospikformer_cli.commands.train_output import show_training, show_training_plan

    with launched(session, compute) as (ranks, session, compute):
        ranks.require_same({"arguments": repr((recipe, run, fresh, dry_run, tracker, timing, trace, overrides))})
        begun_in, resolved = ranks.from_first(partial(_asked_for, recipe, run, overrides))
        if not dry_run:
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
                ranks=ranks,
            )
            if ranks.is_first:
                show_training(session, result)
        elif ranks.is_first:
            show_training_plan(session, resolved, begun_in, compute, fresh=fresh)


def _asked_for(recipe: str | None, run: RunPath, overrides: Sequence[str]) -> tuple[RunPath, Recipe]:
    """The folder of the run that goes on, or that is named, and the recipe to train."""
    from autospikformer_cli.recipe import load_recipe, recipe_from_toml
    from autospikformer_cli.store.runs import resolve_run
    from autospikformer_cli.store.supernet import read_training

    if recipe is not None:
        return run, load_recipe(recipe, overrides)
    path = resolve_run(run)
    begun = read_training(path)
    return path, recipe_from_toml(begun.recipe_toml, begun.recipe_name, overrides)
