"""A spiking network beside its ANN: joules by hand, and break-even rates that are priced again."""

from __future__ import annotations

from dataclasses import replace
from operator import mul
from typing import Any

import pytest

from autospikformer_cli.energy.comparison import Comparison, Line, compare_with_ann
from autospikformer_cli.energy.counts import InputRate, OperationCounts, SynapticWork
from autospikformer_cli.energy.networks import counted_subnet
from autospikformer_cli.energy.pricing import EnergyModel, Pricing
from autospikformer_cli.recipe.energy.models import Convention, HardwareProfile, shipped_convention, shipped_profile
from autospikformer_cli.space import parse_subnet
from autospikformer_cli.spiking.layout import NetworkShape, Operation, operations

# Two layers and a classifier, three time steps.
STEPS = 3
FIRST = Operation("first", "convolution", 288, 200, 0, "first", "real", 16, 32, runs="repeated", norm="first_bn")
SECOND = Operation("second", "convolution", 864, 600, 0, "second", "integer", 32, 48, largest_input=2, norm="second_bn")
HEAD = Operation("head", "head", 6, 6, 0, "head", "real", 3, 2, runs="image", fires=False)
SPIKING = (FIRST, SECOND, HEAD)
ANN = tuple(replace(each, input_kind="real", runs="image", analog=True) for each in SPIKING)
RATES = OperationCounts({"second": InputRate(0.25, 0.125)}, {"second": SynapticWork(500, 250)})


def compared(profile: str = "cmos45", counts: OperationCounts = RATES, **rules: Any) -> Comparison:
    convention = Convention.model_validate({"name": "own", **rules})
    return compare_with_ann(Pricing(convention, shipped_profile(profile), STEPS), SPIKING, ANN, counts)


def test_every_layer_by_hand() -> None:
    """864 MACs at rate 0.25 over three steps are 648 accumulates."""
    found = compared()
    assert [layer.name for layer in found.layers] == ["first", "second", "head"]
    first, second, head = found.layers
    assert [each.energy_j for each in (first, second, head)] == pytest.approx(
        [288 * 4.6e-12, 648 * 0.9e-12, 6 * 4.6e-12]
    )
    assert [each.ann_j for each in (first, second, head)] == pytest.approx([n * 4.6e-12 for n in (288, 864, 6)])
    assert [each.ann_int8_j for each in (first, second, head)] == pytest.approx([n * 0.3e-12 for n in (288, 864, 6)])
    assert (first.input_rate, second.input_rate, head.input_rate) == (None, 0.25, None)
    assert (first.break_even_rate, head.break_even_rate) == (None, None)
    # 0.9 x 3 r = 4.6
    assert second.break_even_rate == pytest.approx(4.6 / 2.7)
    assert found.break_even_rate == pytest.approx(4.6 / 2.7)
    assert found.energy_j == pytest.approx((294 * 4.6 + 648 * 0.9) * 1e-12)
    assert found.energy_int8_j == pytest.approx((294 * 0.3 + 648 * 0.1) * 1e-12)
    assert found.ann_j == pytest.approx(1158 * 4.6e-12)
    assert found.ann_int8_j == pytest.approx(1158 * 0.3e-12)
    assert found.mean_rate == InputRate(0.25, 0.125)
    assert found.weighted_rate == pytest.approx(0.25)


def test_pixels_at_every_step_leave_less_for_spikes() -> None:
    """(3 x 288 + 6) 4.6 + 864 x 2.7 r = 1,158 x 4.6."""
    whole = compared(first_layer_steps="every").break_even_rate
    assert whole == pytest.approx((1158 - 870) * 4.6 / (864 * 2.7))
    few = replace(SECOND, macs=500)
    pricing = Pricing(Convention(name="own", first_layer_steps="every"), shipped_profile("cmos45"), STEPS)
    silent_costs_more = compare_with_ann(
        pricing, (FIRST, few, HEAD), (ANN[0], replace(ANN[1], macs=500), ANN[2]), RATES
    )
    # 864 + 6 against 288 + 500 + 6: even silent, pixels cost more than the whole ANN.
    assert silent_costs_more.break_even_rate is None
    assert silent_costs_more.layers[1].break_even_rate == pytest.approx(4.6 / 2.7)


def test_integers_that_are_multiplied_have_the_rate_of_values_that_are_not_0() -> None:
    second = compared(residual="mac").layers[1]
    assert second.input_rate == 0.125
    assert second.energy_j == pytest.approx(324 * 4.6e-12)
    assert second.break_even_rate == pytest.approx(1 / 3)


def test_exact_borders_leave_padding_out_of_the_ann_too() -> None:
    found = compared(border="exact")
    assert [layer.energy_j for layer in found.layers] == pytest.approx([200 * 4.6e-12, 500 * 0.9e-12, 6 * 4.6e-12])
    assert found.ann_j == pytest.approx(806 * 4.6e-12)
    assert found.break_even_rate == pytest.approx(600 * 4.6 / (600 * 2.7))


