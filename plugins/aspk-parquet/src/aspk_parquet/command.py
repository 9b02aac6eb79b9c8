"""Write a run's candidates as a Parquet file, for pandas or DuckDB."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autospikformer_cli.cli.options import RunOption, SearchOption
from autospikformer_cli.cli.session import Session


def parquet(
    session: Session,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="The file to write.", show_default="candidates.parquet in the run"),
    ] = None,
    run: RunOption = None,
    search: SearchOption = None,
) -> None:
    """Write a search's candidates as a Parquet file, one row for each.

    Example: aspk parquet --to candidates.parquet
    """
    from aspk_parquet.table import candidates_table, write_table
    from autospikformer_cli.store.population import load_population
    from autospikformer_cli.store.runs import resolve_run

    path = resolve_run(run)
    population = load_population(path, search)
    file = to or path / "candidates.parquet"
    write_table(candidates_table(population), file)
    session.emit({"file": str(file), "candidates": len(population.candidates)})
    session.console.print(f"{len(population.candidates)} candidates in {file}", markup=False, soft_wrap=True)
