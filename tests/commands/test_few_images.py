"""data.train_images: a supernet trained on a few images, and what follows on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.data.images import load_split
from autospikformer_cli.recipe import load_recipe, recipe_from_toml
from autospikformer_cli.store.population import load_population
from autospikformer_cli.store.supernet import load_checkpoint, save_checkpoint

Aspk = Callable[..., Any]

SHORT = ("--set", "train.epochs=1", "--set", "train.warmup_epochs=0")
FEW = ("--set", "data.train_images=25")
TOO_MANY = (
    "error: data.train_images: 1,080 images cannot be taken of the train split, which has 1,079\n"
    "  take at most 1079, or leave it out to train on all\n"
)
TOO_FEW = (
    "error: data.train_images: 9 images are too few for 10 classes\n"
    "  take at least 10, one of each class, or leave it out to train on all\n"
)


@pytest.fixture
def on_few(aspk: Aspk) -> Path:
    """A run that was trained on 25 images; 32 would recalibrate BatchNorm."""
    done = aspk("train", "tiny.toml", *SHORT, *FEW, "--run", "runs/few", "--json")
    assert done.exit_code == 0, done.stderr
    assert done.document["steps"] == 1
    return Path("runs/few")


def test_a_run_on_a_few_images_is_stored_and_searched(aspk: Aspk, on_few: Path) -> None:
    stored = load_checkpoint(on_few)
    recipe = recipe_from_toml(stored.recipe_toml)
    assert recipe.data.train_images == 25
    train = load_split(recipe.data, recipe.seed, "train")
    assert train.labels.bincount(minlength=10).tolist() == [3] * 5 + [2] * 5
    validation = load_split(load_recipe("tiny.toml").data, recipe.seed, "validation")
    assert stored.splits == {"train": train.hash, "validation": validation.hash}
    said = aspk("train", "tiny.toml", *SHORT, *FEW, "--run", "runs/few").stdout
    assert said.startswith("runs/few: trained for 1 epoch on 25 training images; top-1 on validation: largest subnet ")

    done = aspk("search", "--run", "runs/few", "--set", "search.generations=1", "--json")
    assert done.exit_code == 0, done.stderr
    provenance = load_population(on_few).provenance
    assert (provenance.calibration_images, provenance.calibration_hash) == (25, train.hash)
    assert "inherited from a supernet of 1 epoch on 25 training images, not retrained" in aspk(
        "report", "--run", "runs/few"
    ).stdout  # fmt: skip


def test_a_dry_run_counts_the_few(aspk: Aspk) -> None:
    plan = aspk("train", "tiny.toml", *FEW, "--dry-run", "--json").document
    assert (plan["images"], plan["steps"]) == (25, 5)


@pytest.mark.parametrize("value", ["26", '"none"'])
def test_their_number_is_that_of_the_training(aspk: Aspk, on_few: Path, value: str) -> None:
    before = (on_few / "supernet.h5").read_bytes()
    other = ("--set", f"data.train_images={value}")
    done = aspk("train", "tiny.toml", *SHORT, *other, "--run", "runs/few")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: runs/few: this run was begun with another recipe: data.train_images differs\n"
        "  go on with the recipe it has, or start a new run: --run NAME, or --fresh next to it\n"
    )
    done = aspk("search", "--run", "runs/few", *other)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: runs/few: it was trained with data.train_images = 25, which cannot change")
    assert (on_few / "supernet.h5").read_bytes() == before


@pytest.mark.parametrize(("number", "told"), [(1080, TOO_MANY), (9, TOO_FEW)])
@pytest.mark.parametrize("option", [(), ("--dry-run",)], ids=["train", "dry-run"])
def test_a_number_that_the_split_does_not_have_is_refused(
    aspk: Aspk, number: int, told: str, option: tuple[str, ...]
) -> None:
    done = aspk("train", "tiny.toml", "--set", f"data.train_images={number}", *option)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", told)
    assert not Path("runs").exists()


def test_a_run_of_before_the_key_was_trained_on_all(aspk: Aspk, trained: Path) -> None:
    begun = load_checkpoint(trained)
    lines = begun.recipe_toml.splitlines()
    text = "\n".join(line for line in lines if not line.startswith("train_images = "))
    assert len(text.splitlines()) == len(lines) - 1
    save_checkpoint(trained, replace(begun, recipe_toml=text))
    assert aspk("train", "tiny.toml").stdout.startswith("runs/tiny: trained for 5 epochs; top-1 on validation: ")
    done = aspk("evaluate", "--subnet", "smallest", "--set", 'data.train_images="none"')
    assert done.exit_code == 0, done.stderr


def test_a_retraining_on_all_images_keeps_to_their_number(aspk: Aspk, on_few: Path) -> None:
    options = ("evaluate", "--run", "runs/few", "--subnet", "smallest", "--finetune", "1", "--from-scratch")
    sizes = []
    for more in ((), ("--all-images",)):
        assert aspk(*options, *more).exit_code == 0
        (folder,) = set((on_few / "finetuned").iterdir()) - {folder for folder, _ in sizes}
        recipe = recipe_from_toml(load_checkpoint(folder).recipe_toml)
        train = load_split(recipe.data, recipe.seed, "train")
        assert load_checkpoint(folder).splits["train"] == train.hash
        sizes.append((folder, len(train)))
    assert [size for _, size in sizes] == [25, 25]
