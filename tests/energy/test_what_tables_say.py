"""What tables and pictures of energies say beside their numbers: names, spreads, what is not counted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospikformer_cli.energy.counts import InputRate, OperationCounts
from autospikformer_cli.energy.pricing import EnergyModel
from autospikformer_cli.energy.rates import rates_from_file, uniform_rates
from autospikformer_cli.energy.results import ConventionRow
from autospikformer_cli.recipe.energy.models import shipped_convention, shipped_names, shipped_profile
from autospikformer_cli.report.energy_comparison import conventions_table
from autospikformer_cli.space import parse_subnet
from autospikformer_cli.spiking.layout import NetworkShape, Operation, operations

Aspk = Callable[..., Any]

NETS = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc((x > 0.5).float()).mean(0)


class Plain(Net):
    def forward(self, x):
        return self.fc(x)
"""
RUN = ("energy", "module", "own_net:Net", "--input-shape", "2,3,4")


@pytest.fixture
def own_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_net.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_net", raising=False)
    return tmp_path


def said(outcome: Any) -> str:
    return " ".join((outcome.stdout + outcome.stderr).split())


def test_a_convention_without_figures_is_not_in_the_spread() -> None:
    """Under strict, loihi has no figure for layers that it has one for under sound: less is priced, not spent."""
    shape = NetworkShape(image_size=9, in_channels=2, num_classes=5, widest_dim=16, pooled_stages=(2, 4))
    subnet, loihi = parse_subnet("(2, 2, 1.5, 4, 2, 1, 1, 2, 2, 3, 16)"), shipped_profile("loihi")
    counts = OperationCounts.given(uniform_rates(0.25, operations(shape, subnet)))
    reports = {
        name: EnergyModel(shape, shipped_convention(name), loihi).from_counts(subnet, counts)
        for name in shipped_names("conventions")
        if name != "border-exact"
    }
    assert reports["strict"].energy_j < min(reports[name].energy_j for name in reports if name != "strict")
    table = conventions_table("conventions", [ConventionRow(name, "", report) for name, report in reports.items()])
    assert str(table.caption).startswith("spread: most / least = 1.00 ")
    without_strict = {name: report for name, report in reports.items() if name != "strict"}
    assert len({report.energy_j for report in without_strict.values()}) == 1


def test_neurons_that_no_operation_is_known_to_have_are_not_counted(aspk: Aspk, own_net: Path) -> None:
    outcome = aspk(*RUN, "--profile", "loihi")
    assert outcome.exit_code == 0
    assert "not counted: pooling, neurons, BatchNorm's" in said(outcome)


def test_a_changed_convention_is_not_called_by_its_name_alone(aspk: Aspk, own_net: Path) -> None:
    assert "convention sound, profile" in said(aspk(*RUN))
    assert "convention sound, changed, profile" in said(aspk(*RUN, "--set", 'energy.residual="mac"'))


def test_a_module_s_heat_map_shows_inputs(aspk: Aspk, own_net: Path) -> None:
    assert aspk(*RUN, "--heatmap", "map.svg").exit_code == 0
    drawn = (own_net / "map.svg").read_text()
    assert "Mean input value of own_net:Net" in drawn
    assert "Firing" not in drawn
    identity = aspk("energy", "module", "torch.nn:Identity", "--input-shape", "2,3,4", "--heatmap", "map.svg")
    assert "the module has no spikes by time step to draw" in said(identity)


def test_an_image_of_bytes_is_said_to_be_read_as_spikes(aspk: Aspk, own_net: Path) -> None:
    """Whether an image's numbers are pixels or counts of events cannot be seen from them."""
    pixels = np.arange(0, 240, 10).reshape(6, 4)
    for name, array in (("bytes", pixels.astype(np.uint8)), ("shares", pixels / 255)):
        np.save(own_net / f"{name}.npy", array)
    told = [said(aspk("energy", "module", "own_net:Plain", "--input", f"{name}.npy")) for name in ("bytes", "shares")]
    assert "a value n read as n spikes (divide a pixel's bytes by 255): fc (up to 230)" in told[0]
    assert "n spikes" not in told[1]


def test_rates_of_a_layer_whose_values_are_all_the_largest(tmp_path: Path) -> None:
    """3 k / n and 3 (k / n) differ in their last bits."""
    sums = replace(Operation("fc", "linear", 1, 1, 0, "fc", "integer", 1, 1), largest_input=3)
    mean, nonzero = 3 * 998 / 1000, 998 / 1000
    assert mean > 3 * nonzero
    path = tmp_path / "rates.toml"
    path.write_text(f"fc = {{mean = {mean!r}, nonzero = {nonzero!r}}}")
    assert rates_from_file(path, [sums]) == {"fc": InputRate(mean, nonzero)}
