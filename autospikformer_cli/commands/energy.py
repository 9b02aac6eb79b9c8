"""Show where a network's joules go, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autospikformer_cli.cli.completion import complete_recipe, complete_subnet
from autospikformer_cli.cli.options import (
    SUBNETS,
    ComputeOptions,
    ConventionOption,
    ProfileOption,
    RunOption,
    SearchOption,
    SetOption,
    VerboseOption,
    overrides_of,
)
from autospikformer_cli.cli.session import Session
from autospikformer_cli.cli.subcommands import Subcommands
from autospikformer_cli.commands.energy_module import energy_of_module
from autospikformer_cli.commands.energy_output import AnnOption, ChartOption, CompareOption, CsvOption, HeatmapOption

RecipeArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RECIPE",
        help="A recipe, with given rates. Without it, a run is read.",
        autocompletion=complete_recipe,
    ),
]


def energy_of_subnet(
    session: Session,
    compute: ComputeOptions,
    recipe: RecipeArgument = None,
    subnet: Annotated[str | None, typer.Option("--subnet", help=SUBNETS, autocompletion=complete_subnet)] = None,
    firing_rate: Annotated[
        float | None, typer.Option("--firing-rate", help="One mean input value for all layers, 0 to 1; needs no data.")
    ] = None,
    rates: Annotated[
        Path | None, typer.Option("--rates", metavar="FILE", help="A TOML file with a rate for each layer.")
    ] = None,
    profile: ProfileOption = None,
    convention: ConventionOption = None,
    compare: CompareOption = False,
    ann: AnnOption = False,
    chart: ChartOption = None,
    heatmap: HeatmapOption = None,
    csv: CsvOption = False,
    verbose: VerboseOption = False,
    run: RunOption = None,
    search: SearchOption = None,
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Show where the joules of a subnet go, layer by layer.

    The table has each layer's MACs, input rate, synaptic operations and joules for one image. They come from the counts
    of a run's subnet, or from given rates and the network's shape alone.

    Example: aspk energy cifar10-small --subnet baseline --firing-rate 0.2 --ann
    """
    from autospikformer_cli.api import price_subnet
    from autospikformer_cli.commands.energy_output import EnergyOutput
    from autospikformer_cli.errors import UserError
    from autospikformer_cli.recipe import load_recipe
    from autospikformer_cli.runs.energy import given_energy
    from autospikformer_cli.runs.trained_run import stored_recipe
    from autospikformer_cli.store.runs import resolve_run

    output = EnergyOutput(session, compare, ann, chart, heatmap, csv, verbose)
    output.require_possible()
    if firing_rate is not None and rates is not None:
        raise UserError("--rates gives every layer's rate already", "--firing-rate", "leave one of them out")
    given = overrides_of(overrides, {"energy.profile": profile, "energy.convention": convention})
    if firing_rate is None and rates is None:
        if recipe is not None:
            fix = "add --firing-rate 0.2 or --rates FILE, or leave the recipe out to read a run's"
            raise UserError("a recipe alone has no firing rates", f"aspk energy {recipe}", fix)
        output.show(price_subnet(run, subnet, given, search=search, compute=compute, say=session))
        return
    if recipe is not None and (run is not None or search is not None):
        option = "--run" if run is not None else "--search"
        raise UserError(f"a recipe at given rates has no {option[2:]}", option, f"leave out RECIPE or {option}")
    if recipe is None:
        path = resolve_run(run)
        output.show(given_energy(stored_recipe(path, given, search=search), path, subnet, firing_rate, rates, search))
    else:
        output.show(given_energy(load_recipe(recipe, given), None, subnet, firing_rate, rates))


energy = Subcommands("subnet", {"subnet": energy_of_subnet, "module": energy_of_module})
