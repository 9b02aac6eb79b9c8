"""Show a run's Pareto tables, beside the paper's."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.cli.session import Session
from autospikformer_cli.commands.energy_options import ConventionOption, ProfileOption

REREAD = (
    "search.alpha", "search.normalise", "search.bounds", "search.percentile", "search.limits", "search.objectives"
)  # fmt: skip
"""Keys of [search] that a stored population can be read under anew."""


def report(
    session: Session,
    alpha: Annotated[
        float | None, typer.Option("--alpha", help="Weight of energy in the fitness, 0 to 1 (search.alpha).")
    ] = None,
    top: Annotated[
        int, typer.Option("--top", min=1, help="Most subnets in the list of top accuracy (of the best 20 %).")
    ] = 10,
    alpha_sweep: Annotated[
        bool,
        typer.Option(
            "--alpha-sweep", help="The best subnet for alpha 0 to 1, of all that the run's searches measured."
        ),
    ] = False,
    profile: ProfileOption = None,
    convention: ConventionOption = None,
) -> None:
    """Show what a run's search found; nothing is measured again.

    --alpha, --profile, --convention and --set with search.alpha, normalise, bounds, percentile, limits, objectives or
    energy.* score and price it anew, from the stored counts.

    Example: aspk report --alpha 0.3 --convention strict
    """
    from autospikformer_cli.errors import UserError
    from autospikformer_cli.recipe import differing_keys, option_text, recipe_from_toml
    from autospikformer_cli.report.alpha_sweep import alpha_sweep_document, alpha_sweep_report
    from autospikformer_cli.report.document import search_document
    from autospikformer_cli.report.paper import paper_table_for
    from autospikformer_cli.report.search_report import search_report
    from autospikformer_cli.runs.energy import with_energy_options
    from autospikformer_cli.runs.results import score_population, sweep_alpha
    from autospikformer_cli.store.population import load_population
    from autospikformer_cli.store.runs import resolve_run

    if alpha_sweep and alpha is not None:
        raise UserError("a sweep has every alpha", "--alpha", "leave out --alpha or --alpha-sweep")
    session = with_energy_options(session, profile, convention)
    path = resolve_run(session.run)
    population = load_population(path)
    options = [] if alpha is None else [option_text("--alpha", "search.alpha", alpha)]
    overrides = (*session.overrides, *options)
    searched = recipe_from_toml(population.recipe_toml, population.recipe_name)
    recipe = recipe_from_toml(population.recipe_toml, population.recipe_name, overrides)
    measured = [key for key in differing_keys(searched, recipe) if not key.startswith(("energy.", *REREAD))]
    if measured:
        raise UserError(
            f"{', '.join(measured)} cannot be changed in what was measured",
            "--set",
            f"change {', '.join(REREAD)} or energy.* here, or search with other keys: aspk search --set KEY=VALUE",
        )
    if alpha_sweep:
        sweep, results = sweep_alpha(path, population, recipe, session)
        session.console.print(alpha_sweep_report(sweep, results.baseline, results.provenance))
        session.emit(alpha_sweep_document(sweep, results.baseline, results.provenance))
        return
    results = score_population(path, population, recipe)
    paper = paper_table_for(recipe.space.search_space(), recipe.data.dataset)
    session.console.print(
        search_report(results.scores, results.baseline, results.provenance, paper, top, results.hypervolume)
    )
    session.emit(search_document(results.scores, results.baseline, results.provenance, results.hypervolume))
