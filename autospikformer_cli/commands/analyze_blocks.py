"""Show what each block of a subnet gives in accuracy, and costs in energy."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.cli.completion import complete_subnet
from autospikformer_cli.cli.options import (
    SUBNETS,
    ComputeOptions,
    RunOption,
    SearchOption,
    SetOption,
    VerboseOption,
)
from autospikformer_cli.cli.session import Session


def blocks(
    session: Session,
    compute: ComputeOptions,
    subnet: Annotated[
        str | None,
        typer.Option(
            "--subnet", help=SUBNETS, show_default="best, or baseline without a search", autocompletion=complete_subnet
        ),
    ] = None,
    images: Annotated[
        int | None, typer.Option("--images", min=1, help="The first N validation images.", show_default="all")
    ] = None,
    verbose: VerboseOption = False,
    run: RunOption = None,
    search: SearchOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Measure a subnet without each of its blocks and half blocks (attention, MLP).

    Nothing is retrained. With recalibrated BatchNorm, the default, each of these networks has statistics of its own.
    Changes of accuracy are tested on the same images (McNemar), and adjusted for the number of parts (Holm).

    Example: aspk analyze blocks --subnet largest
    """
    from autospikformer_cli.report.ablation_table import ablation_report
    from autospikformer_cli.runs.ablation import measure_ablations
    from autospikformer_cli.runs.trained_run import open_run

    opened = open_run(run, overrides, search=search, compute=compute.set_up(), say=session)
    opened.remark_idle(overrides)
    found = measure_ablations(opened, subnet, images)
    session.console.print(ablation_report(found, verbose))
    session.emit(found.to_document())