def test_batchnorm_is_with_its_layer() -> None:
    """32 outputs once, 48 at three steps; in the ANN each once."""
    found = compared(batchnorm_folded=False)
    first, second, _ = found.layers
    assert (first.energy_j, second.energy_j) == pytest.approx(((288 + 32) * 4.6e-12, (648 * 0.9 + 144 * 4.6) * 1e-12))
    assert (first.ann_j, second.ann_j) == pytest.approx((320 * 4.6e-12, 912 * 4.6e-12))
    assert second.break_even_rate == pytest.approx((912 - 144) * 4.6 / (864 * 2.7))


def test_memory_by_hand() -> None:
    """0.15625 pJ a bit, read or written, of 32-bit numbers; 2 needs two bits."""
    second = compared("cmos45-memory").layers[1]
    neurons = 48 * 3 * (32 + 32 + 1)
    assert second.energy_j == pytest.approx(
        (648 * 0.9 + (648 * 32 + 32 * 3 * 2 + neurons) * 0.15625) * 1e-12, rel=1e-12
    )
    assert second.ann_j == pytest.approx((864 * 4.6 + (864 * 32 + 32 * 32 + 48 * 32) * 0.15625) * 1e-12, rel=1e-12)
    assert second.ann_int8_j == pytest.approx((864 * 0.3 + (864 * 8 + 32 * 8 + 48 * 8) * 0.15625) * 1e-12, rel=1e-12)
    silent, full = (192 + neurons) * 0.15625, 864 * 3 * (0.9 + 32 * 0.15625)
    assert second.ann_j is not None
    assert second.break_even_rate == pytest.approx((second.ann_j * 1e12 - silent) / full, rel=1e-12)


def test_what_a_profile_has_no_figure_for_is_not_compared() -> None:
    found = compared("loihi")
    assert (found.ann_j, found.ann_int8_j, found.energy_int8_j, found.break_even_rate) == (None,) * 4
    assert all(layer.ann_j is layer.break_even_rate is None for layer in found.layers)
    assert found.energy_j == pytest.approx((648 * 23.6 + 3 * (32 + 48) * 81) * 1e-12)


def test_a_line_reaches_what_it_can() -> None:
    assert Line(2, 4).reaches(4) == 0.5
    assert Line(2, 4).reaches(2) == 0
    assert Line(2, 4).reaches(1) is None
    assert Line(2, 0).reaches(2) is None


# Break-even rates of whole subnets, priced again

SHAPE = NetworkShape(image_size=9, in_channels=2, num_classes=5, widest_dim=16, pooled_stages=(2, 4))
SUBNET = parse_subnet("(2, 2, 1.5, 4, 2, 1, 1, 2, 2, 3, 16)")
RULES: list[dict[str, Any]] = [
    {},
    {"residual": "mac"},
    {"order": "q_kv"},
    {"border": "exact"},
    {"border": "exact", "residual": "mac", "batchnorm_folded": False},
    {"batchnorm_folded": False},
    {"rate": "mean"},
    {"head": False, "first_layer_steps": "every"},
]
PROFILES = ("cmos45", "cmos45-memory")


def even(model: EnergyModel, rate: float, share: float | None = None) -> OperationCounts:
    """Every input of this rate, spread so evenly that of all synapses inside a map so many are met."""
    spiking = [each for each in model.operations(SUBNET) if each.input_kind != "real"]
    events = {each.name: rate * SUBNET.time_step * each.reached_macs for each in spiking}
    work = {name: SynapticWork(number, number) for name, number in events.items()}
    return OperationCounts({each.reads: InputRate(rate, share or rate) for each in spiking}, work)


def of(rules: dict[str, Any], hardware: HardwareProfile, shape: NetworkShape) -> tuple[EnergyModel, Comparison]:
    model = EnergyModel(shape, Convention.model_validate({"name": "own", **rules}), hardware)
    ann = operations(replace(shape, network="transformer"), SUBNET)
    return model, compare_with_ann(model.pricing(SUBNET), model.operations(SUBNET), ann, even(model, 0.25))


