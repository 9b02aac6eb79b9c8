"""Show how redundant the embedding's channels are (SSIM)."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.session import Session


def analyze(
    session: Session,
    subnet: Annotated[
        str, typer.Option("--subnet", help="best, largest, smallest, baseline, a candidate's id, or the paper's tuple.")
    ] = "largest",
    images: Annotated[int, typer.Option("--images", min=1, help="The first N validation images.")] = 64,
    channels: Annotated[int, typer.Option("--channels", min=1, help="Most and least redundant channels shown.")] = 20,
) -> None:
    """Show the structural similarity (SSIM) between the channels of the embedding, as in Figure 1 of the paper.

    A channel's map is its mean over time, scaled to 0..1; a channel's redundancy is its mean SSIM with all others.

    Example: aspk analyze --subnet baseline --images 128
    """
    from autospikformer_cli.analysis.redundancy import channel_similarity, mean_similarity, most_and_least
    from autospikformer_cli.errors import UserError
    from autospikformer_cli.report.provenance import fidelity_notes
    from autospikformer_cli.report.redundancy_table import redundancy_table
    from autospikformer_cli.runs.assembly import open_searched
    from autospikformer_cli.runs.search import select_subnet
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
