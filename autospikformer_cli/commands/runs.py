"""List the runs, or the searches of one run: state, date, best so far."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.cli.session import Session
from autospikformer_cli.cli.subcommands import Subcommands


def list_all(session: Session) -> None:
    """List the runs under runs/ (or ASPK_RUNS), the last written first, which is the one that commands take by default.

    The best top-1 is of the candidates that the run's searches did not reject. Damage is listed as far as a file's
    structure shows it; aspk runs show reads a run's files.

    Example: aspk runs --json
    """
    from autospikformer_cli.report.runs_table import runs_table
    from autospikformer_cli.runs.listing import list_runs
    from autospikformer_cli.store.runs import TRAIN_FIRST, runs_folder

    summaries = list_runs()
    session.emit({"runs": [run.to_document() for run in summaries]})
    if not summaries:
        session.console.print(f"there is no run under {runs_folder()}; {TRAIN_FIRST}", markup=False)
        return
    session.console.print(runs_table(summaries))


def show_searches(
    session: Session,
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="Its folder, or its name under runs/.", show_default="the last written"),
    ] = None,
) -> None:
    """List a run's searches: name, state, candidates, best, and how they were measured.

    The marked one is the present search, which commands take without --search. All of the run's files are read, so
    that damage shows.

    Example: aspk runs show quickstart
    """
    from autospikformer_cli.report.runs_table import SearchesTable, unusable_text
    from autospikformer_cli.runs.listing import list_searches, list_unusable
    from autospikformer_cli.store.runs import resolve_run
    from autospikformer_cli.store.searches import how_to_search

    path = resolve_run(run)
    searches, unusable = list_searches(path), list_unusable(path)
    session.emit(
        {
            "run": str(path),
            "searches": [search.to_document() for search in searches],
            "unusable": [file.to_document() for file in unusable],
        }
    )
    if searches:
        session.console.print(SearchesTable(f"Searches of {path}", searches, unusable))
        return
    lines = [f"{path} has no search; {how_to_search(path)}", *map(unusable_text, unusable)]
    session.console.print("\n".join(lines), markup=False, soft_wrap=True)


runs = Subcommands("list", {"list": list_all, "show": show_searches})
