"""Show a run's Pareto tables, next to the paper's, draw its figures, or make a page, or a table or text for a paper."""

from __future__ import annotations

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
from autospikformer_cli.commands.report_output import show_report
from autospikformer_cli.commands.report_page import PageWish
from autospikformer_cli.commands.report_sweep import SweepWish
from autospikformer_cli.commands.report_tables import TableWish
from autospikformer_cli.commands.report_watch import WatchWish


def report(
    session: Session,
    alpha: AlphaOption = None,
    best: BestOption = None,
    top: own.TopOption = None,
    alpha_sweep: own.AlphaSweepOption = False,
    watch: own.WatchOption = False,
    html: own.HtmlOption = None,
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
    --figure draws a figure of a paper, --table makes a table, --methods says how it was measured. --html writes a page
    for a browser, which ranks and prices anew without a network. --watch shows a search while another process runs it.

    Example: aspk report --alpha 0.3 --convention strict
    """
    from autospikformer_cli.report.asked_table import only_run

    collect_rarely()
    others = {"--alpha-sweep": alpha_sweep, "--verbose": verbose}
    pictures = {"--figure": figure is not None, "--figures": figures is not None}
    live = WatchWish(watch, top or own.TOP, best, verbose, html)
    watches = live.is_given({**pictures, "--table": table, "--methods": methods, "--alpha-sweep": alpha_sweep})
    page, asked = PageWish(html, best, verbose), TableWish(table, methods, format, literature, to, top, best)
    drawn = FigureWish(figure, figures, to, against, intervals, best, width, subnet)
    sweep = SweepWish(alpha_sweep, alpha, best, top, tuple(overrides), verbose)
    writes_page = not watches and page.is_given(asked, drawn, sweep)
    makes_table = not writes_page and asked.is_given({**others, **pictures})
    draws = not writes_page and drawn.is_given({"--top": top is not None, **others}, makes_table)
    given = overrides_of(overrides, {"energy.profile": profile, "energy.convention": convention, "search.alpha": alpha})
    if watches:
        live.follow(session, only_run(run), given, search)
    elif writes_page:
        page.write(session, only_run(run), given, search)
    elif makes_table:
        asked.show(session, run, given, search)
    elif draws:
        drawn.draw(session, only_run(run), given, search)
    elif sweep.is_given():
        sweep.show(session, only_run(run), given, search)
    else:
        show_report(session, only_run(run), given, search, best, top or own.TOP, verbose)
