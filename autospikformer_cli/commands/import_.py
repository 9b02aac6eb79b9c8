"""Make a run from a published Spikformer checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autospikformer_cli.cli.completion import complete_recipe
from autospikformer_cli.cli.options import DeviceOptions, NewRunOption, SetOption
from autospikformer_cli.cli.session import Session
from autospikformer_cli.wording import quoted, shortened


def import_(
    session: Session,
    device: DeviceOptions,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .pth, .pt, .ckpt, .pth.tar, .bin, .pkl or .safetensors file.")
    ],
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe",
            metavar="RECIPE",
            help="The recipe of its network and data: a name, or a .toml file.",
            autocompletion=complete_recipe,
        ),
    ],
    run: NewRunOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Make a run from a Spikformer checkpoint, for every other command. Nothing is trained.

    FILE holds a state dict with the published names or those of SpikingJelly 2, alone or next to other things. Nothing
    in it is run. The run is runs/NAME, with FILE's name, or the new folder of --run.

    Example: aspk import spikformer-4-384.pth --recipe cifar10-small
    """
    from autospikformer_cli.exchange.importing import import_checkpoint, require_no_run, run_name
    from autospikformer_cli.recipe import load_recipe

    require_no_run(run)
    imported = import_checkpoint(file, load_recipe(recipe, overrides), device.set_up())
    path = imported.save(run, run_name(file))
    origin = imported.origin
    for remark in imported.remarks:
        session.remark(remark)
    session.console.print(
        f"{path}: {len(imported.weights)} tensors ({imported.num_params:,} parameters) imported from {file}",
        markup=False,
        soft_wrap=True,
    )
    if origin.left_out:
        names = f"{len(origin.left_out)} that no layer reads: {shortened(origin.left_out)}"
        session.console.print(f"left out {names}", markup=False, soft_wrap=True)
    statistics = "" if imported.recipe.model.batchnorm == "running" else " --set 'model.batchnorm=\"running\"'"
    session.remark(
        f"next: aspk evaluate --run {quoted(path)} --subnet largest{statistics}  (statistics come with the checkpoint)"
    )
    session.emit(
        {
            "run": str(path),
            "recipe": imported.recipe.name,
            "file": str(file),
            "sha256": origin.sha256,
            "tensors": len(imported.weights),
            "left_out": list(origin.left_out),
            "params": imported.num_params,
            **imported.recipe.fidelity_document(),
        }
    )
