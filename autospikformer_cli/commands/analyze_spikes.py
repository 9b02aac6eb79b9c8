"""Show how subnets fire, layer by layer, next to each other."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.cli.completion import complete_subnet
from autospikformer_cli.cli.options import SUBNETS, ComputeOptions, RunOption, SearchOption, SetOption, VerboseOption
from autospikformer_cli.cli.picture_options import Picture, PictureOption
from autospikformer_cli.cli.report_options import WidthOption
from autospikformer_cli.cli.session import Session


def spikes(
    session: Session,
    compute: ComputeOptions,
    subnets: Annotated[
        list[str],
        typer.Option(
            "--subnet",
            help=f"May be repeated: {SUBNETS}",
            show_default="best and baseline",
            autocompletion=complete_subnet,
        ),
    ] = [],  # noqa: B006
    steps: Annotated[bool, typer.Option("--steps", help="Show the rates by time step, too.")] = False,
    images: Annotated[
        int | None,
        typer.Option(
            "--images", min=1, help="Count neurons on the first N images.", show_default="all that the rates are of"
        ),
    ] = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="Measure nothing: only rates, of subnets that a search has measured.")
    ] = False,
    figure: PictureOption = None,
    width: WidthOption = None,
    verbose: VerboseOption = False,
    run: RunOption = None,
    search: SearchOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Show how subnets fire, layer by layer, next to each other.

    The table has firing rates, and silent and saturated neurons. Rates come from the counts that a search stored, or
    are measured now. Searches store no count for each neuron, so neurons are always measured now. --figure draws the
    rates by layer and time step.

    Example: aspk analyze spikes --subnet best --subnet baseline --figure spikes.pdf
    """
    from autospikformer_cli.errors import UserError
    from autospikformer_cli.recipe import Decides
    from autospikformer_cli.report.figures.rates import draw_firing
    from autospikformer_cli.report.spikes_table import SpikesTable, panels_of
    from autospikformer_cli.runs.spikes import firing_of_subnets
    from autospikformer_cli.runs.trained_run import open_run

    picture = Picture(figure, width)
    picture.require_possible()
    if stored and images is not None:
        raise UserError("it acts on neurons, which --stored does not measure", "--images", "leave one of them out")
    opened = open_run(run, overrides, search=search, compute=compute.set_up(), say=session)
    opened.remark_idle(overrides, Decides.IMAGES)
    found = firing_of_subnets(opened, subnets, images, stored=stored)
    session.console.print(SpikesTable(found, steps, verbose))
    picture.draw(session, lambda width_mm: draw_firing(panels_of(found), width_mm))
    session.emit(found.to_document())
