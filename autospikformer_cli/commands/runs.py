"""List the runs: recipe, state, date, best so far."""

from __future__ import annotations

from autospikformer_cli.cli.session import Session


def runs(session: Session) -> None:
    """List the runs under runs/ (or ASPK_RUNS), newest first.

    Example: aspk runs --json
    """
    from rich.markup import escape
    from rich.table import Table

    from autospikformer_cli.store.runs import TRAIN_FIRST, list_runs, runs_folder

    summaries = list_runs()
    table = Table("run", "recipe", "state", "last written", "best top-1")
    for run in summaries:
        best = "-" if run.best_top1 is None else f"{run.best_top1:.2f} % on {run.split}"
        table.add_row(escape(run.name), escape(run.recipe or "-"), run.state, f"{run.date:%Y-%m-%d %H:%M}", best)
    if summaries:
        session.console.print(table)
    else:
        session.console.print(f"there is no run under {runs_folder()}; {TRAIN_FIRST}", markup=False)
    session.emit(
        {
            "runs": [
                {
                    "name": run.name,
                    "recipe": run.recipe,
                    "state": run.state,
                    "date": run.date.isoformat(timespec="seconds"),
                    "best_top1": run.best_top1,
                    "split": run.split,
                }
                for run in summaries
            ]
        }
    )