@pytest.mark.parametrize("events", [False, True], ids=["pixels", "events"])
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("rules", RULES, ids=str)
def test_at_the_break_even_rate_both_cost_the_same(rules: dict[str, Any], profile: str, events: bool) -> None:
    shape = replace(SHAPE, reads_events=events)
    model, found = of(rules, shipped_profile(profile), shape)
    assert found.energy_j == pytest.approx(model.from_counts(SUBNET, even(model, 0.25)).energy_j, rel=1e-12)
    priced_again = 0
    for layer, operation in zip(found.layers, model.operations(SUBNET), strict=False):
        if layer.break_even_rate is None:
            continue
        counts = even(model, layer.break_even_rate)
        energy = sum(each.energy_j for each in model.pricing(SUBNET).with_norm(operation, counts))
        assert energy == pytest.approx(layer.ann_j, rel=1e-9)
        priced_again += 1
    assert priced_again >= 15
    assert found.break_even_rate is not None
    whole = model.from_counts(SUBNET, even(model, found.break_even_rate))
    assert whole.energy_j == pytest.approx(found.ann_j, rel=1e-9)
    if rules.get("border") != "exact":
        spikes = {each.reads for each in model.operations(SUBNET) if each.input_kind != "real"}
        rates = dict.fromkeys(spikes, InputRate(found.break_even_rate, found.break_even_rate))
        at_one_rate = model.from_counts(SUBNET, OperationCounts.given(rates))
        assert at_one_rate.energy_j == pytest.approx(found.ann_j, rel=1e-9)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("rules", RULES, ids=str)
def test_at_the_weighted_rate_a_network_costs_what_it_costs(rules: dict[str, Any], profile: str) -> None:
    """Rates that differ by layer are one rate for all, priced again."""
    model = EnergyModel(SHAPE, Convention.model_validate({"name": "own", **rules}), shipped_profile(profile))
    counted = model.operations(SUBNET)
    uneven = even(model, 0.0)
    for number, each in enumerate(each for each in counted if each.input_kind != "real"):
        rate = 0.05 * (1 + number % 7)
        uneven.rates[each.reads] = InputRate(rate, rate)
        events = rate * SUBNET.time_step * each.reached_macs
        uneven.work[each.name] = SynapticWork(events, events)
    ann = operations(replace(SHAPE, network="transformer"), SUBNET)
    found = compare_with_ann(model.pricing(SUBNET), counted, ann, uneven)
    assert found.weighted_rate is not None
    whole = model.from_counts(SUBNET, even(model, found.weighted_rate))
    assert whole.energy_j == pytest.approx(found.energy_j, rel=1e-9)
    if profile == "cmos45" and not rules:
        spiking = [each for each in counted if each.input_kind != "real"]
        weights = [each.macs for each in spiking]
        rates = [uneven.rates[each.reads].mean for each in spiking]
        mean = sum(map(mul, rates, weights)) / sum(weights)
        assert found.weighted_rate == pytest.approx(mean, rel=1e-12)
        assert found.mean_rate is not None
        assert abs(found.mean_rate.mean - mean) > 0.001


def test_events_that_are_multiplied_have_no_rate_to_break_even_at() -> None:
    _, found = of({"event_input": "mac"}, shipped_profile("cmos45"), replace(SHAPE, reads_events=True))
    first, second = found.layers[:2]
    assert (first.break_even_rate, first.input_rate) == (None, 0.25)
    assert first.energy_j == pytest.approx(3 * 9 * 2 * 2 * 81 * 4.6e-12)
    assert second.break_even_rate is not None


@pytest.mark.parametrize("profile", [*PROFILES, "loihi"])
def test_eight_bits_are_the_profile_with_other_figures(profile: str) -> None:
    hardware = shipped_profile(profile)
    _, found = of({}, hardware, SHAPE)
    eight = hardware.at_8_bits()
    if eight is None:
        assert found.ann_int8_j is found.energy_int8_j is None
        return
    _, other = of({}, eight, SHAPE)
    assert (found.ann_int8_j, found.energy_int8_j) == pytest.approx((other.ann_j, other.energy_j), rel=1e-12)


def test_a_counted_network_reports_and_compares_in_the_convention_s_order() -> None:
    sound = shipped_convention("sound")
    model = EnergyModel(SHAPE, sound, shipped_profile("cmos45"))
    spikes = {each.reads for each in model.operations(SUBNET) if each.input_kind != "real"}
    counts = OperationCounts.given(dict.fromkeys(spikes, InputRate(0.25, 0.25)))
    network = counted_subnet(SHAPE, SUBNET, counts)
    for order in ("qk_v", "q_kv"):
        convention = sound.model_copy(update={"order": order})
        report = network.report(convention, shipped_profile("cmos45"))
        expected = EnergyModel(SHAPE, convention, shipped_profile("cmos45")).from_counts(SUBNET, counts)
        assert report == expected
        beside = network.against_ann(convention, shipped_profile("cmos45"))
        assert beside.energy_j == pytest.approx(report.energy_j, rel=1e-12)
        assert [layer.name for layer in beside.layers] == [layer.name for layer in report.layers]
        # Softmax wants the whole product of q and k.
        ann_macs = sum(each.macs for each in operations(SHAPE, SUBNET, "qk_v"))
        assert beside.ann_j == pytest.approx(ann_macs * 4.6e-12, rel=1e-12)
