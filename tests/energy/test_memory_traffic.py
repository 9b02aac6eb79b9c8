"""Bits that operations move, each by hand: widths, reads and writes are prime numbers, so none stands for another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autospikformer_cli.energy.counts import InputRate, OperationCounts
from autospikformer_cli.energy.memory import ann_traffic_energy, spiking_traffic_energy
from autospikformer_cli.energy.pricing import Pricing
from autospikformer_cli.recipe.energy.models import Convention, HardwareProfile, Memory, shipped_profile
from autospikformer_cli.spiking.layout import Operation

MEMORY = Memory(read=2, write=3, weight_bits=5, activation_bits=7, potential_bits=11)
HARDWARE = HardwareProfile(
    name="own", title="own", process="none", unit="pJ", source="here", mac=13, ac=1, memory=MEMORY,
    left_out={"int8": "of no use"},
)  # fmt: skip
STEPS = 3

BINARY = Operation("layer", "linear", 120, 120, 0, "layer", "binary", inputs=6, outputs=20, norm="bn")
PIXELS = replace(BINARY, input_kind="real", runs="repeated")
HEAD = Operation("head", "head", 40, 40, 0, "head", "real", inputs=20, outputs=2, runs="image", fires=False)
Q_K = Operation(
    "q@k", "attention", 72, 72, 0, "q", "binary", inputs=12, outputs=9, stored="spikes", fires=False
)  # fmt: skip
QK_V = replace(Q_K, name="qk@v", outputs=12, stored="sums", fires=True)
READ, WRITTEN = MEMORY.model_copy(update={"read": 1, "write": 0}), MEMORY.model_copy(update={"read": 0, "write": 1})
"""With these an energy is a number of bits."""
POTENTIALS = 20 * 3 * 11
"""Of 20 neurons, read, and written, at three steps."""
SPIKES = 20 * 3


@pytest.mark.parametrize(
    ("operation", "executed", "steps", "read", "written"),
    [
        # Each accumulate reads a weight; 6 inputs of a bit are read at each step.
        (BINARY, 100, 3, 100 * 5 + 6 * 3 + POTENTIALS, POTENTIALS + SPIKES),
        (BINARY, 0, 3, 6 * 3 + POTENTIALS, POTENTIALS + SPIKES),
        # 2 and 3 need two bits, 4 needs three.
        (replace(BINARY, input_kind="integer", largest_input=2), 100, 3, 500 + 36 + POTENTIALS, POTENTIALS + SPIKES),
        (replace(BINARY, input_kind="integer", largest_input=3), 100, 3, 500 + 36 + POTENTIALS, POTENTIALS + SPIKES),
        (replace(BINARY, input_kind="integer", largest_input=4), 100, 3, 500 + 54 + POTENTIALS, POTENTIALS + SPIKES),
        # A count of events is as wide as an activation.
        (replace(BINARY, input_kind="events"), 100, 3, 500 + 6 * 3 * 7 + POTENTIALS, POTENTIALS + SPIKES),
        # Pixels, convolved once: 20 currents are written once, and read at every step; or at every step, and not kept.
        (PIXELS, 120, 1, 600 + 6 * 7 + 2 * POTENTIALS, POTENTIALS + SPIKES + 20 * 11),
        (replace(PIXELS, runs="image"), 120, 1, 600 + 42 + 2 * POTENTIALS, POTENTIALS + SPIKES + 20 * 11),
        (PIXELS, 360, 3, 1800 + 6 * 3 * 7 + POTENTIALS, POTENTIALS + SPIKES),
        # A classifier has no neurons: two sums.
        (HEAD, 40, 1, 40 * 5 + 20 * 7, 2 * 11),
        # Of q k the other factor is spikes, and 9 sums are written at each step; they are what v meets.
        (Q_K, 50, 3, 50 * 1 + 12 * 3, 9 * 3 * 11),
        (QK_V, 50, 3, 50 * 11 + 12 * 3 + 12 * 3 * 11, 12 * 3 * (11 + 1)),
    ],
    ids=str,
)
def test_a_spiking_operation(operation: Operation, executed: float, steps: int, read: int, written: int) -> None:
    moved = [spiking_traffic_energy(operation, executed, steps, STEPS, memory) for memory in (READ, WRITTEN, MEMORY)]
    assert moved == [read, written, 2 * read + 3 * written]


@pytest.mark.parametrize(
    ("operation", "read", "written"),
    [
        (BINARY, 120 * 5 + 6 * 7, 20 * 7),
        (PIXELS, 120 * 5 + 6 * 7, 20 * 7),
        (HEAD, 40 * 5 + 20 * 7, 2 * 7),
        (Q_K, 72 * 7 + 12 * 7, 9 * 7),
        (QK_V, 72 * 7 + 12 * 7, 12 * 7),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_an_ann_s_operation(operation: Operation, read: int, written: int) -> None:
    """Weights, or the other factor's activations, for every multiplication; inputs and outputs once."""
    moved = [ann_traffic_energy(operation, operation.macs, memory) for memory in (READ, WRITTEN, MEMORY)]
    assert moved == [read, written, 2 * read + 3 * written]


def test_one_step_keeps_no_current() -> None:
    moved = [spiking_traffic_energy(PIXELS, 120, 1, 1, memory) for memory in (READ, WRITTEN)]
    assert moved == [600 + 42 + 20 * 11, 20 * 12]


def test_traffic_is_priced_beside_what_is_computed() -> None:
    """18 values of 36 are 1: 60 x 3 accumulates; BatchNorm reads one weight for each of its multiplications."""
    pricing = Pricing(Convention(name="own", batchnorm_folded=False), HARDWARE, STEPS)
    layer, norm = pricing.layers([BINARY], OperationCounts.given({"layer": InputRate(0.5, 0.5)}))
    bits = 2 * (180 * 5 + 18 + POTENTIALS) + 3 * (POTENTIALS + SPIKES)
    assert (layer.compute_j, layer.memory_j) == (pytest.approx(180e-12), pytest.approx(bits * 1e-12))
    assert (norm.compute_j, norm.memory_j) == (pytest.approx(60 * 13e-12), pytest.approx(60 * 5 * 2e-12))
    assert layer.energy_j == layer.compute_j + layer.memory_j


def test_strict_reads_a_weight_once_for_a_value() -> None:
    counts = OperationCounts.given({"layer": InputRate(0.75, 0.5)})
    integers = replace(BINARY, input_kind="integer", largest_input=2)
    moved = [
        next(Pricing(Convention(name="own", residual=residual), HARDWARE, STEPS).layers([integers], counts)).memory_j
        for residual in ("ac", "mac")
    ]
    assert moved[0] - moved[1] == pytest.approx((270 - 180) * 5 * 2e-12)


def test_eight_bits_leave_sums_as_they_are() -> None:
    eight = shipped_profile("cmos45-memory").at_8_bits()
    assert eight is not None
    assert (eight.mac, eight.ac) == (0.3, 0.1)
    assert eight.memory == Memory(read=0.15625, write=0.15625, weight_bits=8, activation_bits=8, potential_bits=32)
    assert HARDWARE.at_8_bits() is None
    plain = shipped_profile("cmos45").at_8_bits()
    assert plain is not None
    assert (plain.mac, plain.ac, plain.memory, plain.unit) == (0.3, 0.1, None, "pJ")
