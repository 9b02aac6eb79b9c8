"""The report itself, as `aspk report` shows it if nothing else is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autospikformer_cli.cli.session import Session

if TYPE_CHECKING:
    from autospikformer_cli.recipe import Override


def show_report(
    session: Session, run: str | None, given: list[str | Override], search: str | None, best: int | None, top: int,
    verbose: bool,
) -> None:  # fmt: skip
    """Print it, or emit its document. given: what decides scores. top: rows of top accuracy. Raises UserError."""
    from autospikformer_cli.api import read_results
    from autospikformer_cli.cli.next_steps import after_report
    from autospikformer_cli.report.paper import paper_table_for
    from autospikformer_cli.report.search_report import search_report

    results = read_results(run, given, search=search, best=best)
    paper = paper_table_for(results.recipe.space.search_space(), results.recipe.data.dataset)
    session.console.print(search_report(results, paper, top, verbose))
    if results.best is not None:
        after_report(session, results.path, results.population.name, results.provenance.split)
    session.emit(results.to_document)
