"""A network of two convolutions and a classifier on 4 x 4 inputs, counted by hand under every convention.

    input 4 x 4 x 1  --conv 3 x 3-->  LIF, and a residual sum  --conv 3 x 3-->  LIF 4 x 4 x 3  --mean-->  head
      pixels, or events    1 to 2     4 x 4 x 2                   2 to 3                                3 to 2

Two time steps, one image. A dot is 0. A value reaches 4 positions from a corner, 6 from an edge, 9 from within.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from autospikformer_cli.energy.counts import InputRate, MissingCounts, OperationCounts, SynapticWork
from autospikformer_cli.energy.pricing import LayerEnergy, Pricing
from autospikformer_cli.recipe.energy.models import Convention, shipped_convention, shipped_names, shipped_profile
from autospikformer_cli.spiking.layout import Operation

SIDE, STEPS = 4, 2

# Events, channel by channel, of step 1 and of step 2: 5 within and 1 in a corner; 2 at an edge.
EVENTS = (
    """
    . . . .        . . 2 .
    . 5 . .        . . . .
    . . . .        . . . .
    1 . . .        . . . .
    """,
)
# The residual sum that the second layer reads: channel A, then channel B, of step 1 and of step 2.
SUMS = (
    """
    1 . . .        . 1 . .
    . 2 . .        . . . .
    . . . 1        . . 2 .
    . . . .        . . . .
    """,
    """
    . . . .        . . . .
    . . 1 .        . . . .
    . . . .        . . . .
    2 . . .        . . . .
    """,
)

PIXELS_READ = Operation(
    "first", "convolution", macs=288, reached_macs=200, params=18, reads="first", input_kind="real", inputs=16,
    outputs=32, runs="repeated", norm="first_bn",
)  # fmt: skip
EVENTS_READ = replace(PIXELS_READ, input_kind="events", runs="step")
SECOND = Operation(
    "second", "convolution", macs=864, reached_macs=600, params=54, reads="second", input_kind="integer", inputs=32,
    outputs=48, largest_input=2, norm="second_bn",
)  # fmt: skip
HEAD = Operation("head", "head", 6, 6, 8, "head", "real", inputs=3, outputs=2, runs="image", fires=False)
ON_PIXELS, ON_EVENTS = (PIXELS_READ, SECOND, HEAD), (EVENTS_READ, SECOND, HEAD)


class Loops(NamedTuple):
    """What loops over every synapse count. padded: with those that would lead outside of the map."""

    padded: int = 0
    padded_nonzero: int = 0
    events: int = 0
    passes: int = 0
    synapses: int = 0
    inside: int = 0


def drawn(channel: str) -> list[list[list[int]]]:
    """Values by step, row and column of one channel's drawing."""
    rows = [[0 if value == "." else int(value) for value in line.split()] for line in channel.strip().splitlines()]
    return [[row[step * SIDE : (step + 1) * SIDE] for row in rows] for step in range(STEPS)]


