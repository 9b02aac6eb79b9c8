"""What `aspk finish` shows: what it would do, and its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from autospikformer_cli.cli.session import Session
from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    from autospikformer_cli.engine.names import Computes
    from autospikformer_cli.recipe import Overrides
    from autospikformer_cli.runs.finishing.results import FinishResults
    from autospikformer_cli.store.runs import RunPath

DIVERGED = 2
"""The exit code if a training diverged: who reads the table alone should not take it for a whole one."""


def require_one_choice(front: bool, best: int | None) -> None:
    """Raises UserError if both the front and the best are asked for."""
    if front and best is not None:
        raise UserError("--front and --best name different networks", "--front", "leave one of the two out")


def show_finish_plan(
    session: Session, compute: Computes, run: RunPath, overrides: Overrides, search: str | None, best: int | None,
    epochs: int | None, seeds: int,
) -> None:  # fmt: skip
    """What it would do."""
    from autospikformer_cli.api import open_finish
    from autospikformer_cli.report.plan_table import plan_table
    from autospikformer_cli.runs.finishing.plan import finish_plan

    finishing = open_finish(run, overrides, search, best, epochs, seeds, compute, session)
    plan = finish_plan(finishing)
    session.console.print(plan_table(f"aspk finish --run {finishing.run.path} would", plan))
    session.emit({"run": str(finishing.run.path), **plan, **finishing.run.recipe.fidelity_document()})


def show_finish(session: Session, results: FinishResults) -> None:
    """The table. Raises typer.Exit if a training diverged."""
    from autospikformer_cli.report.finish_table import finish_report

    session.console.print(finish_report(results))
    session.emit(results.to_document)
    if results.has_diverged:
        raise typer.Exit(DIVERGED)
