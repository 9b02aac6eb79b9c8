"""Show what each gene does to firing rate, energy and accuracy."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.bounds import MOST_RESAMPLES
from autospikformer_cli.cli.options import (
    AlphaOption,
    ConventionOption,
    ProfileOption,
    RunOption,
    ScoreSetOption,
    SearchOption,
    VerboseOption,
    overrides_of,
)
from autospikformer_cli.cli.picture_options import Picture, PictureOption
from autospikformer_cli.cli.report_options import WidthOption
from autospikformer_cli.cli.session import Session


def genes(
    session: Session,
    alpha: AlphaOption = None,
    best: Annotated[
        int | None,
        typer.Option(
            "--best", metavar="N", min=1, help="Compare the best N by F_AEB with all.", show_default="300, or 30 %"
        ),
    ] = None,
    figure: PictureOption = None,
    width: WidthOption = None,
    resamples: Annotated[
        int, typer.Option("--resamples", metavar="N", min=100, max=MOST_RESAMPLES, help="Resamples of the intervals.")
    ] = 2000,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", min=0, help="Of the resamples.", show_default="the recipe's")
    ] = None,
    profile: ProfileOption = None,
    convention: ConventionOption = None,
    verbose: VerboseOption = False,
    run: RunOption = None,
    search: SearchOption = None,
    overrides: ScoreSetOption = [],  # noqa: B006
) -> None:
    """Show what each gene does to firing rate, energy and accuracy.

    It is read from all candidates that the run's searches measured alike. Nothing is measured again. One regression on
    all genes gives the effects, with bootstrap intervals. A table compares how often each value occurs among the best
    by F_AEB and among all. Each claim of the paper is confirmed, not confirmed, or undecided.

    Example: aspk analyze genes --best 100 --figure effects.png
    """
    from autospikformer_cli.report.figures.effects import draw_effects
    from autospikformer_cli.report.genes_report import genes_report
    from autospikformer_cli.runs.genes import study_genes

    picture = Picture(figure, width)
    picture.require_possible()
    given = overrides_of(overrides, {"energy.profile": profile, "energy.convention": convention, "search.alpha": alpha})
    study = study_genes(run, given, search=search, best=best, seed=seed, resamples=resamples, say=session)
    session.console.print(genes_report(study, verbose))
    picture.draw(session, lambda width_mm: draw_effects(study, width_mm))
    session.emit(study.to_document())
