"""What single subnets measure: the table of `evaluate`."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.text import Text

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.recipe.fidelity import Value
from autospikformer_cli.report.provenance import (
    batchnorm_text,
    fidelity_text,
    network_switches_text,
    of_the_network,
    selection_notes,
)
from autospikformer_cli.report.tables import format_accuracy, plain_table
from autospikformer_cli.report.units import (
    ABSENT,
    EnergyUnit,
    energy_unit,
    format_count,
    format_energy,
    format_share,
)
from autospikformer_cli.space import Subnet

NOTE_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of one subnet. label: whose weights (inherited, fine-tuned); energy in joules an image.

    synaptic_events: of an image, exact, of the attention products in the order that the energy counts; None for an ANN.
    switches, resolved: as in `provenance.Provenance`. selected_on: the split of the search that chose the subnet, ""
    where none did.
    """

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
    resolved: Mapping[str, Value] = field(default_factory=dict)
    engine: str = "dense"
    synaptic_events: float | None = None
    selected_on: str = ""

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
            "synaptic_events": self.synaptic_events,
            "engine": self.engine,
            "batchnorm": self.batchnorm,
            "fidelity": self.fidelity,
            "switches": list(self.switches),
            "resolved": dict(self.resolved),
            "silent_channels": self.silent_channels,
            "selected_on": self.selected_on or None,
        }


def evaluation_table(title: str, evaluations: Sequence[Evaluation], unit: EnergyUnit | None = None) -> RenderableType:
    """Evaluations side by side, one a column, one property a line; below them every switch in force."""
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
        ("Synaptic events", _synaptic_events),
        ("Engine", lambda e: e.engine),
        ("BatchNorm", lambda e: batchnorm_text(e.batchnorm, e.images, e.resolved)),
        ("Silent channels", lambda e: str(e.silent_channels)),
        ("Fidelity", lambda e: fidelity_text(e.fidelity, of_the_network(e.switches))),
    )
    for name, cell in lines:
        table.add_row(name, *(Text(cell(evaluation)) for evaluation in evaluations))
    in_force = dict.fromkeys(
        network_switches_text(evaluation.resolved) for evaluation in evaluations if evaluation.resolved
    )
    marks = dict.fromkeys(
        note
        for evaluation in evaluations
        if evaluation.split == evaluation.selected_on
        for note in selection_notes(evaluation.selected_on)
    )
    return Group(table, *(Text(textwrap.fill(text, NOTE_WIDTH)) for text in (*marks, *in_force)))


def _synaptic_events(evaluation: Evaluation) -> str:
    events = evaluation.synaptic_events
    return ABSENT if events is None else f"{format_count(events)} an image"
