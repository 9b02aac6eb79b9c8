"""Show where a subnet's joules go, layer by layer."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.session import Session


def energy(
    session: Session,
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="A recipe for --firing-rate; without it a run is read.")
    ] = None,
    subnet: Annotated[
        str | None,
        typer.Option("--subnet", help="best, largest, smallest, baseline, a candidate's id, or the paper's tuple."),
    ] = None,
    firing_rate: Annotated[
        float | None, typer.Option("--firing-rate", help="One mean input value for all layers, 0 to 1; needs no data.")
    ] = None,
) -> None:
    """Show MACs, input rates, synaptic operations and joules of every layer for one image.

    With --firing-rate from the shapes alone; else from the counts that a run's subnet measured on validation.

    Example: aspk energy cifar10-small --subnet baseline --firing-rate 0.2
    """
    from autospikformer_cli.errors import UserError
    from autospikformer_cli.report.energy_table import energy_table
    from autospikformer_cli.report.provenance import fidelity_notes
    from autospikformer_cli.report.units import format_count, format_energy
    from autospikformer_cli.runs.energy import measured_energy, uniform_energy

    if recipe is not None and firing_rate is None:
        raise UserError(
            "a recipe alone has no firing rates",
            f"aspk energy {recipe}",
            "add --firing-rate 0.2, or leave the recipe out to read a run's",
        )
    if firing_rate is None:
        found = measured_energy(session, subnet)
    else:
        found = uniform_energy(session, recipe, subnet, firing_rate)
    report = found.report
    engine = "" if found.engine is None else f", engine {found.engine}"
    notes = [
        f"input rates: {found.source}{engine}; convention {found.convention}, profile {found.profile}",
        "not counted: pooling, neurons, BatchNorm's affine part, residual additions",
        f"{format_count(report.params)} parameters; as an ANN (Equation 4): {format_energy(report.ann_energy_j)}",
        *fidelity_notes(found.fidelity, found.switches, found.resolved),
    ]
    session.console.print(energy_table(f"Energy of {found.subnet}", report.layers, notes=notes))
    session.emit(found.to_document())
