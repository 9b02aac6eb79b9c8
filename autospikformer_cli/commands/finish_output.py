"""What `aspk finish` shows: what it would do, and its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from autospikformer_cli.cli.session import Session
from autospikformer_cli.wording import counted, quoted

if TYPE_CHECKING:
    from autospikformer_cli.engine.names import Computes
    from autospikformer_cli.recipe import Overrides
    from autospikformer_cli.runs.finishing.options import FinishOptions
    from autospikformer_cli.runs.finishing.results import FinishResults
    from autospikformer_cli.store.runs import RunPath

DIVERGED = 2
"""The exit code if a training diverged: who reads the table alone should not take it for a whole one."""


def show_finish_plan(
    session: Session, compute: Computes, run: RunPath, overrides: Overrides, search: str | None, options: FinishOptions
) -> None:
    """What it would do."""
    from autospikformer_cli.api import open_finish
    from autospikformer_cli.report.plan_table import plan_table
    from autospikformer_cli.runs.finishing.plan import finish_plan

    finishing = open_finish(run, overrides, search, options, compute, session)
    plan = finish_plan(finishing)
    session.console.print(plan_table(f"aspk finish --run {quoted(finishing.run.path)} would", plan))
    session.emit({"run": str(finishing.run.path), **plan, **finishing.run.recipe.fidelity_document()})


def show_finish(session: Session, results: FinishResults, *, verbose: bool) -> None:
    """The table. verbose: with every switch. Raises typer.Exit if a training diverged."""
    from autospikformer_cli.cli.next_steps import after_finish
    from autospikformer_cli.report.finish_table import finish_report

    session.console.print(finish_report(results, verbose))
    after_finish(session, results.path, results.results.population.name)
    session.emit(results.to_document)
    if results.has_diverged:
        num = sum(len(row.diverged) for row in results.rows)
        session.remark(f"{counted(num, 'training')} diverged, so the table is not whole: exit code {DIVERGED}")
        raise typer.Exit(DIVERGED)
