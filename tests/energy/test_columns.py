"""Many subnets priced at once: the same bits as one by one, under every convention and profile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from autospikformer_cli.count_tables import INPUTS, SYNAPSES, CountTable
from autospikformer_cli.energy.columns import price_columns
from autospikformer_cli.energy.counts import MissingCounts
from autospikformer_cli.energy.pricing import EnergyModel
from autospikformer_cli.measurement import InputCount, Measurement, SynapseCount
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.recipe.energy.models import (
    Convention,
    shipped_convention,
    shipped_names,
    shipped_profile,
)
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import NetworkShape, operations

SHAPES = {
    "cifar": NetworkShape(32, 3, 10, 96),
    "events": NetworkShape(64, 2, 11, 96, pooled_stages=(1, 2, 3, 4), fixed_heads=8, reads_events=True),
    "pooled before": NetworkShape(32, 3, 10, 96, pool="before", qkv_bias=False),
    "ann": NetworkShape(32, 3, 10, 96, network="transformer"),
}
RULES = {"every rule turned": {"first_layer_steps": "every", "residual": "mac", "order": "q_kv", "event_input": "mac",
                               "rate": "mean", "batchnorm_folded": False, "head": False}}  # fmt: skip
CONVENTIONS = {name: shipped_convention(name) for name in shipped_names("conventions")}
CONVENTIONS |= {name: Convention.model_validate({"name": "own", **rules}) for name, rules in RULES.items()}


@pytest.fixture(scope="module")
def subnets() -> list[Subnet]:
    """Of depths 1 and 2, mixed."""
    random, space = Random(3), load_recipe("quickstart").space.search_space()
    return [space.sample(random) for _ in range(20)]


def measured(shape: NetworkShape, subnet: Subnet, random: Random, largest: int) -> Measurement:
    """Counts drawn at random, in the form that an evaluation makes."""

    def steps() -> tuple[int, ...]:
        return tuple(random.randrange(largest) for _ in range(subnet.time_step))

    both = {each.name: each for order in ("qk_v", "q_kv") for each in operations(shape, subnet, order)}
    inputs = {
        each.reads: InputCount(
            each.reads, *((), ()) if each.input_kind == "real" else (steps(), steps()), 7919, each.macs
        )
        for each in both.values()
    }
    work = tuple(SynapseCount(each.name, steps(), steps()) for each in both.values() if each.input_kind != "real")
    return Measurement(5, 37, 1000, tuple(inputs.values()), (), 0, synapses=work)


def stored(measurements: Sequence[Measurement]) -> list[Measurement]:
    """As a store has them: parts of one table."""
    inputs = CountTable.of(INPUTS, [each.inputs for each in measurements]).views()
    synapses = CountTable.of(SYNAPSES, [each.synapses for each in measurements]).views()
    columns = zip(measurements, inputs, synapses, strict=True)
    return [replace(each, inputs=read, synapses=done) for each, read, done in columns]


def one_by_one(
    energy: EnergyModel, subnets: Sequence[Subnet], found: Sequence[Measurement]
) -> Iterator[tuple[float, float]]:
    for subnet, measurement in zip(subnets, found, strict=True):
        report = energy.of(subnet, measurement)
        yield report.energy_j, report.sops


@pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_columns_have_the_bits_of_one_by_one(
    subnets: list[Subnet], shape: NetworkShape, convention: Convention
) -> None:
    random = Random(5)
    found = [measured(shape, subnet, random, 7919 * 4) for subnet in subnets]
    for profile in shipped_names("profiles"):
        energy = EnergyModel(shape, convention, shipped_profile(profile))
        expected = list(one_by_one(energy, subnets, found))
        for given in (found, stored(found)):
            energies, sops = price_columns(energy, subnets, given)
            np.testing.assert_array_equal(list(zip(energies.tolist(), sops.tolist(), strict=True)), expected)


def test_counts_beyond_what_floats_hold_are_divided_as_python_does(subnets: list[Subnet]) -> None:
    shape, random = SHAPES["cifar"], Random(7)
    found = [measured(shape, subnet, random, 2**62) for subnet in subnets]
    energy = EnergyModel(shape, CONVENTIONS["sound"], shipped_profile("cmos45"))
    energies, _ = price_columns(energy, subnets, stored(found))
    for subnet, measurement, energy_j in zip(subnets, found, energies.tolist(), strict=True):
        rates = {each.layer: sum(each.sums) / (each.size * len(each.sums)) for each in measurement.inputs if each.sums}
        counted = [each for each in operations(shape, subnet) if each.input_kind != "real"]
        sops = sum(rates[each.reads] * subnet.time_step * each.macs for each in counted)
        macs = sum(each.macs for each in operations(shape, subnet) if each.input_kind == "real")
        assert energy_j == pytest.approx((sops * 0.9 + macs * 4.6) * 1e-12, rel=1e-12)


def test_a_part_of_a_store_and_a_mixture_are_priced_alike(subnets: list[Subnet]) -> None:
    shape, random = SHAPES["cifar"], Random(9)
    found = [measured(shape, subnet, random, 900) for subnet in subnets]
    energy = EnergyModel(shape, CONVENTIONS["border-exact"], shipped_profile("cmos45-memory"))
    expected = [energy_j for energy_j, _ in one_by_one(energy, subnets, found)]
    kept = stored(found)
    mixed = [kept[place] if place % 3 else found[place] for place in range(len(found))]
    assert price_columns(energy, subnets, mixed)[0].tolist() == expected
    assert price_columns(energy, subnets[15:5:-2], kept[15:5:-2])[0].tolist() == expected[15:5:-2]
    assert price_columns(energy, [], [])[0].tolist() == []


def test_missing_work_is_said(subnets: list[Subnet]) -> None:
    shape, random = SHAPES["cifar"], Random(9)
    found = [replace(measured(shape, subnet, random, 900), synapses=()) for subnet in subnets[:3]]
    with pytest.raises(MissingCounts, match=r"patch_embed\.proj_conv1"):
        price_columns(EnergyModel(shape, CONVENTIONS["border-exact"], shipped_profile("cmos45")), subnets[:3], found)
