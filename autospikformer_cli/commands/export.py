"""Write one subnet alone to a file for another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autospikformer_cli.cli.options import ComputeOptions, RunOption, SetOption, SubnetOption
from autospikformer_cli.cli.session import Session


def export(
    session: Session,
    compute: ComputeOptions,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Ends in .safetensors, .pt2 or .onnx.")],
    subnet: SubnetOption = "best",
    fold: Annotated[bool, typer.Option("--fold", help="Fold BatchNorm into the weights before it.")] = False,
    images: Annotated[int, typer.Option("--images", min=1, help="Validation images to compare it on.")] = 100,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
    run: RunOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Write one subnet alone, with BatchNorm statistics of its own, to a file for another runtime.

    The suffix chooses: .safetensors holds weights under Spikformer's names, .pt2 a program of torch.export, .onnx a
    model for ONNX Runtime and others. The file is read again by its runtime and compared before it takes its place.
    A folded .safetensors is for other programs: aspk import wants BatchNorm's own parameters, all MLPs of one size, and
    a spiking network.

    Example: aspk export --subnet best --to best.onnx
    """
    from autospikformer_cli.exchange.exporting import Export, require_format
    from autospikformer_cli.runs.trained_run import open_run

    file_format = require_format(to, compute.precision, overwrite)
    opened = open_run(run, overrides, compute=compute.set_up(), say=session)
    exported = Export.open(opened, subnet, to, file_format, fold).write(images)
    for line in exported.lines():
        session.console.print(line, markup=False, soft_wrap=True)
    session.emit({**exported.to_document(), **opened.recipe.fidelity_document()})
