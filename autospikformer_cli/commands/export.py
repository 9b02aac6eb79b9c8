"""Write one subnet alone to a file for another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autospikformer_cli.cli.options import ComputeOptions, RunOption, SearchOption, SetOption, SubnetOption
from autospikformer_cli.cli.session import Session


def export(
    session: Session,
    compute: ComputeOptions,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The file to write: .safetensors, .pt2 or .onnx.")],
    subnet: SubnetOption = "best",
    fold: Annotated[bool, typer.Option("--fold", help="Fold BatchNorm into the weights before it.")] = False,
    images: Annotated[
        int | None,
        typer.Option(
            "--images", min=1, help="Compare the file on the first N validation images.", show_default="100, or all"
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
    run: RunOption = None,
    search: SearchOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Write one subnet alone, with BatchNorm statistics of its own, to a file for another runtime.

    The suffix decides the format: .safetensors holds weights under Spikformer's names, .pt2 a program of torch.export,
    .onnx a model for ONNX Runtime and others. Its runtime reads the file again. The file takes its place if the
    predictions agree. aspk import needs BatchNorm's own parameters, MLPs of one size and a spiking network. So a folded
    .safetensors is for other programs.

    Example: aspk export --subnet best --to best.onnx
    """
    from autospikformer_cli.exchange.exporting import Export, require_format
    from autospikformer_cli.runs.trained_run import open_run

    file_format = require_format(to, compute.precision, overwrite)
    opened = open_run(run, overrides, search=search, compute=compute.set_up(), say=session)
    opened.remark_idle(overrides)
    exported = Export.open(opened, subnet, to, file_format, fold).write(images)
    for line in exported.lines():
        session.console.print(line, markup=False, soft_wrap=True)
    session.emit({**exported.to_document(), **opened.recipe.fidelity_document()})
