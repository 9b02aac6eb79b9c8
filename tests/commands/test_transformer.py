"""The ANN counterpart from the same recipe: trained, evaluated and priced as Equation 4 has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.building import network_shape
from autospikformer_cli.spiking.layout import operations

Aspk = Callable[..., Any]
ANN = ("--set", 'model.network="transformer"')


def test_it_trains_and_evaluates(aspk: Aspk, tiny_recipe: Path) -> None:
    assert aspk("train", tiny_recipe, *ANN, "--quiet").exit_code == 0
    outcome = aspk("evaluate", "--subnet", "baseline", "--json", "--quiet")
    assert outcome.exit_code == 0, outcome.stderr
    ann = outcome.document
    recipe = load_recipe(str(tiny_recipe))
    shape = network_shape(recipe)
    macs = sum(operation.macs for operation in operations(shape, recipe.baseline()))
    assert ann["energy_j"] == pytest.approx(macs * 4.6e-12, rel=1e-12)
    assert ann["firing_rate"] is None
    assert ann["top1"] > 50
    shown = aspk("evaluate", "--subnet", "baseline")
    assert "transformer" in shown.stdout


def test_its_energy_needs_no_rates(aspk: Aspk) -> None:
    """Transformer-4-384 for CIFAR100: 934 M multiply-accumulates, 4.30 mJ (the paper has 3.97)."""
    outcome = aspk("energy", "cifar100-small", *ANN, "--subnet", "baseline", "--firing-rate", "0.2", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.document["energy_j"] == pytest.approx(4.297e-3, rel=1e-3)
    assert outcome.document["energy_j"] == pytest.approx(outcome.document["ann_energy_j"])


def test_a_spiking_run_does_not_become_one(aspk: Aspk, trained: Path) -> None:
    outcome = aspk("evaluate", "--subnet", "baseline", *ANN)
    assert outcome.exit_code == 2
    assert 'it was trained with model.network = "spikformer", which cannot change here' in outcome.stderr


def test_its_channels_have_no_rates(aspk: Aspk, tiny_recipe: Path) -> None:
    assert aspk("train", tiny_recipe, *ANN, "--set", "train.epochs=1", "--set", "train.warmup_epochs=0").exit_code == 0
    done = aspk("analyze")
    assert done.exit_code == 2
    assert done.stderr.endswith("the ANN has no firing rates to compare\n  choose a run of a spiking network\n")
