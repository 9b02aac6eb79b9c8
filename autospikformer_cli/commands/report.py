"""Show a run's Pareto tables, next to the paper's, or make a table or a text for a paper."""

from __future__ import annotations

from autospikformer_cli.cli import table_options as tables
from autospikformer_cli.cli.options import (
    AlphaOption,
    ConventionOption,
    ProfileOption,
    ScoreSetOption,
    SearchOption,
    VerboseOption,
    overrides_of,
)
from autospikformer_cli.cli.session import Session
from autospikformer_cli.commands.report_tables import TableWish


def report(
    session: Session,
    alpha: AlphaOption = None,
    top: tables.TopOption = None,
    alpha_sweep: tables.AlphaSweepOption = False,
    table: tables.TableOption = None,
    methods: tables.MethodsOption = False,
    format: tables.FormatOption = None,  # noqa: A002
    literature: tables.LiteratureOption = False,
    to: tables.ToOption = None,
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

    --table makes the paper's table2 to table5 with your rows, or your front or top. --methods says how it was measured.

    Example: aspk report --alpha 0.3 --convention strict
    """
    from autospikformer_cli.api import read_alpha_sweep, read_results
    from autospikformer_cli.report.alpha_sweep import alpha_sweep_report
    from autospikformer_cli.report.asked_table import only_run
    from autospikformer_cli.report.paper import paper_table_for
    from autospikformer_cli.report.search_report import search_report

    wish = TableWish(table, methods, format, literature, to, top)
    asks_for_table = wish.is_given({"--alpha-sweep": alpha_sweep, "--verbose": verbose})
    if alpha_sweep:
        _require_no_other_choice(alpha, top, overrides)
    by_key = {"energy.profile": profile, "energy.convention": convention, "search.alpha": alpha}
    given = overrides_of(overrides, by_key)
    if asks_for_table:
        wish.show(session, run, given, search)
        return
    if alpha_sweep:
        sweep = read_alpha_sweep(only_run(run), given, search=search, say=session)
        session.console.print(alpha_sweep_report(sweep, verbose))
        session.emit(sweep.to_document())
        return
    results = read_results(only_run(run), given, search=search)
    paper = paper_table_for(results.recipe.space.search_space(), results.recipe.data.dataset)
    session.console.print(search_report(results, paper, top or tables.TOP, verbose))
    session.emit(results.to_document())


def _require_no_other_choice(alpha: float | None, top: int | None, overrides: list[str]) -> None:
    """Raises UserError for what a sweep of alpha would drop."""
    from autospikformer_cli.errors import UserError
    from autospikformer_cli.recipe.load import named_keys

    if alpha is not None or "search.alpha" in named_keys(overrides):
        option = "--alpha" if alpha is not None else "--set search.alpha"
        raise UserError("a sweep has every alpha", option, f"leave out {option} or --alpha-sweep")
    if top is not None:
        raise UserError("a sweep lists no top accuracy", "--top", "leave out --top or --alpha-sweep")
