"""What single subnets measure: the table of `evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.report.tables import format_accuracy, plain_table
from autospikformer_cli.report.units import EnergyUnit, energy_unit, format_count, format_energy, format_share
from autospikformer_cli.space import Subnet


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of one subnet. label: whose weights (inherited, fine-tuned); energy in joules an image."""

    label: str
    subnet: Subnet
    split: str
    correct: int
    images: int
    params: int
    energy_j: float
    firing_rate: float | None
    batchnorm: str
    fidelity: str
    switches: tuple[str, ...] = ()
    silent_channels: int = 0

    @property
    def top1(self) -> float:
        """Accuracy in percent."""
        return 100.0 * self.correct / self.images

    def to_document(self) -> dict[str, object]:
        """The evaluation as JSON."""
        return {
            "weights": self.label,
            "subnet": self.subnet.to_numbers(),
            "split": self.split,
            "images": self.images,
            "top1": self.top1,
            "top1_interval": list(binomial_interval(self.correct, self.images)),
            "params": self.params,
            "energy_j": self.energy_j,
            "firing_rate": self.firing_rate,
            "batchnorm": self.batchnorm,
            "fidelity": self.fidelity,
            "switches": list(self.switches),
            "silent_channels": self.silent_channels,
        }


def evaluation_table(title: str, evaluations: Sequence[Evaluation], unit: EnergyUnit | None = None) -> Table:
    """Evaluations side by side, one a column, one property a line."""
    unit = unit or energy_unit(evaluation.energy_j for evaluation in evaluations)
    table = plain_table(title)
    table.add_column("", no_wrap=True)
    for evaluation in evaluations:
        table.add_column(Text(evaluation.label), overflow="fold")
    lines: tuple[tuple[str, Callable[[Evaluation], str]], ...] = (
        ("Candidate", lambda e: str(e.subnet)),
        ("Acc (%), 95 % interval", lambda e: format_accuracy(e.top1, binomial_interval(e.correct, e.images))),
        ("Correct", lambda e: f"{e.correct} of {e.images} {e.split} images"),
        ("Energy an image", lambda e: format_energy(e.energy_j, unit)),
        ("Params", lambda e: format_count(e.params)),
        ("Firing rate", lambda e: format_share(e.firing_rate)),
        ("BatchNorm", lambda e: e.batchnorm),
        ("Silent channels", lambda e: str(e.silent_channels)),
        ("Fidelity", lambda e: ", but ".join([e.fidelity, *e.switches])),
    )
    for name, cell in lines:
        table.add_row(name, *(Text(cell(evaluation)) for evaluation in evaluations))
    return table
