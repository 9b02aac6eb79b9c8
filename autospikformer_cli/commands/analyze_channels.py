"""Show how redundant the channels of the embedding are."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.cli.options import (
    ComputeOptions,
    RunOption,
    SearchOption,
    SetOption,
    SubnetOption,
    VerboseOption,
)
from autospikformer_cli.cli.picture_options import Picture, PictureOption
from autospikformer_cli.cli.report_options import WidthOption
from autospikformer_cli.cli.session import Session
from autospikformer_cli.cli.subcommands import say_default


def channels(
    session: Session,
    context: typer.Context,
    compute: ComputeOptions,
    subnet: SubnetOption = "largest",
    images: Annotated[
        int | None, typer.Option("--images", min=1, help="The first N validation images.", show_default="64, or all")
    ] = None,
    channels: Annotated[
        int, typer.Option("--channels", min=1, help="Show at most N most and N least redundant channels.")
    ] = 20,
    figure: PictureOption = None,
    width: WidthOption = None,
    verbose: VerboseOption = False,
    run: RunOption = None,
    search: SearchOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Show how redundant the embedding's channels are, as in the paper's Figure 1.

    A channel's map is its mean over time, scaled to 0..1. Two maps are compared by their structural similarity (SSIM).
    A channel's redundancy is its mean SSIM with all others. Are the higher channels the redundant ones, as the paper
    says? The answer is Kendall's tau-b, with an exact permutation test. --json has the SSIM of all pairs.

    Example: aspk analyze channels --subnet baseline --images 128 --figure channels.pdf
    """
    from autospikformer_cli.report.figures.similarity import similarity_map
    from autospikformer_cli.report.redundancy_table import redundancy_table
    from autospikformer_cli.runs.redundancy import measure_redundancy
    from autospikformer_cli.runs.trained_run import open_run

    picture = Picture(figure, width)
    picture.require_possible()
    opened = open_run(run, overrides, search=search, compute=compute.set_up(), say=session)
    say_default(session, context)
    opened.remark_idle(overrides)
    found = measure_redundancy(opened, subnet, images, channels)
    session.console.print(redundancy_table(found, verbose))
    picture.draw(session, lambda width_mm: similarity_map(found.matrix, width_mm))
    session.emit(found.to_document())
