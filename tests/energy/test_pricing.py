"""Energy of a tiny network in whole picojoules, counted by hand, and of the paper's model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autospikformer_cli.energy.comparison import compare_with_ann
from autospikformer_cli.energy.counts import InputRate, MissingCounts, OperationCounts
from autospikformer_cli.energy.pricing import EnergyModel, EnergyReport
from autospikformer_cli.energy.rates import uniform_rates
from autospikformer_cli.measurement import InputCount, Measurement
from autospikformer_cli.recipe import EnergyConfig
from autospikformer_cli.recipe.energy.models import Convention, shipped_convention, shipped_profile
from autospikformer_cli.space import Subnet, parse_subnet
from autospikformer_cli.spiking.layout import NetworkShape, operations

SHAPE = NetworkShape(image_size=8, in_channels=1, num_classes=2, widest_dim=8)
"""8 x 8 pixels, 4 tokens; convolutions of 1, 2, 4 and 8 outputs."""
SUBNET = parse_subnet("(1, 2, 4, 1, 2, 2, 8)")
"""One block, ratio 2, 4 heads, T 2, dimension 8."""
IMAGES = 2


def at_rate(model: EnergyModel, subnet: Subnet, rate: float) -> EnergyReport:
    """A subnet whose operations all read spikes at one rate."""
    return model.from_counts(subnet, OperationCounts.given(uniform_rates(rate, model.operations(subnet))))


# Layer's input: sums and non-zeros by step over both images, elements over both images.
SPIKES = {
    "patch_embed.proj_conv1": ((32, 16), (32, 16), 2 * 64 * 1),
    "patch_embed.proj_conv2": ((64, 128), (64, 128), 2 * 64 * 2),
    "patch_embed.proj_conv3": ((16, 16), (16, 16), 2 * 16 * 4),
    "patch_embed.rpe_conv": ((8, 24), (8, 24), 2 * 4 * 8),
    "block.0.attn.q_linear": ((40, 56), (24, 40), 2 * 4 * 8),
    "block.0.attn.k_linear": ((40, 56), (24, 40), 2 * 4 * 8),
    "block.0.attn.v_linear": ((40, 56), (24, 40), 2 * 4 * 8),
    "block.0.attn.q": ((8, 24), (8, 24), 2 * 4 * 8),
    "block.0.attn.v": ((4, 12), (4, 12), 2 * 4 * 8),
    "block.0.attn.proj_linear": ((16, 16), (16, 16), 2 * 4 * 8),
    "block.0.mlp.fc1_linear": ((64, 64), (32, 48), 2 * 4 * 8),
    "block.0.mlp.fc2_linear": ((32, 32), (32, 32), 2 * 4 * 16),
}
MEASURED = ("patch_embed.proj_conv", *SPIKES, "head")
MACS = {
    "patch_embed.proj_conv": 9 * 1 * 1 * 64,
    "patch_embed.proj_conv1": 9 * 1 * 2 * 64,
    "patch_embed.proj_conv2": 9 * 2 * 4 * 64,
    "patch_embed.proj_conv3": 9 * 4 * 8 * 16,
    "patch_embed.rpe_conv": 9 * 8 * 8 * 4,
    "block.0.attn.q_linear": 8 * 8 * 4,
    "block.0.attn.k_linear": 8 * 8 * 4,
    "block.0.attn.v_linear": 8 * 8 * 4,
    "block.0.attn.q@k": 4 * 4 * 8,
    "block.0.attn.(q@k)@v": 4 * 4 * 8,
    "block.0.attn.proj_linear": 8 * 8 * 4,
    "block.0.mlp.fc1_linear": 8 * 16 * 4,
    "block.0.mlp.fc2_linear": 16 * 8 * 4,
    "head": 8 * 2,
}
SOPS = {
    "patch_embed.proj_conv": None,
    "patch_embed.proj_conv1": 432,  # 48 spikes of 128 elements, 1,152 MACs
    "patch_embed.proj_conv2": 3456,  # 192 of 256, 4,608
    "patch_embed.proj_conv3": 1152,  # 32 of 128, 4,608
    "patch_embed.rpe_conv": 1152,  # 32 of 64, 2,304
    "block.0.attn.q_linear": 384,  # 96 of 64, 256
    "block.0.attn.k_linear": 384,
    "block.0.attn.v_linear": 384,
    "block.0.attn.q@k": 64,  # 32 of 64, 128
    "block.0.attn.(q@k)@v": 32,  # 16 of 64, 128
    "block.0.attn.proj_linear": 128,  # 32 of 64, 256
    "block.0.mlp.fc1_linear": 1024,  # 128 of 64, 512
    "block.0.mlp.fc2_linear": 256,  # 64 of 128, 512
    "head": None,
}


def measurement() -> Measurement:
    inputs = tuple(InputCount(name, *SPIKES.get(name, ((), (), 128)), 1) for name in MEASURED)
    return Measurement(correct=1, images=IMAGES, params=1, inputs=inputs, spikes=(), silent_channels=0)


def priced(**keys: Any) -> EnergyReport:
    return EnergyModel(SHAPE, EnergyConfig(**keys).rules, shipped_profile("cmos45")).of(SUBNET, measurement())


def ann_energy(shape: NetworkShape, subnet: Subnet, convention: str, measured: OperationCounts) -> float | None:
    """Joules of the ANN beside a subnet."""
    model = EnergyModel(shape, shipped_convention(convention), shipped_profile("cmos45"))
    ann = operations(replace(shape, network="transformer"), subnet)
    return compare_with_ann(model.pricing(subnet), model.operations(subnet), ann, measured).ann_j


def picojoules(report: EnergyReport) -> float:
    return report.energy_j / 1e-12


def test_every_layer_by_hand() -> None:
    report = priced()
    assert {layer.name: layer.macs for layer in report.layers} == MACS
    assert {layer.name: layer.sops for layer in report.layers} == SOPS
    rates = {layer.name: layer.input_rate for layer in report.layers}
    assert rates["patch_embed.proj_conv1"] == 48 / 256
    assert rates["block.0.attn.q_linear"] == 96 / 128
    assert rates["block.0.attn.(q@k)@v"] == 16 / 128
    assert rates["patch_embed.proj_conv"] is rates["head"] is None
    for layer in report.layers:
        expected = layer.macs * 4.6 if layer.sops is None else layer.sops * 0.9
        assert layer.energy_j == pytest.approx(expected * 1e-12, rel=1e-12)
    assert [layer.kind for layer in report.layers] == 5 * ["convolution"] + 3 * ["linear"] + 2 * ["attention"] + (
        3 * ["linear"] + ["head"]
    )
    assert report.macs == 15_568
    assert report.sops == 8848


@pytest.mark.parametrize(
    ("keys", "sops", "energy_pj"),
    [
        ({}, 8848, 592 * 4.6 + 8848 * 0.9),
        ({"convention": "sound"}, 8848, 10_686.4),
        ({"convention": "paper"}, 8848, 10_612.8),
        ({"first_layer_steps": "every"}, 8848, (2 * 576 + 16) * 4.6 + 8848 * 0.9),
        ({"first_layer_steps": "once"}, 8848, 10_686.4),
        ({"residual": "mac"}, 6672 + 1408, (592 + 3 * 256 + 640) * 4.6 + 6672 * 0.9),
        ({"residual": "ac"}, 8848, 10_686.4),
        ({"order": "q_kv"}, 8800, 592 * 4.6 + 8800 * 0.9),
        ({"order": "qk_v"}, 8848, 10_686.4),
        (
            {"convention": "paper", "first_layer_steps": "every", "residual": "mac", "order": "q_kv"},
            6624 + 1408,
            (2 * 576 + 3 * 256 + 640) * 4.6 + 6624 * 0.9,
        ),
    ],
    ids=str,
)
def test_conventions_and_what_overrides_them(keys: dict[str, Any], sops: int, energy_pj: float) -> None:
    report = priced(**keys)
    assert report.sops == sops
    assert picojoules(report) == pytest.approx(energy_pj, rel=1e-12)


def test_the_other_order_of_the_attention_products() -> None:
    layers = {layer.name: layer for layer in priced(order="q_kv").layers if layer.kind == "attention"}
    assert {name: (layer.macs, layer.sops) for name, layer in layers.items()} == {
        "block.0.attn.k@v": (4 * 8 * 8 // 4, 16),
        "block.0.attn.q@(k@v)": (4 * 8 * 8 // 4, 32),
    }


def test_an_ann_multiplies_everything_once() -> None:
    counts = OperationCounts.of(measurement())
    assert ann_energy(SHAPE, SUBNET, "sound", counts) == pytest.approx(15_568 * 4.6e-12, rel=1e-12)
    assert ann_energy(SHAPE, SUBNET, "paper", counts) == pytest.approx((15_568 - 16) * 4.6e-12, rel=1e-12)


def test_parameters_do_not_depend_on_the_convention() -> None:
    convolutions = 9 * (1 + 2 + 8 + 32 + 64) + 2 * (1 + 2 + 4 + 8 + 8)
    linears = 4 * (64 + 24) + (128 + 48) + (128 + 24)
    assert priced().params == priced(convention="paper").params == convolutions + linears + 18


def test_rates_of_counts() -> None:
    rates = OperationCounts.of(measurement()).rates
    assert set(rates) == set(SPIKES)
    assert (rates["block.0.mlp.fc1_linear"].mean, rates["block.0.mlp.fc1_linear"].nonzero) == (1.0, 0.625)


def test_a_silent_network_costs_its_pixels_and_its_head() -> None:
    model = EnergyModel(SHAPE, shipped_convention("sound"), shipped_profile("cmos45"))
    report = at_rate(model, SUBNET, 0.0)
    assert picojoules(report) == pytest.approx(592 * 4.6, rel=1e-12)
    assert report.sops == 0


# The paper's model

SPIKFORMER = parse_subnet("(4, 4, 4, 4, 4, 12, 12, 12, 12, 1, 1, 1, 1, 2, 2, 2, 2, 4, 384)")
CIFAR10 = NetworkShape(image_size=32, in_channels=3, num_classes=10, widest_dim=384)


def cifar10(convention: str) -> EnergyModel:
    return EnergyModel(CIFAR10, shipped_convention(convention), shipped_profile("cmos45"))


def test_spikformer_4_384_at_a_quarter() -> None:
    """1,327,104 multiply-accumulates of pixels, and 0.25 x 4 accumulates for each of the others."""
    paper = at_rate(cifar10("paper"), SPIKFORMER, 0.25)
    assert paper.energy_j == pytest.approx(0.8455421952e-3, rel=1e-12)
    assert paper.macs == 934_035_456
    assert paper.sops == 934_035_456 - 1_327_104
    assert paper.params == 9_324_730
    groups = {"patch_embed": 468_467_712, "block": 465_567_744}
    assert {name: sum(x.macs for x in paper.layers if x.name.startswith(name)) for name in groups} == groups
    sound = at_rate(cifar10("sound"), SPIKFORMER, 0.25)
    assert sound.energy_j - paper.energy_j == pytest.approx(3840 * 4.6e-12, rel=1e-6)


def test_the_ann_of_spikformer_4_384() -> None:
    """4.30 mJ, whatever the rates; with its classifier under sound."""
    spiking = {each.reads for each in operations(CIFAR10, SPIKFORMER) if each.input_kind != "real"}
    counts = OperationCounts.given(dict.fromkeys(spiking, InputRate(0.25, 0.25)))
    assert ann_energy(CIFAR10, SPIKFORMER, "paper", counts) == pytest.approx(4.2965630976e-3, rel=1e-12)
    assert ann_energy(CIFAR10, SPIKFORMER, "sound", counts) == pytest.approx(4.2965807616e-3, rel=1e-12)


def test_the_cheaper_order_of_spikformer_4_384() -> None:
    """64 tokens of 32 channels a head: a product of q (k v) is half of one of (q k) v."""
    keys = {"convention": "paper", "order": "q_kv"}
    model = EnergyModel(CIFAR10, EnergyConfig(**keys).rules, shipped_profile("cmos45"))
    report = at_rate(model, SPIKFORMER, 0.25)
    assert report.macs == 934_035_456 - 4 * 2 * (64**2 * 384 - 64 * 384**2 // 12) == 927_744_000
    fewer_heads = parse_subnet(str(SPIKFORMER).replace("12, 12, 12, 12", "6, 6, 6, 6"))
    assert at_rate(model, fewer_heads, 0.25).macs == 934_035_456


def test_energy_grows_with_time_steps_and_rate() -> None:
    model = cifar10("paper")
    pixels = 1_327_104 * 4.6e-12
    quarter = at_rate(model, SPIKFORMER, 0.25).energy_j - pixels
    assert at_rate(model, SPIKFORMER, 0.5).energy_j - pixels == pytest.approx(2 * quarter, rel=1e-12)
    two_steps = parse_subnet(str(SPIKFORMER).replace("4, 384", "2, 384"))
    assert at_rate(model, two_steps, 0.25).energy_j - pixels == pytest.approx(quarter / 2, rel=1e-12)


@pytest.mark.parametrize(("convention", "energy_pj"), [("sound", 720 * 0.9), ("paper", 576 * 2 * 4.6)])
def test_frames_of_events(convention: str, energy_pj: float) -> None:
    """160 events of two images in 128 pixels and two steps: accumulates, or 576 multiply-accumulates a step."""
    shape = replace(SHAPE, reads_events=True)
    events = InputCount("patch_embed.proj_conv", (100, 60), (50, 40), 128, 576)
    counts = [events, *(InputCount(name, *SPIKES[name], MACS.get(name, 1)) for name in SPIKES)]
    model = EnergyModel(shape, shipped_convention(convention), shipped_profile("cmos45"))
    first = model.of(SUBNET, Measurement(1, IMAGES, 1, tuple(counts), (), 0)).layers[0]
    assert first.input_rate == 0.625
    assert first.energy_j == pytest.approx(energy_pj * 1e-12, rel=1e-12)
    assert (first.sops == 720) is (convention == "sound")


# The ANN of the same shape, run as a network


@pytest.mark.parametrize("steps", ["once", "every"])
@pytest.mark.parametrize("profile", ["cmos45", "cmos45-memory"])
@pytest.mark.parametrize("folded", [True, False])
def test_the_ann_costs_what_it_costs_beside_a_spiking_network(steps: str, profile: str, folded: bool) -> None:
    """It multiplies everything once, keeps no potentials, whatever the subnet's time steps."""
    keys = {"name": "own", "first_layer_steps": steps, "batchnorm_folded": folded}
    convention, hardware = Convention.model_validate(keys), shipped_profile(profile)
    model = EnergyModel(replace(SHAPE, network="transformer"), convention, hardware)
    counts = tuple(InputCount(name, (), (), 1, 1) for name in MEASURED)
    report = model.of(SUBNET, Measurement(1, IMAGES, 1, counts, (), 0))
    spiking = EnergyModel(SHAPE, convention, hardware)
    beside = compare_with_ann(
        spiking.pricing(SUBNET),
        spiking.operations(SUBNET),
        model.operations(SUBNET),
        OperationCounts.of(measurement()),
    )
    norms = 0 if folded else 64 * (1 + 2) + 64 * 4 + 16 * 8 + 4 * (8 + 4 * 8 + 16 + 8)
    assert report.macs == sum(MACS.values()) + norms
    assert sum(layer.compute_j for layer in report.layers) == pytest.approx(report.macs * 4.6e-12, rel=1e-12)
    assert report.energy_j == pytest.approx(beside.ann_j, rel=1e-12)
    assert (report.sops, sum(layer.neurons_j for layer in report.layers)) == (0, 0)


