"""Show how redundant channels are (SSIM), or whether the supernet ranks its subnets truly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from autospikformer_cli.cli.session import Session
from autospikformer_cli.errors import UserError

SUBNET, IMAGES, CHANNELS, SAMPLE = "largest", 64, 20, 12


def analyze(
    session: Session,
    what: Annotated[
        str, typer.Argument(metavar="[redundancy|ranking]", help="What to analyse.", show_default=True)
    ] = "redundancy",
    subnet: Annotated[
        str | None,
        typer.Option(
            "--subnet",
            help="best, largest, smallest, baseline, a candidate's id, or the paper's tuple.",
            show_default=SUBNET,
        ),
    ] = None,
    images: Annotated[
        int | None, typer.Option("--images", min=1, help="The first N validation images.", show_default=str(IMAGES))
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option("--channels", min=1, help="Most and least redundant channels shown.", show_default=str(CHANNELS)),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=3, help="ranking: retrain so many subnets.", show_default=str(SAMPLE)),
    ] = None,
    finetune: Annotated[
        int | None,
        typer.Option("--finetune", min=1, help="ranking: retrain each alone for N epochs, from inherited weights."),
    ] = None,
    from_scratch: Annotated[bool, typer.Option("--from-scratch", help="ranking: from first weights instead.")] = False,
) -> None:
    """Show the structural similarity (SSIM) between the channels of the embedding, as in Figure 1 of the paper.

    A channel's map is its mean over time, scaled to 0..1; a channel's redundancy is its mean SSIM with all others.

    ranking: retrain a sample of the subnets that the run's searches measured, each alone, and show Kendall's tau-b
    between inherited and retrained accuracy with its interval: does the supernet rank truly? The sample is stratified
    by inherited accuracy. What was retrained is kept, so an interrupted or a larger sample does only the rest.

    Example: aspk analyze --subnet baseline --images 128

    Example: aspk analyze ranking --sample 12 --finetune 5
    """
    of_redundancy = {"--subnet": subnet, "--images": images, "--channels": channels}
    of_ranking = {"--sample": sample, "--finetune": finetune, "--from-scratch": from_scratch or None}
    if what == "redundancy":
        _require_none("ranking", of_ranking)
        _redundancy(session, subnet or SUBNET, images or IMAGES, channels or CHANNELS)
    elif what == "ranking":
        _require_none("redundancy", of_redundancy)
        if finetune is None:
            raise UserError("for how many epochs is not said", "aspk analyze ranking", "add --finetune N")
        _ranking(session, sample or SAMPLE, finetune, from_scratch)
    else:
        fix = "write aspk analyze redundancy, or aspk analyze ranking --finetune N"
        raise UserError(f"{what!r} is nothing to analyse", None, fix)


def _require_none(other: str, options: Mapping[str, object]) -> None:
    """Raises UserError for an option of the other analysis."""
    given = next((name for name, value in options.items() if value is not None), None)
    if given is not None:
        raise UserError(f"belongs to aspk analyze {other}", given, f"leave it out, or write aspk analyze {other}")


def _redundancy(session: Session, subnet: str, images: int, channels: int) -> None:
    from autospikformer_cli.analysis.redundancy import channel_similarity, mean_similarity, most_and_least
    from autospikformer_cli.report.provenance import fidelity_notes
    from autospikformer_cli.report.redundancy_table import redundancy_table
    from autospikformer_cli.runs.assembly import open_searched
    from autospikformer_cli.runs.searching.search import select_subnet
    from autospikformer_cli.store.runs import resolve_run

    run = open_searched(resolve_run(session.run), session)
    if run.recipe.model.network != "spikformer":
        raise UserError("the ANN has no firing rates to compare", str(run.path), "choose a run of a spiking network")
    chosen = select_subnet(subnet, run.recipe, run.path)
    measured = run.images("validation", images)
    evaluator = run.evaluator()
    matrix = channel_similarity(evaluator.embedding_rates(chosen, measured).double().numpy())
    means = mean_similarity(matrix)
    most, least = most_and_least(matrix, channels)
    shown = [[(int(channel), float(means[channel])) for channel in group] for group in (most, least)]
    notes = [
        f"mean over all {len(means)} channels: {means.mean():.3f}; {len(measured)} {measured.split} images",
        "SSIM: rate maps over T, data range 1, 7 x 7 uniform window or the whole map where smaller",
        f"engine: {evaluator.engine.name}",
        *fidelity_notes(run.recipe.fidelity, run.recipe.switches(), run.recipe.resolved_switches()),
    ]
    session.console.print(redundancy_table(f"Redundancy of the embedding of {chosen}", shown[0], shown[1], notes))
    session.emit(
        {
            "subnet": chosen.to_numbers(),
            "split": measured.split,
            "images": len(measured),
            "engine": evaluator.engine.name,
            "mean_ssim": float(means.mean()),
            "ssim_by_channel": [float(mean) for mean in means],
            "most": [channel for channel, _ in shown[0]],
            "least": [channel for channel, _ in shown[1]],
            **run.recipe.fidelity_document(),
        }
    )


def _ranking(session: Session, sample: int, epochs: int, from_scratch: bool) -> None:
    from autospikformer_cli.report.provenance import fidelity_notes
    from autospikformer_cli.report.ranking_table import ranking_document, ranking_table
    from autospikformer_cli.runs.evaluation import FOLDER
    from autospikformer_cli.runs.ranking import RankingRun

    ranked = RankingRun.open(session)
    recipe = ranked.run.recipe
    ranking = ranked.retrain(ranked.sample(sample), epochs, from_scratch)
    notes = [
        f"retrained weights are kept in {ranked.run.path / FOLDER}, a run each",
        *fidelity_notes(recipe.fidelity, recipe.switches(), recipe.resolved_switches()),
    ]
    title = f"Does the supernet of {ranked.run.path} rank truly?"
    session.console.print(ranking_table(title, ranking, notes))
    session.emit({"run": str(ranked.run.path), **ranking_document(ranking), **recipe.fidelity_document()})
