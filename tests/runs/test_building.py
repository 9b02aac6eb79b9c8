"""From recipes to networks and back: shapes, weights, splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autospikformer_cli.data.images import load_split
from autospikformer_cli.engine.compute import make_compute
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe, load_recipe
from autospikformer_cli.runs.building import (
    energy_model,
    environment,
    load_arrays,
    make_supernet,
    network_shape,
    weight_arrays,
)
from autospikformer_cli.runs.training import TrainingRun
from autospikformer_cli.say import SILENT
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.supernet import Supernet
from autospikformer_cli.store.supernet import weights_hash
from autospikformer_cli.training.paths import one_path

SMALL = ("space.embed_dim=[16, 24]", "space.depth=[1, 2]")


def quickstart(*overrides: str) -> Recipe:
    """The first tour's recipe on narrow layers."""
    return load_recipe("quickstart", [*SMALL, *overrides])


def network(recipe: Recipe, **options: str) -> Supernet:
    """Its network with first weights."""
    return make_supernet(recipe, make_compute(**options))  # type: ignore[arg-type]


def test_the_shape_is_the_data_sets_and_the_widest() -> None:
    recipe = quickstart()
    assert network_shape(recipe) == NetworkShape(8, 1, 10, 24, (4,))
    cifar = load_recipe("cifar100-large")
    assert network_shape(cifar) == NetworkShape(32, 3, 100, 480, (3, 4))


def test_energy_rules_are_the_recipes() -> None:
    recipe = quickstart('energy.convention="paper"', 'energy.residual="mac"')
    model = energy_model(recipe)
    assert (model.convention.head, model.convention.residual) == (False, "mac")
    assert (model.hardware.name, model.hardware.mac, model.hardware.ac) == ("cmos45", 4.6, 0.9)


def test_weights_go_out_and_in_unchanged() -> None:
    one, other = network(quickstart()), network(quickstart("seed=1"))
    arrays = weight_arrays(one)
    assert weights_hash(weight_arrays(other)) != weights_hash(arrays)
    load_arrays(other, arrays, "runs/x")
    assert weights_hash(weight_arrays(other)) == weights_hash(arrays)
    assert weights_hash(weight_arrays(network(quickstart()))) == weights_hash(arrays)


def test_float64_is_a_network_of_its_own() -> None:
    arrays = weight_arrays(network(quickstart(), precision="float64"))
    assert {array.dtype for array in arrays.values()} == {np.dtype("float64")}


def test_weights_of_another_shape_are_refused() -> None:
    narrow = network(load_recipe("quickstart", ["space.embed_dim=[16]", "space.depth=[1]"]))
    with pytest.raises(UserError) as caught:
        load_arrays(network(quickstart()), weight_arrays(narrow), "runs/x")
    assert caught.value.what.startswith("its weights do not fit the recipe's network: patch_embed.")
    assert caught.value.what.endswith(" ...")
    assert caught.value.where == "runs/x"
    assert caught.value.fix == "leave --set space.* and model.pooled_stages as they were when the supernet was trained"


def test_the_environment_is_named() -> None:
    found = environment(make_compute(precision="float64"))
    assert set(found) == {"python", "autospikformer-cli", "torch", "numpy", "numba", "device", "precision", "threads"}
    assert (found["device"], found["precision"]) == ("cpu", "float64")


def test_a_training_cuts_the_data_set_by_the_seed_it_is_given(tmp_path: Path) -> None:
    recipe = quickstart("seed=4")
    largest = recipe.space.search_space().largest()

    def hashes(split_seed: int | None) -> dict[str, str]:
        run = TrainingRun(recipe, make_compute(), SILENT, one_path(largest), (largest, largest), split_seed=split_seed)
        return {split: images.hash for split, images in run.images.items()}

    for split_seed, seed in ((None, 4), (0, 0)):
        expected = {split: load_split(recipe.data, seed, split).hash for split in ("train", "validation")}
        assert hashes(split_seed) == expected
