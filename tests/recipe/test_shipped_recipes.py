"""The recipes that come with aspk, and the values that any recipe becomes."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pydantic
import pytest
import tomli

import autospikformer_cli
from autospikformer_cli.recipe import (
    differing_keys,
    load_recipe,
    recipe_from_toml,
    recipe_summary,
    shipped_recipes,
)
from autospikformer_cli.space import parse_subnet

PAPER_SIZES = {
    # (ratios x heads x thresholds x taus) ** depth, summed over depths, x time steps x dimensions
    "cifar10-small": sum((6 * 2 * 8 * 36) ** depth for depth in (2, 3, 4)) * 3 * 5,
    "cifar100-small": sum((6 * 2 * 8 * 36) ** depth for depth in (2, 3, 4)) * 3 * 5,
    "cifar10-large": sum((11 * 2 * 8 * 36) ** depth for depth in range(2, 7)) * 3 * 4,
    "cifar100-large": sum((11 * 2 * 8 * 36) ** depth for depth in range(2, 7)) * 3 * 4,
    "cifar100-neurons": (8 * 36) ** 4 * 3,
    "cifar100-neurons-six-taus": (8 * 6) ** 4 * 3,
}


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_loads_says_what_it_is_and_survives_writing(name: str) -> None:
    recipe = load_recipe(name)
    again = recipe_from_toml(recipe.to_toml())
    assert recipe.name == name
    assert len(recipe_summary(shipped_recipes()[name])) > 20
    assert again == recipe
    assert hash(again) == hash(recipe)
    assert again.to_toml() == recipe.to_toml()
    assert recipe.baseline() in recipe.space.search_space()


@pytest.mark.parametrize(("name", "size"), PAPER_SIZES.items())
def test_sizes_of_the_paper_s_spaces(name: str, size: int) -> None:
    assert load_recipe(name).space.search_space().size() == size


@pytest.mark.parametrize(
    ("name", "subnet"),
    [
        ("cifar100-small", "(2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 2, 4, 348)"),
        ("cifar100-large", "(3, 3.2, 3.6, 3.2, 6, 12, 6, 1.4, 1.8, 0.8, 3, 5, 5, 4, 480)"),
        ("cifar100-neurons-six-taus", "(4, 4, 4, 4, 4, 12, 12, 12, 12, 1.6, 0.6, 2.0, 1.8, 5, 10, 10, 1.5, 4, 384)"),
    ],
)
def test_the_paper_s_candidates_are_members(name: str, subnet: str) -> None:
    assert parse_subnet(subnet) in load_recipe(name).space.search_space()


def test_the_paper_s_settings() -> None:
    recipe = load_recipe("cifar100-large")
    train, search = recipe.train, recipe.search
    assert (train.epochs, train.batch, train.lr, train.lr_start, train.lr_end) == (1000, 128, 5e-4, 1e-5, 1e-5)
    assert (train.warmup_epochs, train.cooldown_epochs, train.weight_decay) == (20, 10, 0.06)
    assert (train.label_smoothing, train.mixup, train.mixup_epochs) == (0.1, 0.5, 0.6667)
    assert (search.population, search.parents, search.generations) == (50, 20, 20)
    assert (search.p_depth, search.p_mutation, search.alpha) == (0.3, 0.4, 0.5)
    assert (recipe.data.dataset, recipe.data.augment) == ("cifar100", "spikformer")


def test_event_recipes_are_built_round_spikformer_s_model() -> None:
    recipe = load_recipe("cifar10dvs")
    model, data, train = recipe.model, recipe.data, recipe.train
    assert (model.pooled_stages, model.attention_scale, model.qkv_bias) == ((1, 2, 3, 4), 0.25, False)
    assert (data.frames, data.split_by, data.polarity, data.augment) == (16, "count", "separate", "events")
    assert (train.epochs, train.batch, train.lr, train.weight_decay) == (96, 16, 1e-3, 0.06)
    assert (train.mixup, train.mixup_probability, train.mixup_epochs * train.epochs) == (0.5, 0.5, 75)
    assert str(recipe.baseline()) == "(2, 4, 4, 16, 16, 1, 1, 2, 2, 16, 256)"
    assert (recipe.space.threshold, recipe.space.tau) == (
        load_recipe("cifar10-small").space.threshold,
        load_recipe("cifar10-small").space.tau,
    )
    gestures = differing_keys(load_recipe("dvs128-gesture"), recipe)
    assert gestures == ["data.dataset", "data.augment", "train.epochs", "train.warmup_epochs"]


def test_short_recipes_train_alike_and_keep_the_neurons_of_the_paper_s() -> None:
    laptop, small = load_recipe("cifar10-small-laptop"), load_recipe("cifar10-small")
    assert differing_keys(load_recipe("cifar100-small-laptop"), laptop) == ["data.dataset"]
    hour = differing_keys(load_recipe("cifar10-small-hour"), laptop)
    shape, longer = ["model.stem_dim", "space.embed_dim"], ["train.epochs", "train.warmup_epochs"]
    assert hour == [*shape, *longer, "train.validation_images", "search.images"]
    minutes = load_recipe("cifar10-10min")
    assert differing_keys(load_recipe("cifar100-10min"), minutes) == ["data.dataset"]
    assert minutes.space == small.space
    assert (minutes.model, minutes.search) == (small.model, small.search)
    for recipe in (laptop, minutes):
        assert (recipe.space.threshold, recipe.space.tau) == (small.space.threshold, small.space.tau)
        assert (recipe.train.optimizer, recipe.train.schedule) == ("muon", "linear")


def test_recipes_that_extend_each_other_differ_only_where_they_say() -> None:
    small = load_recipe("cifar10-small")
    assert differing_keys(load_recipe("cifar100-small"), small) == ["data.dataset"]
    large = ["space.depth", "space.mlp_ratio", "space.embed_dim"]
    assert differing_keys(load_recipe("cifar10-large"), small) == large
    neurons, six = load_recipe("cifar100-neurons"), load_recipe("cifar100-neurons-six-taus")
    assert differing_keys(neurons, six) == ["space.tau"]
    assert six.space.tau == tuple(map(Decimal, ("1.25", "1.5", "2", "3", "5", "10")))


def test_a_complete_recipe_with_every_table_survives_writing() -> None:
    recipe = load_recipe(
        "quickstart",
        [
            "data.normalise={mean=[0.1234567890123], std=[1e-7]}",
            'search.normalise="fixed"',
            "search.bounds={top1=[10, 95.5], energy_j=[1e-6, 0.002]}",
            "search.baseline=[1, 2.0, 2, 0.8, 1.25, 2, 32]",
            'energy.order="q_kv"',
            'energy.event_input="mac"',
            "model.pooled_stages=[1, 2, 3, 4]",
            'data.root="a \\"b\\" \\u007f é"',
        ],
    )
    assert recipe_from_toml(recipe.to_toml()) == recipe
    assert set(tomli.loads(recipe.to_toml())["search"]) == set(type(recipe.search).model_fields)
    assert str(recipe.baseline()) == "(1, 2, 2, 0.8, 1.25, 2, 32)"


def test_a_recipe_cannot_be_changed() -> None:
    recipe = load_recipe("quickstart")
    with pytest.raises(pydantic.ValidationError):
        recipe.train.epochs = 3


def test_a_recipe_is_checked_before_anything_heavy_is_imported() -> None:
    program = (
        "import sys\n"
        "from autospikformer_cli.recipe import load_recipe\n"
        "load_recipe('quickstart')\n"
        "print([name for name in ('torch', 'h5py', 'numpy', 'rich', 'typer', 'scipy') if name in sys.modules])\n"
    )
    here = Path(autospikformer_cli.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=here, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
