"""How numbers were obtained: what every report says beside them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from autospikformer_cli.report.units import EnergyUnit, energy_unit, format_energy
from autospikformer_cli.search.fitness import Bounds


@dataclass(frozen=True, slots=True)
class Provenance:
    """Under what the candidates of a search were measured and scored.

    calibration_images: that BatchNorm was recalibrated on, None where it was not. bounds: of F_AEB over the archive,
    None where each generation has its own. epochs: of the supernet when it was measured. note: why a search
    ended before its budget. switches: recipe keys that differ from what fidelity and convention say.
    """

    dataset: str
    split: str
    images: int
    batchnorm: str
    calibration_images: int | None
    fidelity: str
    energy_profile: str
    energy_convention: str
    algorithm: str
    alpha: float
    normalise: str
    bounds: Bounds | None
    seed: int
    epochs: int | None = None
    note: str = ""
    switches: tuple[str, ...] = ()

    def to_document(self) -> dict[str, object]:
        """Every field as JSON but alpha and bounds, which a document holds on its own."""
        fields = asdict(self)
        del fields["alpha"], fields["bounds"]
        return fields


def bounds_document(bounds: Bounds | None) -> dict[str, list[float]] | None:
    """Bounds as JSON: top-1 in percent, energy in joules."""
    return None if bounds is None else {"top1": list(bounds.top1), "energy_j": list(bounds.energy_j)}


def provenance_panel(provenance: Provenance, unit: EnergyUnit | None = None) -> Panel:
    """The panel 'How these numbers were obtained', one fact a line."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in _lines(provenance, unit):
        grid.add_row(Text(name, style="bold"), Text(value))
    return Panel(grid, title="How these numbers were obtained", title_align="left", expand=False)


def _lines(provenance: Provenance, unit: EnergyUnit | None) -> list[tuple[str, str]]:
    p = provenance
    calibrated = f" on {p.calibration_images} training images" if p.calibration_images else ""
    lines = [
        ("accuracy", f"{p.images} {p.split} images of {p.dataset}; interval: 95 %, binomial (Wilson)"),
        ("BatchNorm", f"{p.batchnorm}{calibrated}"),
        ("energy", f"joules an image, profile {p.energy_profile}, convention {p.energy_convention}"),
        ("fidelity", p.fidelity),
        ("F_AEB", f"alpha {p.alpha:g} (1 - energy) + {1 - p.alpha:g} accuracy, min-max scaled ({p.normalise})"),
        ("bounds", _bounds_text(p.bounds, unit)),
        ("search", f"{p.algorithm}, seed {p.seed}"),
    ]
    if p.epochs is not None:
        lines.append(("weights", f"inherited from a supernet of {p.epochs} epochs, not retrained"))
    if p.switches:
        lines.append(("switched", ", ".join(p.switches)))
    if p.note:
        lines.append(("note", p.note))
    return lines


def _bounds_text(bounds: Bounds | None, unit: EnergyUnit | None) -> str:
    if bounds is None:
        return "each generation's own"
    unit = unit or energy_unit(bounds.energy_j)
    low, high = bounds.energy_j
    return (
        f"accuracy {bounds.top1[0]:.2f} to {bounds.top1[1]:.2f} %, "
        f"energy {unit.number(low)} to {format_energy(high, unit)}"
    )