def test_softmax_leaves_one_order() -> None:
    """The ANN must have the whole product of q and k."""
    ann = replace(SHAPE, network="transformer")
    names = [operation.name for operation in operations(ann, SUBNET, "q_kv")]
    assert "block.0.attn.q@k" in names
    assert "block.0.attn.k@v" not in names


def test_exact_borders_of_a_store_without_events() -> None:
    with pytest.raises(MissingCounts, match=r"the synaptic events of patch_embed\.proj_conv1, which were not counted"):
        priced(convention="border-exact")


@pytest.mark.parametrize("network", ["spikformer", "transformer"])
def test_an_energy_without_any_price_is_not_known(network: Any) -> None:
    """Loihi multiplies no real values: an ANN consists of nothing else."""
    shape = NetworkShape(image_size=9, in_channels=2, num_classes=5, widest_dim=16, pooled_stages=(2, 4))
    subnet = parse_subnet("(2, 2, 1.5, 4, 2, 1, 1, 2, 2, 3, 16)")
    model = EnergyModel(replace(shape, network=network), shipped_convention("sound"), shipped_profile("loihi"))
    rates = uniform_rates(0.25, model.operations(subnet))
    report = model.from_counts(subnet, OperationCounts.given(rates))
    is_ann = network == "transformer"
    assert model.prices_nothing(subnet) == is_ann
    assert np.isnan(report.energy_j) == is_ann
    assert report.unpriced == model.unpriced(subnet)
    if is_ann:
        assert report.unpriced == tuple(layer.name for layer in report.layers)
    else:
        assert report.unpriced == ("patch_embed.proj_conv", "head")
        assert report.energy_j == pytest.approx(sum(layer.energy_j for layer in report.layers))
    priced_by_all = EnergyModel(model.shape, model.convention, shipped_profile("cmos45"))
    assert (priced_by_all.unpriced(subnet), priced_by_all.prices_nothing(subnet)) == ((), False)
