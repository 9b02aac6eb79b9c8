"""Write one subnet alone to a file for another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autospikformer_cli.cli.session import Session


def export(
    session: Session,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Ends in .safetensors, .pt2 or .onnx.")],
    subnet: Annotated[
        str, typer.Option("--subnet", help="best, largest, smallest, baseline, a candidate's id, or the paper's tuple.")
    ] = "best",
    fold: Annotated[bool, typer.Option("--fold", help="Fold BatchNorm into the weights before it.")] = False,
    images: Annotated[int, typer.Option("--images", min=1, help="Validation images to compare it on.")] = 100,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
) -> None:
    """Write one subnet alone, with BatchNorm statistics of its own, to a file for another runtime.

    The suffix chooses: .safetensors holds weights under Spikformer's names, .pt2 a program of torch.export, .onnx a
    model for ONNX Runtime and others. The file is read again by its runtime and compared before it takes its place.
    A folded .safetensors is for other programs: aspk import wants BatchNorm's own parameters, all MLPs of one size, and
    a spiking network.

    Example: aspk export --subnet best --to best.onnx
    """
    from autospikformer_cli.exchange.exporting import Export

    begun = Export.open(session, subnet, to, fold=fold, overwrite=overwrite)
    exported = begun.write(images)
    for line in exported.lines():
        session.console.print(line, markup=False, soft_wrap=True)
    session.emit({**exported.to_document(), **begun.run.recipe.fidelity_document()})
