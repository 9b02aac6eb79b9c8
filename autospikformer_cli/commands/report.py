"""Show a run's Pareto tables, next to the paper's, draw its figures, or make a table or a text for a paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autospikformer_cli.cli import report_options as own
from autospikformer_cli.cli import table_options as tables
from autospikformer_cli.cli.collection import collect_rarely
from autospikformer_cli.cli.options import (
    AlphaOption,
    BestOption,
    ConventionOption,
    ProfileOption,
    ScoreSetOption,
    SearchOption,
    VerboseOption,
    overrides_of,
)
from autospikformer_cli.cli.session import Session
from autospikformer_cli.commands.report_figures import FigureWish
from autospikformer_cli.commands.report_sweep import SweepWish
from autospikformer_cli.commands.report_tables import TableWish
from autospikformer_cli.commands.report_watch import WatchWish

if TYPE_CHECKING:
    from autospikformer_cli.runs.results import SearchResults


def report(
    session: Session,
    alpha: AlphaOption = None,
    best: BestOption = None,
    top: own.TopOption = None,
    alpha_sweep: own.AlphaSweepOption = False,
    watch: own.WatchOption = False,
    figure: own.FigureOption = None,
    to: own.ToOption = None,
    figures: own.FiguresOption = None,
    against: own.AgainstOption = None,
    intervals: own.IntervalsOption = False,
    width: own.WidthOption = None,
    subnet: own.RatesOption = None,
    table: tables.TableOption = None,
    methods: tables.MethodsOption = False,
    format: tables.FormatOption = None,  # noqa: A002
    literature: tables.LiteratureOption = False,
    profile: ProfileOption = None,
    convention: ConventionOption = None,
    verbose: VerboseOption = False,
    run: tables.RunsOption = [],  # noqa: B006
    search: SearchOption = None,
    overrides: ScoreSetOption = [],  # noqa: B006
) -> None:
    """Show what a run's search found. Nothing is measured again.

    --alpha, --profile, --convention and --set change scores and energies, which are computed from the stored counts.
    --set takes search.alpha, normalise, bounds, percentile, limits, objectives, and energy.*.
    --figure draws a figure of a paper, --table makes a table, --methods says how it was measured.
    --watch shows a search while another process runs it, and prints the report at its end: aspk report --watch

    Example: aspk report --alpha 0.3 --convention strict
    """
    from autospikformer_cli.api import read_results
    from autospikformer_cli.report.asked_table import only_run

    collect_rarely()
    others = {"--alpha-sweep": alpha_sweep, "--verbose": verbose}
    made = {"--figure": figure, "--figures": figures, "--table": table, "--methods": methods}
    live = WatchWish(watch, top or own.TOP, best, verbose)
    watches = live.is_given({**made, "--alpha-sweep": alpha_sweep})
    asked = TableWish(table, methods, format, literature, to, top, best)
    makes_table = asked.is_given({**others, "--figure": figure is not None, "--figures": figures is not None})
    wish = FigureWish(figure, figures, None if makes_table else to, against, intervals, best, width, subnet)
    draws = wish.is_given({"--top": top is not None, **others})
    sweep = SweepWish(alpha_sweep, alpha, best, top, tuple(overrides), verbose)
    sweeps = sweep.is_given()
    given = overrides_of(overrides, {"energy.profile": profile, "energy.convention": convention, "search.alpha": alpha})
    if watches:
        live.follow(session, only_run(run), given, search)
    elif makes_table:
        asked.show(session, run, given, search)
    elif draws:
        wish.draw(session, only_run(run), given, search)
    elif sweeps:
        sweep.show(session, only_run(run), given, search)
    else:
        _show(session, read_results(only_run(run), given, search=search, best=best), top or own.TOP, verbose)


def _show(session: Session, results: SearchResults, top: int, verbose: bool) -> None:
    from autospikformer_cli.report.paper import paper_table_for
    from autospikformer_cli.report.search_report import search_report

    paper = paper_table_for(results.recipe.space.search_space(), results.recipe.data.dataset)
    session.console.print(search_report(results, paper, top, verbose))
    session.emit(results.to_document)
