"""Compare searches: hypervolume, F_AEB, coverage, rank correlation, differences over seeds."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.cli.collection import collect_rarely
from autospikformer_cli.cli.completion import complete_run_or_search
from autospikformer_cli.cli.options import (
    AlphaOption,
    BestOption,
    ConventionOption,
    ProfileOption,
    ScoreSetOption,
    overrides_of,
)
from autospikformer_cli.cli.session import Session


def compare(
    session: Session,
    searches: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN[:SEARCH]",
            help="Searches, each by its run and its name.",
            show_default="all searches of the newest run",
            autocompletion=complete_run_or_search,
        ),
    ] = None,
    best: BestOption = None,
    alpha: AlphaOption = None,
    profile: ProfileOption = None,
    convention: ConventionOption = None,
    overrides: ScoreSetOption = [],  # noqa: B006
) -> None:
    """Compare two or more searches under common bounds and one reference point. Nothing is measured again.

    RUN alone stands for its last search; one RUN and nothing else for all of its searches; :SEARCH is of the newest
    run. Measures that disagree are said first, then what makes the comparison unfair. All are priced as the first one.

    Example: aspk search --algorithm random, and then aspk compare --best 100
    """
    from autospikformer_cli.api import compare_searches
    from autospikformer_cli.report.comparison_report import comparison_report

    collect_rarely()
    by_key = {"energy.profile": profile, "energy.convention": convention, "search.alpha": alpha}
    found = compare_searches(searches or (), overrides_of(overrides, by_key), best=best)
    session.console.print(comparison_report(found))
    session.emit(found.to_document)
