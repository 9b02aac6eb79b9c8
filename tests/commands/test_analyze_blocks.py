"""aspk analyze blocks: what a subnet gives and costs without each of its parts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospikformer_cli.analysis.paired import holm, mcnemar
from autospikformer_cli.cli.documents import BlocksDocument
from autospikformer_cli.store.supernet import load_checkpoint, save_checkpoint

Aspk = Callable[..., Any]
ANN = ("--set", 'model.network="transformer"', "--set", "train.epochs=1", "--set", "train.warmup_epochs=0")
DEEP = "(2, 3, 2, 4, 2, 1, 1, 2, 2, 3, 24)"
SHALLOW = "(1, 3, 4, 1, 2, 3, 24)"


def test_the_document(aspk: Aspk, trained: Path) -> None:
    done = aspk("analyze", "blocks", "--subnet", DEEP, "--json")
    BlocksDocument.model_validate_json(done.stdout)
    document = done.document
    assert [(each["block"], each["half"]) for each in document["ablations"]] == [
        (0, None), (0, "attention"), (0, "mlp"), (1, None), (1, "attention"), (1, "mlp"),
    ]  # fmt: skip
    assert (document["split"], document["images"], document["calibration_images"]) == ("validation", 359, 32)
    for each in document["ablations"]:
        change = 100 * (each["only_ablated"] - each["only_whole"]) / 359
        assert each["top1_change"] == pytest.approx(each["top1"] - document["whole"]["top1"]) == pytest.approx(change)
        assert each["p"] == mcnemar(each["only_whole"], each["only_ablated"])
        assert each["energy_change_j"] == each["energy_j"] - document["whole"]["energy_j"] < 0
        assert each["energy_j"] < each["silenced_energy_j"]
    assert [each["p_holm"] for each in document["ablations"]] == holm([each["p"] for each in document["ablations"]])


def test_without_its_last_block_it_is_the_shallower_subnet(aspk: Aspk, trained: Path) -> None:
    """As aspk evaluate measures that one, to the last bit; and the whole subnet as well."""
    on = ("--split", "validation", "--json")
    for how in ((), ("--engine", "dense"), ("--precision", "float64"), ("--set", 'model.batchnorm="running"')):
        document = aspk("analyze", "blocks", "--subnet", DEEP, "--json", *how).document
        without = next(each for each in document["ablations"] if each["block"] == 1 and each["half"] is None)
        for found, subnet in ((document["whole"], DEEP), (without, SHALLOW)):
            evaluated = aspk("evaluate", "--subnet", subnet, *on, *how).document
            same = ("top1", "top1_interval", "params", "energy_j", "firing_rate")
            assert {name: found[name] for name in same} == {name: evaluated[name] for name in same}
        assert (document["engine"], document["batchnorm"]) == (evaluated["engine"], evaluated["batchnorm"])


def test_a_table_for_a_reader(aspk: Aspk, searched: Path) -> None:
    """Of the search's best, by default; without a search, of the baseline. Nothing is written."""
    before = {path: path.read_bytes() for path in searched.rglob("*") if path.is_file()}
    done = aspk("analyze", "blocks", "--images", "60", "--quiet")
    assert (done.exit_code, done.stderr) == (0, "")
    best = aspk("report", "--json").document["best"]
    assert f"search evolution-alpha0.5-seed0: {best}" in done.stdout.splitlines()[1]
    text = " ".join(done.stdout.split())
    assert "measured, not retrained: the same 60 validation images for all" in text
    assert "BatchNorm: recalibrate on 32 training images, for each network anew" in text
    assert before == {path: path.read_bytes() for path in searched.rglob("*") if path.is_file()}


def test_a_dead_block_costs_nothing(aspk: Aspk, trained: Path) -> None:
    """Its BatchNorms scale by 0: every answer stays without it, and it is named as silent."""
    checkpoint = load_checkpoint(trained)
    weights = {
        name: np.zeros_like(array) if name.startswith("block.1.") and "_bn." in name else array
        for name, array in checkpoint.weights.items()
    }
    save_checkpoint(trained, replace(checkpoint, weights=weights))
    done = aspk("analyze", "blocks", "--subnet", "largest")
    assert "! silent blocks, with less than 0.001 spikes a neuron and step: this subnet (block 1)" in " ".join(
        done.stdout.split()
    )
    document = aspk("analyze", "blocks", "--subnet", "largest", "--json").document
    dead = [each for each in document["ablations"] if each["block"] == 1]
    assert {(each["only_whole"], each["only_ablated"], each["p"]) for each in dead} == {(0, 0, 1.0)}
    assert all(each["silenced_energy_j"] == pytest.approx(document["whole"]["energy_j"]) for each in dead)
    assert all(each["energy_change_j"] < 0 for each in dead)


def test_an_ann(aspk: Aspk, tiny_recipe: Path) -> None:
    """It has no firing rate, and its layers cost the same whatever they read."""
    assert aspk("train", tiny_recipe, *ANN, "--quiet").exit_code == 0
    document = aspk("analyze", "blocks", "--subnet", DEEP, "--images", "40", "--json").document
    assert document["whole"]["firing_rate"] is None
    whole_j = document["whole"]["energy_j"]
    assert all(each["silenced_energy_j"] == pytest.approx(whole_j, rel=1e-12) for each in document["ablations"])
    blocks, attentions, mlps = (
        [each["energy_change_j"] for each in document["ablations"] if each["half"] == half]
        for half in (None, "attention", "mlp")
    )
    assert blocks == pytest.approx([sum(pair) for pair in zip(attentions, mlps, strict=True)])


def test_mistakes(aspk: Aspk, trained: Path) -> None:
    for arguments, message in [
        (("--images", "360"), "360 images cannot be taken of the validation split, which has 359"),
        (("--subnet", "best"), "has no search"),
        (("--set", 'model.network="transformer"'), 'it was trained with model.network = "spikformer"'),
        (("--split", "test"), "--split"),
    ]:
        done = aspk("analyze", "blocks", *arguments, "--json")
        assert done.exit_code == 2
        assert message in json.loads(done.stdout)["error"] + (json.loads(done.stdout)["where"] or "")
    remarked = aspk("analyze", "blocks", "--images", "20", "--set", "search.alpha=0.3")
    assert remarked.exit_code == 0
