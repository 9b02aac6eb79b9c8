"""Notes under an energy table: the source of the rates, the rules, and what is not counted."""

from __future__ import annotations

from collections.abc import Iterator

from autospikformer_cli.energy.comparison import Comparison
from autospikformer_cli.energy.pricing import EnergyReport, unpriced_text
from autospikformer_cli.energy.results import NetworkEnergy
from autospikformer_cli.energy.traced import SecondRun, TracedNetwork
from autospikformer_cli.recipe.energy.models import Convention, HardwareProfile
from autospikformer_cli.units import format_count, format_energy, format_share

MOST_CHANGED = 6
"""Names of changed values in a warning; JSON has all."""


def energy_notes(
    report: EnergyReport, comparison: Comparison, rules: Convention, hardware: HardwareProfile, source: str
) -> Iterator[str]:
    """Notes under a table of layers."""
    yield f"input rates: {source}; convention {rules.name}, profile {hardware.name}: {hardware.title}"
    yield f"not counted: {', '.join(free_of_charge(rules, hardware, any(layer.neurons_j for layer in report.layers)))}"
    if report.unpriced:
        yield unpriced_text(hardware, report.unpriced)
    yield f"{format_count(report.params)} parameters; {ann_text(comparison)}"


def sops_note(rules: Convention) -> str | None:
    """What tells SOPs from synaptic events, unless the convention counts these."""
    if rules.border == "exact":
        return None
    return (
        "SOPs: rate x T x MACs. Synaptic events (aspk evaluate): as executed, so without what a padded convolution's "
        "border cuts off; --convention border-exact prices these"
    )


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
    if comparison.break_even_rate is not None and comparison.weighted_rate is not None:
        rates = format_share(comparison.break_even_rate), format_share(comparison.weighted_rate)
        parts.append(f"break-even at an input rate of {rates[0]}, here {rates[1]}")
    return ", ".join(parts)


def module_notes(module: TracedNetwork) -> Iterator[str]:
    """Notes under the table of a user's module: rows of one layer, weights that are 0, operators that cost nothing."""
    for name, rows in module.split:
        yield f"{name} reads several kinds of input, so it has a row for each: {', '.join(rows)}"
    if module.connection_sparsity:
        zeros, number = (sum(getattr(each, part) for each in module.weights) for part in ("zeros", "number"))
        share = f"{100.0 * module.connection_sparsity:.1f} % of the weights are 0 (connection sparsity)"
        yield f"{share}, {zeros:,} of {number:,}; they are counted like the others, as by dense hardware"
    operators: dict[str, int] = {}
    for work in module.not_counted:
        operators[work.operator] = operators.get(work.operator, 0) + work.calls
    if operators:
        yield f"operators that cost 0: {', '.join(f'{name} ({calls})' for name, calls in operators.items())}"


def module_warnings(found: NetworkEnergy) -> Iterator[str]:
    """Why the energy of a user's module may not be what the user wants to know."""
    if found.module is None:
        return
    for work in found.module.unattributed:
        place = work.module or "the module itself"
        yield f"NOT COUNTED: {work.operator} in {place}, {work.calls} calls, {format_count(work.elements)} elements"
    if found.silent_layers:
        reading = len(found.network.counts.rates)
        silent = f"no spike reaches {len(found.silent_layers)} of {reading} layers that read spikes"
        cause = "an untrained network is often silent: load trained weights, or give a real input (--input)"
        yield f"WARNING: {silent}, so they cost nothing: {', '.join(found.silent_layers)}; {cause}"
    second_j = found.second_energy_j
    yield from _state_warning(found.module.second_run, None if second_j == found.report.energy_j else second_j)


def _state_warning(run: SecondRun, second_energy_j: float | None) -> Iterator[str]:
    if run.verdict == "same":
        return
    costs = f" and costs {format_energy(second_energy_j)}" if second_energy_j is not None else ""
    seen = f"fails: {run.error}" if run.error else f"has other results{costs}"
    others = f", and {len(run.changed) - MOST_CHANGED} others" if len(run.changed) > MOST_CHANGED else ""
    changed = f"; changed by the runs: {', '.join(run.changed[:MOST_CHANGED])}{others}" if run.changed else ""
    if run.verdict == "random":
        cause = (
            "it draws random numbers that torch's, numpy's and Python's seeds do not fix, or reads what is outside it"
        )
        unknown = "so whether it keeps a state is not known"
        yield f"WARNING: a second run on the same input {seen}: {cause}, {unknown}{changed}"
        return
    fix = "reset the state at the start of forward, as by SpikingJelly's functional.reset_net(self)"
    kept = f"the module keeps a state: a second run on the same input {seen}; the first is counted"
    yield f"WARNING: {kept}; {fix}{changed}"
