"""How numbers were obtained: what every report says beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from autospikformer_cli.recipe.fidelity import Value
from autospikformer_cli.recipe.toml_text import toml_value
from autospikformer_cli.report.tables import MAX_WIDTH
from autospikformer_cli.report.units import EnergyUnit, energy_unit, format_energy
from autospikformer_cli.search.fitness import Bounds

_FRAME = len("│ BatchNorm  ") + len(" │")
"""Columns of the panel beside its text."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Under what the candidates of a search were measured and scored.

    calibration_images: that BatchNorm was recalibrated on, None where it was not. alpha: None where several are shown.
    bounds: of F_AEB over the archive, None where each generation has its own. epochs: of the supernet when it was
    measured. engine: what ran the subnets. note: why a search ended before its budget. limits: what
    subnets had to keep to. switches: recipe keys that
    differ from what fidelity and convention say.
    resolved: the value of every such key, and of those that tell the network. events: how recordings became frames, ""
    for images.
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
    alpha: float | None
    normalise: str
    bounds: Bounds | None
    seed: int
    epochs: int | None = None
    engine: str = "dense"
    imported_from: str = ""
    events: str = ""
    note: str = ""
    limits: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    resolved: Mapping[str, Value] = field(default_factory=dict)

    def to_document(self) -> dict[str, object]:
        """Every field as JSON but alpha and bounds, which a document holds on its own."""
        fields = asdict(self)
        del fields["alpha"], fields["bounds"]
        return fields


def bounds_document(bounds: Bounds | None) -> dict[str, list[float]] | None:
    """Bounds as JSON: top-1 in percent, energy in joules."""
    return None if bounds is None else {"top1": list(bounds.top1), "energy_j": list(bounds.energy_j)}


def fidelity_text(fidelity: str, switches: Sequence[str]) -> str:
    """A fidelity with the switches that differ from it.

    >>> fidelity_text("sound", ["model.decay_input = false", "search.alpha = 0.3"])
    'sound, but model.decay_input = false, search.alpha = 0.3'
    """
    return f"{fidelity}, but {', '.join(switches)}" if switches else fidelity


def switches_text(resolved: Mapping[str, Value]) -> str:
    """Every switch's value, section by section.

    >>> switches_text({"model.reset": "hard", "model.decay_input": True, "search.alpha": 0.5})
    'model: reset hard, decay_input true; search: alpha 0.5'
    """
    parts = []
    for section, keys in groupby(resolved, key=lambda key: key.split(".")[0]):
        values = (f"{key.split('.')[1]} {toml_value(resolved[key]).strip(chr(34))}" for key in keys)
        parts.append(f"{section}: {', '.join(values)}")
    return "; ".join(parts)


def of_the_network(switches: Sequence[str]) -> list[str]:
    """The switches that one network's own result depends on, without those of training and search.

    >>> of_the_network(["model.decay_input = false", "search.alpha = 0.3"])
    ['model.decay_input = false']
    """
    return [switch for switch in switches if switch.startswith(("model.", "energy."))]


def network_switches_text(resolved: Mapping[str, Value]) -> str:
    """The values of the switches that one network's own result depends on."""
    return f"switches: {switches_text({key: resolved[key] for key in of_the_network(list(resolved))})}"


def fidelity_notes(fidelity: str, switches: Sequence[str], resolved: Mapping[str, Value]) -> list[str]:
    """What stands under one network's table: the fidelity with what differs from it, and the switches in force."""
    return [f"fidelity: {fidelity_text(fidelity, of_the_network(switches))}", network_switches_text(resolved)]


def batchnorm_text(
    batchnorm: str, images: int, resolved: Mapping[str, Value], calibration_images: int | None = None
) -> str:
    """Whose statistics normalised; where results depend on the batch size, on how many images at once.

    >>> batchnorm_text("batch", 1000, {"model.evaluation_batch": 64})
    'batch (statistics of each batch of 64 images: results depend on its size)'
    """
    if batchnorm == "batch":
        batch = resolved.get("model.evaluation_batch")
        size = f" of {min(int(batch), images)} images" if batch else ""
        return f"batch (statistics of each batch{size}: results depend on its size)"
    return f"{batchnorm} on {calibration_images} training images" if calibration_images else batchnorm


def selection_notes(split: str) -> tuple[str, ...]:
    """What stands under every table of subnets that were selected by test images.

    >>> selection_notes("validation")
    ()
    """
    if split != "test":
        return ()
    return ('! selected on test images (search.split = "test"): no unbiased test accuracy is left for these subnets',)


def _fitness_text(alpha: float | None, normalise: str) -> str:
    weights = ("alpha", "(1 - alpha)") if alpha is None else (f"alpha {alpha:g}", f"{1 - alpha:g}")
    return f"{weights[0]} (1 - energy) + {weights[1]} accuracy, min-max scaled ({normalise})"


def provenance_panel(provenance: Provenance, unit: EnergyUnit | None = None) -> Panel:
    """The panel 'How these numbers were obtained', one fact a line."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", max_width=MAX_WIDTH - _FRAME)
    for name, value in _lines(provenance, unit):
        grid.add_row(Text(name, style="bold"), Text(value))
    return Panel(grid, title="How these numbers were obtained", title_align="left", expand=False)


def _lines(provenance: Provenance, unit: EnergyUnit | None) -> list[tuple[str, str]]:
    p = provenance
    lines = [
        *([("events", p.events)] if p.events else []),
        ("accuracy", f"{p.images} {p.split} images of {p.dataset}; interval: 95 %, binomial (Wilson)"),
        ("BatchNorm", batchnorm_text(p.batchnorm, p.images, p.resolved, p.calibration_images)),
        ("energy", f"joules an image, profile {p.energy_profile}, convention {p.energy_convention}"),
        ("fidelity", fidelity_text(p.fidelity, p.switches)),
        ("F_AEB", _fitness_text(p.alpha, p.normalise)),
        ("bounds", _bounds_text(p.bounds, unit)),
        ("search", f"{p.algorithm}, seed {p.seed}"),
        *([("limits", ", ".join(p.limits))] if p.limits else []),
        ("engine", p.engine),
    ]
    if p.imported_from:
        trained_on = f"which may have been trained on these {p.split} images"
        lines.append(("weights", f"inherited from the imported {p.imported_from}, {trained_on}; not retrained"))
    elif p.epochs is not None:
        lines.append(
            ("weights", f"inherited from a supernet of {p.epochs} epoch{'s' * (p.epochs != 1)}, not retrained")
        )
    if p.resolved:
        lines.append(("switches", switches_text(p.resolved)))
    lines += [("note", note) for note in (p.note, *selection_notes(p.split)) if note]
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
