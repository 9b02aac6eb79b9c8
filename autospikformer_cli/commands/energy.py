"""Show where a network's joules go, layer by layer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autospikformer_cli.cli.session import Session
from autospikformer_cli.commands.energy_options import ConventionOption, ProfileOption

if TYPE_CHECKING:
    from autospikformer_cli.report.energy_report import NetworkEnergy


def energy(
    session: Session,
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="A recipe, for given rates; without it a run is read.")
    ] = None,
    subnet: Annotated[
        str | None,
        typer.Option("--subnet", help="best, largest, smallest, baseline, a candidate's id, or the paper's tuple."),
    ] = None,
    firing_rate: Annotated[
        float | None, typer.Option("--firing-rate", help="One mean input value for all layers, 0 to 1; needs no data.")
    ] = None,
    rates: Annotated[
        Path | None, typer.Option("--rates", metavar="FILE", help="A TOML file with a rate for each layer.")
    ] = None,
    profile: ProfileOption = None,
    convention: ConventionOption = None,
    compare: Annotated[bool, typer.Option("--compare", help="Under all conventions, side by side.")] = False,
    ann: Annotated[bool, typer.Option("--ann", help="Beside the ANN of the same shape, layer by layer.")] = False,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE", help="Draw the joules by layer: .png or .svg.")
    ] = None,
    heatmap: Annotated[
        Path | None,
        typer.Option("--heatmap", metavar="FILE", help="Draw the firing rate by layer and time step: .png or .svg."),
    ] = None,
    csv: Annotated[
        bool, typer.Option("--csv", help="One CSV table on standard output, and nothing else there.")
    ] = False,
    module: Annotated[
        str | None,
        typer.Option(
            "--module", metavar="PACKAGE.MODULE:FACTORY", help="A PyTorch module of yours instead of a subnet."
        ),
    ] = None,
    input_shape: Annotated[
        str | None, typer.Option("--input-shape", metavar="N,C,H,W", help="Shape of the module's input.")
    ] = None,
    input_layout: Annotated[
        str | None,
        typer.Option("--input-layout", metavar="LETTERS", help="Its dimensions: N images, T time steps, as TNCHW."),
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="The module's input, .npy; else random numbers.")
    ] = None,
    time_steps: Annotated[
        int | None, typer.Option("--time-steps", min=1, help="Steps that the module makes of an input without T.")
    ] = None,
) -> None:
    """Show MACs, input rates, synaptic operations and joules of every layer for one image.

    Of a run's subnet from the counts that it measured; at given rates from the shapes alone; or of a PyTorch module.

    Example: aspk energy cifar10-small --subnet baseline --firing-rate 0.2 --ann
    """
    from autospikformer_cli.errors import UserError
    from autospikformer_cli.report.energy_charts import require_pictures
    from autospikformer_cli.runs.energy import given_energy, measured_energy, module_energy, with_energy_options

    session = with_energy_options(session, profile, convention)
    given = firing_rate is not None or rates is not None
    _require_one(
        {"RECIPE": recipe, "--subnet": subnet, "--firing-rate": firing_rate, "--rates": rates},
        {"--input-shape": input_shape, "--input-layout": input_layout, "--input": inputs, "--time-steps": time_steps},
        module,
    )
    if csv and (session.json or compare or ann):
        other = "--json" if session.json else "--compare" if compare else "--ann"
        raise UserError(f"--csv and {other} both want standard output", "--csv", "leave one of them out")
    require_pictures(chart, heatmap)
    if firing_rate is not None and rates is not None:
        raise UserError("--rates gives every layer's rate already", "--firing-rate", "leave one of them out")
    if module is not None:
        found = module_energy(session, module, input_shape, input_layout, time_steps, inputs)
    elif given:
        found = given_energy(session, recipe, subnet, firing_rate, rates)
    elif recipe is not None:
        fix = "add --firing-rate 0.2 or --rates FILE, or leave the recipe out to read a run's"
        raise UserError("a recipe alone has no firing rates", f"aspk energy {recipe}", fix)
    else:
        found = measured_energy(session, subnet)
    _show(session, found, compare, ann, chart, heatmap, csv)


def _require_one(of_subnets: dict[str, object], of_modules: dict[str, object], module: str | None) -> None:
    """Raises UserError for options that belong to the other kind of network."""
    from autospikformer_cli.errors import UserError

    wrong = [name for name, value in (of_modules if module is None else of_subnets).items() if value is not None]
    if wrong:
        what = "has no meaning with --module" if module else "needs --module"
        raise UserError(
            f"{wrong[0]} {what}", "aspk energy", "leave one of the two out" if module else "name a module of yours"
        )


def _show(
    session: Session,
    found: NetworkEnergy,
    compare: bool,
    ann: bool,
    chart: Path | None,
    heatmap: Path | None,
    csv: bool,
) -> None:
    from autospikformer_cli.report.energy_csv import energy_csv
    from autospikformer_cli.report.energy_report import draw, energy_document, energy_tables

    document = energy_document(found)
    draw(found, chart, heatmap)
    if csv:
        sys.stdout.write(energy_csv(found.report.layers, found.rules.name, found.energy.hardware.name))
        return
    for number, table in enumerate(energy_tables(found, compare, ann)):
        if number:
            session.console.print()
        session.console.print(table)
    session.emit(document)
