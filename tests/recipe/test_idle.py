"""Keys that decide nothing with the other keys of a recipe are told."""

from __future__ import annotations

from typing import Any

import pytest

from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.recipe.idle import NEEDS, idle_remarks
from autospikformer_cli.recipe.shipped import shipped_recipes
from autospikformer_cli.recipe.whole import effects


@pytest.mark.parametrize(
    ("idle", "also", "needs"),
    [
        ({"train.matrix_lr": 0.1}, {"train.optimizer": "muon"}, 'train.optimizer = "muon"'),
        ({"train.matrix_weight_decay": 0.1}, {"train.optimizer": "muon"}, 'train.optimizer = "muon"'),
        ({"data.translation": 3}, {"data.augment": "translate"}, 'data.augment = "translate"'),
        (
            {"train.whitened_stem": True, "model.stem_dim": 8},
            {"model.stem_dim": 16},
            "a stem of 16 channels or more: model.stem_dim",
        ),
        ({"train.mixup_probability": 0.5}, {"train.mixup": 0.5}, "train.mixup > 0"),
        ({"train.mixup_epochs": 0.5}, {"train.mixup": 0.5}, "train.mixup > 0"),
        ({"train.mixup": 0.3, "train.mixup_epochs": 0}, {"train.mixup_epochs": 2}, "train.mixup_epochs > 0"),
        (
            {"train.mixup": 0.3, "train.mixup_probability": 0},
            {"train.mixup_probability": 0.1},
            "train.mixup_probability > 0",
        ),
        (
            {"train.time_step_curriculum": 0.5, "space.time_step": [2]},
            {"space.time_step": [1, 2]},
            "several choices of space.time_step",
        ),
        (
            {"train.neuron_curriculum": 0.5, "space.threshold": [1.0], "space.tau": [2.0]},
            {"space.tau": [1.5, 2.0]},
            "several choices of space.threshold or space.tau",
        ),
        ({"train.lr_start": 0.001, "train.warmup_epochs": 0}, {"train.warmup_epochs": 1}, "train.warmup_epochs > 0"),
        (
            {"train.validation_images": 9, "data.validation": 0, "search.split": "test"},
            {"data.validation": 0.1},
            "data.validation > 0",
        ),
    ],
)
def test_a_key_is_told_as_long_as_it_decides_nothing(idle: dict[str, Any], also: dict[str, Any], needs: str) -> None:
    key = next(iter(idle))
    assert idle_remarks(load_recipe("quickstart", idle)) == [f"{key} decides nothing here: it needs {needs}"]
    assert idle_remarks(load_recipe("quickstart", {**idle, **also})) == []


def test_nothing_is_told_that_nobody_wrote() -> None:
    for name in shipped_recipes():
        for fidelity in ("sound", "paper", "authors"):
            assert idle_remarks(load_recipe(name, {"fidelity": fidelity})) == [], (name, fidelity)


def test_a_named_key_is_told_whatever_its_value() -> None:
    recipe = load_recipe("quickstart")
    (told,) = idle_remarks(recipe, ["train.matrix_lr", "train.lr"])
    assert told.startswith("train.matrix_lr decides nothing here")
    assert {key for need in NEEDS for key in need.keys} <= effects().keys()
