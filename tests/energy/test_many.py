"""Many subnets priced at once cost what each costs alone, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospikformer_cli.api import read_results
from autospikformer_cli.energy.counts import MissingCounts
from autospikformer_cli.energy.many import ManySubnets
from autospikformer_cli.energy.pricing import EnergyModel
from autospikformer_cli.measurement import Candidate
from autospikformer_cli.recipe.energy.models import Convention, shipped_convention, shipped_names, shipped_profile
from autospikformer_cli.runs.building import network_shape
from autospikformer_cli.runs.repricing import Repricing
from autospikformer_cli.spiking.layout import NetworkShape

InventedRun = Callable[..., Any]
CONVENTIONS = [
    *map(shipped_convention, shipped_names("conventions")),
    Convention(name="all else", residual="mac", order="q_kv", event_input="mac", batchnorm_folded=False, head=False),
]


@pytest.fixture(scope="module")
def candidates(invented_run: InventedRun, tmp_path_factory: pytest.TempPathFactory) -> tuple[NetworkShape, Any]:
    path = tmp_path_factory.mktemp("many") / "run"
    invented_run(path, 40)
    results = read_results(path)
    return network_shape(results.recipe), results.population.candidates


def many(shape: NetworkShape, candidates: tuple[Candidate, ...]) -> ManySubnets:
    return ManySubnets(shape, [each.subnet for each in candidates], [each.measurement for each in candidates])


@pytest.mark.parametrize("changes", [{}, {"reads_events": True}, {"network": "transformer"}], ids=str)
@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda each: each.name)
def test_each_costs_what_it_costs_alone(
    candidates: tuple[NetworkShape, Any], convention: Convention, changes: dict[str, Any]
) -> None:
    shape, measured = replace(candidates[0], **changes), candidates[1]
    if changes.get("reads_events"):  # a first layer that reads events counts them
        measured = tuple(replace(each, measurement=with_events(each.measurement)) for each in measured)
    for profile in map(shipped_profile, shipped_names("profiles")):
        found = many(shape, measured).under(convention, profile)
        alone = [EnergyModel(shape, convention, profile).of(each.subnet, each.measurement) for each in measured]
        np.testing.assert_array_equal(found.energy_j, [report.energy_j for report in alone])  # nan for an unpriced ANN
        assert found.sops == tuple(report.sops for report in alone)
        for row, report in enumerate(alone):
            own = [layer for layer in found.layers if layer.which[row] >= 0]
            assert [layer.name for layer in own] == [layer.name for layer in report.layers]
            for layer, expected in zip(own, report.layers, strict=True):
                assert layer.energy_j[row] == expected.energy_j
                assert (None if layer.sops is None else layer.sops[row]) == expected.sops
                each, besides = layer.prices[layer.which[row]]
                linear = besides + (0.0 if layer.sops is None else each * layer.sops[row])
                assert isclose(linear, expected.energy_j, rel_tol=1e-12, abs_tol=1e-30)


def with_events(measurement: Any) -> Any:
    """A measurement whose first layer has counts, too."""
    first, second = measurement.inputs[0], measurement.inputs[1]
    counted = replace(first, sums=second.sums, nonzeros=second.nonzeros)
    work = replace(measurement.synapses[0], operation=first.layer)
    return replace(measurement, inputs=(counted, *measurement.inputs[1:]), synapses=(work, *measurement.synapses))


def test_missing_counts_of_one_subnet_are_said(candidates: tuple[NetworkShape, Any]) -> None:
    shape, measured = candidates
    one = replace(measured[0], measurement=replace(measured[0].measurement, synapses=()))
    both, profile = many(shape, (one, measured[1])), shipped_profile("cmos45")
    assert both.under(shipped_convention("sound"), profile).energy_j
    with pytest.raises(MissingCounts, match="synaptic events of patch_embed"):
        both.under(shipped_convention("border-exact"), profile)


def test_no_subnets_cost_nothing(candidates: tuple[NetworkShape, Any]) -> None:
    found = many(candidates[0], ()).under(shipped_convention("mean-rate"), shipped_profile("loihi"))
    assert (found.energy_j, found.sops, found.layers) == ((), (), ())


def test_results_under_other_prices_are_those_of_the_report(invented_run: InventedRun, own_folder: Path) -> None:
    """Whatever a document says, for each convention and profile; with limits, of which one is on energy."""
    limits = {"search.limits.energy": 6e-4, "search.limits.top1": 70.0, "energy.residual": "mac"}
    invented_run(own_folder / "run", 30, overrides={"data.validation": 0.1, **limits}, alike=2, not_finite=1)
    repricing = Repricing(read_results(own_folder / "run", best=12))
    found = set()
    for convention in repricing.conventions:
        for profile in repricing.profiles:
            keys = {"energy.convention": convention, "energy.profile": profile}
            expected, priced = read_results(own_folder / "run", keys, best=12), repricing.under(convention, profile)
            assert priced.to_document() == expected.to_document()
            assert priced.recipe == expected.recipe
            found.add(priced.scores.ranked[0].energy_j)
            assert {rejected.reason for rejected in priced.scores.rejected} >= {
                "breaks search.limits.energy",
                "breaks search.limits.top1",
                "the network computes values that are not finite",
            }
    assert len(found) > 10
    assert np.isfinite(list(found)).all()
