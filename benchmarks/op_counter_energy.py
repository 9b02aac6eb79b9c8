"""From our joules to SpikingJelly's, rule by rule, and its memory traffic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from engine_network import SHAPE, SUBNET, print_table
from op_counter_counts import (
    BATCH_NORM,
    PRODUCTS,
    Line,
    Ours,
    Theirs,
    measuring_additions,
    verdict,
)
from spikingjelly.activation_based import functional, op_counter
from spikingjelly.activation_based.model.spikformer import Spikformer
from torch import Tensor

from autospikformer_cli.energy.pricing import EnergyModel, EnergyReport
from autospikformer_cli.recipe.energy.models import shipped_convention, shipped_profile

HARDWARE = shipped_profile("cmos45")
PICO, MICRO, MILLI = 1e-12, 1e6, 1e3
BYTES = 8
"""Of a number in float64, in which both networks fire the same spikes."""


def priced(ours: Ours, **rules: str | bool) -> EnergyReport:
    """Joules by `sound`, other rules laid over it."""
    convention = shipped_convention("sound").model_copy(update=rules)
    return EnergyModel(SHAPE, convention, HARDWARE).of(SUBNET, ours.measurement)


def print_conventions(ours: Ours, theirs: Theirs) -> None:
    """Whether `EnergyModel` says the same as the tables."""
    sops = {each.name: ours.sops(each) for each in ours.operations}
    events = {name: sum(counts) for name, counts in ours.events.items()}
    for column, exact, rules in (("SOPs", sops, {}), ("events", events, {"border": "exact"})):
        layers = [each for each in priced(ours, order="q_kv", **rules).layers if each.sops is not None]
        off = sum(round((each.sops or 0.0) * ours.images) != exact[each.name] for each in layers)
        by = "`sound`, order `q_kv`" if not rules else 'the same with `border = "exact"`'
        print(f"{column}: `EnergyModel` by {by} has them, too: {verdict(off)} in {len(layers)} operations.")
    layers = priced(ours, batchnorm_folded=False, first_layer_steps="every").layers
    norms = sum(each.multiplies for each in layers if each.kind == "batchnorm") * ours.images
    rest = theirs.lines[BATCH_NORM].mac - round(norms)
    print(f"BatchNorm: its MACs are ours by `batchnorm_folded = false`, first layer at every step: {verdict(rest)}.\n")


def steps_to_theirs(ours: Ours, lines: Iterable[Line], others: Iterable[Line]) -> Iterator[tuple[str, float]]:
    """Joules of an image: what each rule adds to ours, from our counts alone."""
    other_order = priced(ours, order="q_kv").energy_j - priced(ours).energy_j
    yield "order q (k^T v), which it executes", other_order
    added, mac_pj = dict[str, float](), HARDWARE.mac or math.nan
    for line in (*lines, *others):
        before = line.sops * (mac_pj if line.rule in ("pixels", "head") else HARDWARE.ac)
        after = line.predicted.mac * mac_pj + line.predicted.ac * HARDWARE.ac
        added[line.rule] = added.get(line.rule, 0.0) + (after - before) * PICO / ours.images
    yield from ((rule, joules) for rule, joules in added.items() if joules)
    yield "its own measuring", measuring_additions(ours, lines) * HARDWARE.ac * PICO / ours.images


def print_energy(
    ours: Ours, theirs: Theirs, lines: Sequence[Line], others: Sequence[Line], network: Spikformer, images: Tensor
) -> None:
    """From our joules to SpikingJelly's."""
    report = op_counter.estimate_simple_energy(network, images)
    functional.reset_net(network)
    print("## Joules of an image\n")
    print("`estimate_simple_energy` prices MACs and ACs as we do (4.6 and 0.9 pJ), then memory traffic.\n")
    energy = priced(ours).energy_j
    rows = [["ours (`sound`, order (q k^T) v)", "", f"{energy * MICRO:.2f}"]]
    for rule, joules in steps_to_theirs(ours, lines, others):
        energy += joules
        rows.append([rule, f"{joules * MICRO:+.2f}", f"{energy * MICRO:.2f}"])
    compute = report.energy_compute_pj * PICO / ours.images
    left = (
        "exact, to rounding" if math.isclose(energy, compute, rel_tol=1e-12) else f"unexplained: {compute - energy} J"
    )
    rows.append(["SpikingJelly's, compute", left, f"{compute * MICRO:.2f}"])
    print_table(("rule", "adds (microjoules)", "microjoules"), rows)
    own = measuring_additions(ours, lines)
    rest = report.counts["ac"] - theirs.total.ac - own
    print("Its own measuring: beside the memory counter, whose hooks add up with torch, `ACCounter` counts those sums,")
    print(f"{own:,} ACs that the network does not do and that the table above does not have: {verdict(rest)}.\n")
    print_memory(ours, lines, report)


def print_memory(ours: Ours, lines: Sequence[Line], report: op_counter.SimpleEnergyReport) -> None:
    """Its memory traffic, from our counts."""
    weights = [line for line in lines if not line.name.endswith(PRODUCTS)]
    state = sum(each.neurons for each in ours.spikes.values()) * ours.runs * BYTES
    predicted = {
        "weight_read_bytes": sum(line.predicted.synop + line.predicted.mac for line in weights) * BYTES,
        "bias_read_bytes": SHAPE.num_classes * ours.runs * BYTES,
        "neuron_state_read_bytes": state,
        "neuron_state_write_bytes": state,
    }
    why = (
        "the SynOps and MACs above, attention products excepted, a weight each",
        "the head's",
        "a potential a neuron and step",
        "the same",
    )
    rows = [
        [name, f"{report.counts[name]:,}", text, verdict(report.counts[name] - expected)]
        for (name, expected), text in zip(predicted.items(), why, strict=True)
    ]
    print_table(("memory, all images", f"bytes ({BYTES} a number)", "rule", "residue"), rows)
    joules = report.energy_memory_pj * PICO / ours.images * MILLI
    print(f"At 24.96 pJ a byte {joules:.1f} mJ an image, half of it in float32; by `cmos45` nothing.\n")
