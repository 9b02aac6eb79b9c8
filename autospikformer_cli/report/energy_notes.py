"""Notes under an energy table: the source of the rates, the rules, and what is not counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autospikformer_cli.energy.comparison import Comparison
from autospikformer_cli.energy.pricing import EnergyReport
from autospikformer_cli.energy.results import Work
from autospikformer_cli.recipe.energy.models import Convention, HardwareProfile
from autospikformer_cli.units import format_count, format_energy, format_share


def energy_notes(
    report: EnergyReport, comparison: Comparison, rules: Convention, hardware: HardwareProfile, source: str
) -> Iterator[str]:
    """Notes under a table of layers."""
    yield f"input rates: {source}; convention {rules.name}, profile {hardware.name}: {hardware.title}"
    yield f"not counted: {', '.join(free_of_charge(rules, hardware, any(layer.neurons_j for layer in report.layers)))}"
    if report.unpriced:
        yield f"not priced, for {hardware.name} has no mac ({hardware.left_out['mac']}): {', '.join(report.unpriced)}"
    yield f"{format_count(report.params)} parameters; {ann_text(comparison)}"


def free_of_charge(rules: Convention, hardware: HardwareProfile, neurons: bool) -> list[str]:
    """What costs nothing under a convention and a profile. neurons: whether updates of neurons are priced."""
    free = ["pooling"]
    free += [] if neurons else ["neurons"]
    free += ["BatchNorm's affine part"] if rules.batchnorm_folded else []
    free += ["residual additions"]
    free += ["memory"] if hardware.memory is None else []
    return free + ([] if rules.head else ["the classifier"])


def ann_text(comparison: Comparison) -> str:
    """The energy of the ANN of the same shape, and the input rate at which spikes cost as much."""
    if comparison.ann_j is None:
        return "no figure for an ANN"
    parts = [f"as an ANN (Equation 4): {format_energy(comparison.ann_j)}"]
    if comparison.ann_int8_j is not None:
        parts.append(f"with 8 bits {format_energy(comparison.ann_int8_j)}")
    if comparison.break_even_rate is not None and comparison.mean_rate is not None:
        rates = format_share(comparison.break_even_rate), format_share(comparison.mean_rate.mean)
        parts.append(f"break-even at an input rate of {rates[0]}, here {rates[1]}")
    return ", ".join(parts)


def module_notes(not_counted: Sequence[Work], unattributed: Sequence[Work]) -> Iterator[str]:
    """Notes under the table of a user's module: operators that cost nothing, and those that could not be counted."""
    operators: dict[str, int] = {}
    for work in not_counted:
        operators[work.operator] = operators.get(work.operator, 0) + work.calls
    if operators:
        yield f"operators that cost 0: {', '.join(f'{name} ({calls})' for name, calls in operators.items())}"
    for work in unattributed:
        place = work.module or "the module itself"
        yield f"NOT COUNTED: {work.operator} in {place}, {work.calls} calls, {format_count(work.elements)} elements"
