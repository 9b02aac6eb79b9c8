"""Show where the joules of a PyTorch module go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autospikformer_cli.cli.options import ConventionOption, DeviceOptions, ProfileOption, SetOption, overrides_of
from autospikformer_cli.cli.session import Session
from autospikformer_cli.commands.energy_output import AnnOption, ChartOption, CompareOption, CsvOption, HeatmapOption


def energy_of_module(
    session: Session,
    device: DeviceOptions,
    target: Annotated[
        str, typer.Argument(metavar="PACKAGE.MODULE:FACTORY", help="A PyTorch module, or what returns one.")
    ],
    input_shape: Annotated[
        str | None, typer.Option("--input-shape", metavar="N,C,H,W", help="Shape of the module's input.")
    ] = None,
    input_layout: Annotated[
        str | None,
        typer.Option(
            "--input-layout", metavar="LETTERS", help="Its dimensions, such as TNCHW: N images, T time steps."
        ),
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option("--input", metavar="FILE", help="The module's input, .npy; by default random numbers."),
    ] = None,
    time_steps: Annotated[
        int | None, typer.Option("--time-steps", min=1, help="Time steps that the module runs, if its input has no T.")
    ] = None,
    profile: ProfileOption = None,
    convention: ConventionOption = None,
    compare: CompareOption = False,
    ann: AnnOption = False,
    chart: ChartOption = None,
    heatmap: HeatmapOption = None,
    csv: CsvOption = False,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Show where the joules of your own PyTorch module go, layer by layer.

    The table has each layer's MACs, input rate, synaptic operations and joules. The module runs twice: a second run
    shows whether it keeps a state.

    Example: aspk energy module mynets.small:make --input-shape 1,3,32,32
    """
    from autospikformer_cli.commands.energy_output import EnergyOutput
    from autospikformer_cli.runs.energy import module_energy

    output = EnergyOutput(session, compare, ann, chart, heatmap, csv)
    output.require_possible()
    given = overrides_of(overrides, {"energy.profile": profile, "energy.convention": convention})
    output.show(module_energy(target, input_shape, input_layout, time_steps, inputs, given, device.set_up()))
