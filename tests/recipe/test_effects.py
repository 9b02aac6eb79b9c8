"""Every recipe key says what it decides, and nothing else does."""

from __future__ import annotations

import pytest

from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.recipe.effects import Decides, declared
from autospikformer_cli.recipe.load import named_keys
from autospikformer_cli.recipe.whole import SECTIONS, Recipe, differing_keys, effects

KEYS = [("", "seed"), ("", "fidelity")]
KEYS += [(section, key) for section, each in SECTIONS.items() for key in each.model_fields]


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_declares_what_it_decides(section: str, key: str) -> None:
    model = SECTIONS[section] if section else Recipe
    assert declared(model.model_fields[key]) is not None, "annotate it with what it decides (recipe/effects.py)"


def test_no_key_is_left_out() -> None:
    assert list(effects()) == [f"{section}.{key}".lstrip(".") for section, key in KEYS]


def decided_by(effect: Decides) -> set[str]:
    """The keys that decide something, without their sections if a whole section does."""
    return {key for key, each in effects().items() if each & effect}


def test_what_decides_nothing() -> None:
    nothing = {key for key, effect in effects().items() if not effect}
    data = {"data.root", "data.download", "data.cache", "data.memory"}
    training = {"train.activation_checkpointing", "train.keep_last"}
    assert nothing == data | training | {"fidelity", "model.evaluation_memory"}


def test_what_a_trained_run_has_for_ever() -> None:
    movable = {"data.root", "data.download", "data.cache", "data.memory", "data.augment", "data.translation"}
    data = {key for key in effects() if key.startswith("data.")} - movable
    shape = {"model.network", "model.neuron", "model.stem_dim", "model.qkv_bias", "model.pooled_stages"}
    shape |= {"model.pool"}
    assert decided_by(Decides.NETWORK) == data | shape


def test_what_an_archive_can_be_scored_by() -> None:
    scored = {"objectives", "limits", "alpha", "normalise", "bounds", "percentile"}
    energy = {key for key in effects() if key.startswith("energy.")}
    assert decided_by(Decides.SCORE) == energy | {f"search.{key}" for key in scored}
    assert decided_by(Decides.SCORE) <= decided_by(Decides.SEARCH)


def test_what_decides_the_images_does_not_decide_by_its_value() -> None:
    assert decided_by(Decides.IMAGES) == {"search.split", "search.images", "model.calibration_images"}
    assert not decided_by(Decides.IMAGES) & decided_by(Decides.MEASUREMENT)


def test_keys_that_differ_are_filtered_by_what_they_decide() -> None:
    recipe = load_recipe("quickstart")
    other = load_recipe("quickstart", {"search.alpha": 0.1, "train.lr": 1e-3, "seed": 4})
    assert differing_keys(recipe, other) == ["seed", "train.lr", "search.alpha"]
    assert differing_keys(recipe, other, Decides.SCORE) == ["search.alpha"]
    assert differing_keys(recipe, other, Decides.TRAINING) == ["seed", "train.lr"]


def test_keys_that_overrides_name() -> None:
    assert named_keys(["search.limits.params=3", "seed=1", "train={lr=1, batch=2}"]) == [
        "search.limits", "seed", "train.lr", "train.batch",
    ]  # fmt: skip
    assert named_keys({"model.evaluation_memory": 400}) == ["model.evaluation_memory"]
    assert {"model.decay_input", "search.alpha", "fidelity"} <= set(named_keys(['fidelity="authors"']))
    assert named_keys(["nonsense"]) == []
