"""Show a run's Pareto tables, next to the paper's, or draw its figures."""

from __future__ import annotations

from autospikformer_cli.cli import report_options as own
from autospikformer_cli.cli.options import (
    AlphaOption,
    BestOption,
    ConventionOption,
    ProfileOption,
    RunOption,
    ScoreSetOption,
    SearchOption,
    VerboseOption,
    overrides_of,
)
from autospikformer_cli.cli.session import Session
from autospikformer_cli.commands.report_figures import FigureWish


def report(
    session: Session,
    alpha: AlphaOption = None,
    best: BestOption = None,
    top: own.TopOption = None,
    alpha_sweep: own.AlphaSweepOption = False,
    figure: own.FigureOption = None,
    to: own.ToOption = None,
    figures: own.FiguresOption = None,
    against: own.AgainstOption = None,
    intervals: own.IntervalsOption = False,
    width: own.WidthOption = None,
    subnet: own.RatesOption = None,
    profile: ProfileOption = None,
    convention: ConventionOption = None,
    verbose: VerboseOption = False,
    run: RunOption = None,
    search: SearchOption = None,
    overrides: ScoreSetOption = [],  # noqa: B006
) -> None:
    """Show what a run's search found. Nothing is measured again.

    --alpha, --profile, --convention and --set change scores and energies, which are computed from the stored counts.
    --set takes search.alpha, normalise, bounds, percentile, limits, objectives, and energy.*.

    --figure draws front, sizes, hypervolume, fitness, genes, training, similarity or rates, as wide as a journal's
    column. The same results give the same file.

    Example: aspk report --alpha 0.3 --convention strict
    """
    from autospikformer_cli.api import read_alpha_sweep, read_results
    from autospikformer_cli.report.alpha_sweep import alpha_sweep_report
    from autospikformer_cli.report.paper import paper_table_for
    from autospikformer_cli.report.search_report import search_report

    wish = FigureWish(figure, figures, to, against, intervals, best, width, subnet)
    draws = wish.is_given({"--top": top is not None, "--alpha-sweep": alpha_sweep, "--verbose": verbose})
    if alpha_sweep:
        _require_no_other_choice(alpha, best, top, overrides)
    by_key = {"energy.profile": profile, "energy.convention": convention, "search.alpha": alpha}
    given = overrides_of(overrides, by_key)
    if draws:
        wish.draw(session, run, given, search)
        return
    if alpha_sweep:
        sweep = read_alpha_sweep(run, given, search=search, say=session)
        session.console.print(alpha_sweep_report(sweep, verbose))
        session.emit(sweep.to_document())
        return
    results = read_results(run, given, search=search, best=best)
    paper = paper_table_for(results.recipe.space.search_space(), results.recipe.data.dataset)
    session.console.print(search_report(results, paper, top or own.TOP, verbose))
    session.emit(results.to_document())


def _require_no_other_choice(alpha: float | None, best: int | None, top: int | None, overrides: list[str]) -> None:
    """Raises UserError for what a sweep of alpha would drop."""
    from autospikformer_cli.errors import UserError
    from autospikformer_cli.recipe.load import named_keys

    if alpha is not None or "search.alpha" in named_keys(overrides):
        option = "--alpha" if alpha is not None else "--set search.alpha"
        raise UserError("a sweep has every alpha", option, f"leave out {option} or --alpha-sweep")
    if best is not None:
        raise UserError("a sweep is of all candidates", "--best", "leave out --best or --alpha-sweep")
    if top is not None:
        raise UserError("a sweep lists no top accuracy", "--top", "leave out --top or --alpha-sweep")
