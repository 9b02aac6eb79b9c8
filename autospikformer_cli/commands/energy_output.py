"""What `aspk energy` shows of a network: tables, a CSV table, pictures, a JSON document."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autospikformer_cli.cli.session import Session
from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    from autospikformer_cli.energy.results import NetworkEnergy

CompareOption = Annotated[bool, typer.Option("--compare", help="Show all conventions, side by side.")]
AnnOption = Annotated[bool, typer.Option("--ann", help="Compare with the ANN of the same shape, layer by layer.")]
ChartOption = Annotated[
    Path | None, typer.Option("--chart", metavar="FILE", help="Draw the joules by layer: .png, .svg or .pdf.")
]
HeatmapOption = Annotated[
    Path | None,
    typer.Option("--heatmap", metavar="FILE", help="Draw the firing rate by layer and time step."),
]
CsvOption = Annotated[
    bool, typer.Option("--csv", help="Print one CSV table on standard output, and nothing else there.")
]


@dataclass(frozen=True)
class EnergyOutput:
    """What the user asked to see, and where it is shown."""

    session: Session
    compare: bool
    ann: bool
    chart: Path | None
    heatmap: Path | None
    csv: bool
    verbose: bool = False

    def require_possible(self) -> None:
        """Raises UserError if two tables want standard output, or a picture cannot be written."""
        from autospikformer_cli.report.figures.style import require_pictures

        others = {"--json": self.session.json, "--compare": self.compare, "--ann": self.ann}
        other = next((name for name, given in others.items() if given), None)
        if self.csv and other is not None:
            raise UserError(f"--csv and {other} both want standard output", "--csv", "leave one of them out")
        require_pictures(self.chart, self.heatmap)

    def show(self, found: NetworkEnergy) -> None:
        """Show everything that the user asked for."""
        from autospikformer_cli.report.energy_csv import energy_csv
        from autospikformer_cli.report.energy_notes import module_warnings
        from autospikformer_cli.report.energy_report import draw, energy_tables

        document = found.to_document()
        draw(found, self.chart, self.heatmap)
        if self.csv or self.session.json:  # else they stand under the table
            for warning in module_warnings(found):
                self.session.remark(warning)
        if self.csv:
            sys.stdout.write(energy_csv(found.report.layers, found.rules.name, found.energy.hardware.name))
            return
        for number, table in enumerate(energy_tables(found, self.compare, self.ann, self.verbose)):
            if number:
                self.session.console.print()
            self.session.console.print(table)
        self.session.emit(document)