def loops(channels: tuple[str, ...], outputs: int) -> Loops:
    """Every input value to every output of every tap, one synapse after the other, over both steps."""
    found = Loops()
    for values in (step for channel in channels for step in drawn(channel)):
        for y, x in ((y, x) for y in range(SIDE) for x in range(SIDE)):
            for row, column in ((y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
                for _ in range(outputs):
                    value, inside = values[y][x], 0 <= row < SIDE and 0 <= column < SIDE
                    one = (value, value != 0, value * inside, (value != 0) * inside, 1, inside)
                    found = Loops(*(before + more for before, more in zip(found, one, strict=True)))
    return found


def input_rate(channels: tuple[str, ...]) -> InputRate:
    """Mean value, and share of values that are not 0, over elements and steps."""
    values = [value for channel in channels for step in drawn(channel) for row in step for value in row]
    return InputRate(sum(values) / len(values), sum(value != 0 for value in values) / len(values))


def counts() -> OperationCounts:
    """What loops over every synapse have counted."""
    first, second = loops(EVENTS, 2), loops(SUMS, 3)
    work = {"first": SynapticWork(first.events, first.passes), "second": SynapticWork(second.events, second.passes)}
    return OperationCounts({"first": input_rate(EVENTS), "second": input_rate(SUMS)}, work)


def priced(convention: Convention, network: tuple[Operation, ...]) -> dict[str, LayerEnergy]:
    pricing = Pricing(convention, shipped_profile("cmos45"), STEPS)
    return {layer.name: layer for layer in pricing.layers(network, counts())}


def executed(convention: Convention, network: tuple[Operation, ...]) -> dict[str, tuple[float, float]]:
    """Accumulates and multiplies by operation."""
    return {name: (layer.accumulates, layer.multiplies) for name, layer in priced(convention, network).items()}


def test_the_drawings_are_counted_as_by_hand() -> None:
    # Events: 5 + 1 + 2 = 8 in 3 pixels of 32. First layer: 9 taps x 2 outputs.
    # Exact: (5 x 9 + 1 x 4 + 2 x 6) x 2; non-zeros (9 + 4 + 6) x 2.
    assert input_rate(EVENTS) == InputRate(8 / 32, 3 / 32)
    assert loops(EVENTS, 2) == Loops(8 * 18, 3 * 18, 122, 38, 2 * 288, 2 * 200)
    # Sums: 1 + 2 + 1 + 1 + 2 and 1 + 2 = 10 in 7 values of 64. Second layer: 9 taps x 3 outputs.
    # Step 1: (1 x 4 + 2 x 9 + 1 x 6 + 1 x 9 + 2 x 4) x 3 = 135; step 2: (1 x 6 + 2 x 9) x 3 = 72.
    # Non-zeros: (4 + 9 + 6 + 9 + 4) x 3 = 96 and (6 + 9) x 3 = 45.
    assert input_rate(SUMS) == InputRate(10 / 64, 7 / 64)
    assert loops(SUMS, 3) == Loops(10 * 27, 7 * 27, 135 + 72, 96 + 45, 2 * 864, 2 * 600)
    # A row of 4 positions has 3 x 4 taps, 2 of them outside: 10 of 12 inside, squared.
    assert (PIXELS_READ.reached_macs, SECOND.reached_macs) == (2 * 10**2, 6 * 10**2)


PIXELS, HEAD_COST = (0, 288), (0, 6)
ALL_ON_PIXELS = {"first": PIXELS, "second": (270, 0), "head": HEAD_COST}
ALL_ON_EVENTS = {"first": (144, 0), "second": (270, 0), "head": HEAD_COST}
NORMS = {"first_bn": (0, 64), "second_bn": (0, 96)}
"""32 and 48 outputs, at both steps."""

BY_NAME = {
    "sound": (ALL_ON_PIXELS, ALL_ON_EVENTS),
    # No classifier; events as pixels, and pixels of events at both steps.
    "paper": ({"first": PIXELS, "second": (270, 0)}, {"first": (0, 576), "second": (270, 0)}),
    # 7 values that are not 0, 27 weights each.
    "strict": (ALL_ON_PIXELS | {"second": (0, 189)}, ALL_ON_EVENTS | {"second": (0, 189)}),
    "every-step": (ALL_ON_PIXELS | {"first": (0, 576)}, ALL_ON_EVENTS),
    # On pixels, the second layer's rate is the mean. On events: (8 + 10) / (32 + 64) = 0.1875 of 576 and of 1,728.
    "mean-rate": (ALL_ON_PIXELS, ALL_ON_EVENTS | {"first": (108, 0), "second": (324, 0)}),
    "border-exact": (
        ALL_ON_PIXELS | {"first": (0, 200), "second": (207, 0)},
        ALL_ON_EVENTS | {"first": (122, 0), "second": (207, 0)},
    ),
}


def test_every_shipped_convention_is_counted_here() -> None:
    assert set(BY_NAME) == set(shipped_names("conventions"))


@pytest.mark.parametrize("name", BY_NAME)
def test_a_shipped_convention_by_hand(name: str) -> None:
    on_pixels, on_events = BY_NAME[name]
    assert executed(shipped_convention(name), ON_PIXELS) == on_pixels
    assert executed(shipped_convention(name), ON_EVENTS) == on_events


SWITCHED = [
    ({"first_layer_steps": "every"}, {"first": (0, 576)}, {}),
    ({"residual": "mac"}, {"second": (0, 189)}, {"second": (0, 189)}),
    ({"order": "q_kv"}, {}, {}),
    ({"event_input": "mac"}, {}, {"first": (0, 576)}),
    ({"rate": "mean"}, {}, {"first": (108, 0), "second": (324, 0)}),
    # Of the values that are not 0: (3 + 7) / 96 of 1,728.
    ({"rate": "mean", "residual": "mac"}, {"second": (0, 189)}, {"first": (108, 0), "second": (0, 180)}),
    ({"border": "exact"}, {"first": (0, 200), "second": (207, 0)}, {"first": (122, 0), "second": (207, 0)}),
    (
        {"border": "exact", "residual": "mac"},
        {"first": (0, 200), "second": (0, 141)},
        {"first": (122, 0), "second": (0, 141)},
    ),
    (
        {"border": "exact", "event_input": "mac", "first_layer_steps": "every"},
        {"first": (0, 400), "second": (207, 0)},
        {"first": (0, 400), "second": (207, 0)},
    ),
    # Pixels are normalised once, too.
    ({"batchnorm_folded": False}, NORMS | {"first_bn": (0, 32)}, NORMS),
    ({"batchnorm_folded": False, "first_layer_steps": "every"}, NORMS | {"first": (0, 576)}, NORMS),
]


@pytest.mark.parametrize(("rules", "on_pixels", "on_events"), SWITCHED, ids=str)
def test_a_switch_by_hand(
    rules: dict[str, str | bool], on_pixels: dict[str, tuple[int, int]], on_events: dict[str, tuple[int, int]]
) -> None:
    convention = Convention.model_validate({"name": "own", **rules})
    for network, expected in ((ON_PIXELS, ALL_ON_PIXELS | on_pixels), (ON_EVENTS, ALL_ON_EVENTS | on_events)):
        found = executed(convention, network)
        assert set(found) == set(expected)
        assert all(found[name] == pytest.approx(costs, rel=1e-12) for name, costs in expected.items()), found


def test_the_head_and_nothing_else_is_left_out() -> None:
    own = Convention(name="own", head=False)
    assert executed(own, ON_EVENTS) == {name: cost for name, cost in ALL_ON_EVENTS.items() if name != "head"}


def test_what_a_layer_says_of_itself() -> None:
    """Rates, synaptic operations and steps beside the counts; 4.6 and 0.9 pJ."""
    own = Convention(name="own", batchnorm_folded=False)
    first, norm, second, _, head = priced(own, ON_PIXELS).values()
    shown = [(each.kind, each.macs, each.steps, each.sops, each.input_rate) for each in (first, norm, second, head)]
    assert shown == [
        ("convolution", 288, 1, None, None),
        ("batchnorm", 32, 1, None, None),
        ("convolution", 864, 2, 270, 10 / 64),
        ("head", 6, 1, None, None),
    ]
    assert (second.nonzero_rate, norm.name) == (7 / 64, "first_bn")
    assert second.energy_j == pytest.approx(270 * 0.9e-12, rel=1e-12)
    assert first.energy_j == pytest.approx(288 * 4.6e-12, rel=1e-12)
    as_pixels = priced(shipped_convention("paper"), ON_EVENTS)["first"]
    assert (as_pixels.sops, as_pixels.input_rate, as_pixels.steps) == (None, 0.25, 2)


def test_exact_borders_want_counted_events() -> None:
    pricing = Pricing(shipped_convention("border-exact"), shipped_profile("cmos45"), STEPS)
    rates = OperationCounts.given(counts().rates)
    with pytest.raises(MissingCounts) as caught:
        list(pricing.layers(ON_PIXELS, rates))
    what = 'border = "exact" needs the synaptic events of second, which were not counted'
    assert (caught.value.what, caught.value.where, caught.value.fix) == (
        what,
        "energy.border",
        "take another convention",
    )
    assert [layer.multiplies for layer in pricing.layers((PIXELS_READ, HEAD), rates)] == [200, 6]


def test_a_profile_s_unit_and_neurons() -> None:
    """Loihi: 23.6 pJ an event, 81 pJ a neuron and step; what it cannot multiply is named, not priced."""
    pricing = Pricing(shipped_convention("sound"), shipped_profile("loihi"), STEPS)
    first, second, head = pricing.layers(ON_PIXELS, counts())
    assert (first.compute_j, first.unpriced, head.unpriced, second.unpriced) == (0, 288, 6, 0)
    assert second.compute_j == pytest.approx(270 * 23.6e-12, rel=1e-12)
    assert first.neurons_j == pytest.approx(2 * 32 * 81e-12, rel=1e-12)
    assert second.neurons_j == pytest.approx(2 * 48 * 81e-12, rel=1e-12)
    assert head.energy_j == 0
    in_femtojoules = shipped_profile("cmos45").model_copy(update={"unit": "fJ", "mac": 4600.0, "ac": 900.0})
    in_nanojoules = shipped_profile("cmos45").model_copy(update={"unit": "nJ", "mac": 0.0046, "ac": 0.0009})
    for hardware in (in_femtojoules, in_nanojoules):
        layers = Pricing(shipped_convention("sound"), hardware, STEPS).layers(ON_PIXELS, counts())
        assert sum(layer.energy_j for layer in layers) == pytest.approx((294 * 4.6 + 270 * 0.9) * 1e-12, rel=1e-12)


def test_the_mean_rate_is_over_the_elements_that_layers_read_as_spikes() -> None:
    """Pixels and means have no rate, though they have elements."""
    assert counts().mean(ON_PIXELS) == InputRate(10 / 64, 7 / 64)
    assert counts().mean(ON_EVENTS) == InputRate(18 / 96, 10 / 96)
    assert counts().mean((PIXELS_READ, HEAD)) is None
    own = Convention(name="own", rate="mean")
    assert executed(own, (PIXELS_READ, HEAD)) == {"first": PIXELS, "head": HEAD_COST}
