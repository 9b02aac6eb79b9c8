"""Trainings on all images, validation images too: a run that holds none out, and a final retraining of one subnet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.data.images import load_split
from autospikformer_cli.recipe import load_recipe, recipe_from_toml
from autospikformer_cli.store.evaluations import load_evaluations
from autospikformer_cli.store.supernet import load_checkpoint

Aspk = Callable[..., Any]

SHORT = ("--set", "train.epochs=1", "--set", "train.warmup_epochs=0")
ALL = ("--set", "data.validation=0")
REFUSED = (
    "error: data.validation: there are no validation images: data.validation = 0 leaves all images to the training\n"
    "  take test or training images, or train another run that holds some out: --set data.validation=0.1\n"
)


@pytest.fixture
def on_all_images(aspk: Aspk) -> Path:
    """A run that trained on all images that are not tested."""
    done = aspk("train", "tiny.toml", *SHORT, *ALL, "--run", "runs/whole", "--json")
    assert done.exit_code == 0, done.stderr
    assert (done.document["val_top1_largest"], done.document["val_top1_smallest"]) == (None, None)
    assert "next: aspk evaluate --run runs/whole --subnet largest" in done.stderr
    return Path("runs/whole")


def test_a_run_without_validation_images_is_measured_priced_and_exported(aspk: Aspk, on_all_images: Path) -> None:
    recipe = load_recipe("tiny.toml", {"data.validation": 0})
    train = load_split(recipe.data, recipe.seed, "train")
    assert len(train) == 1438
    assert load_checkpoint(on_all_images).splits == {"train": train.hash}
    said = aspk("train", "tiny.toml", *SHORT, *ALL, "--run", "runs/whole").stdout
    assert said == "runs/whole: trained for 1 epoch on all training images, none held out for validation\n"

    measured = aspk("evaluate", "--run", "runs/whole", "--subnet", "largest", "--json").document
    assert (measured["split"], measured["images"]) == ("test", 359)
    priced = aspk("energy", "--run", "runs/whole", "--subnet", "smallest", "--json").document
    assert priced["rates"] == "measured now on 60 train images"
    channels = aspk("analyze", "channels", "--run", "runs/whole", "--subnet", "smallest", "--images", "8", "--json")
    assert (channels.document["split"], channels.document["images"]) == ("train", 8)
    done = aspk("export", "--run", "runs/whole", "--subnet", "smallest", "--to", "whole.safetensors", "--images", "8")
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize(
    "words",
    [("search",), ("search", "--dry-run"), ("evaluate", "--subnet", "largest", "--split", "validation")],
    ids=" ".join,
)
def test_what_needs_validation_images_is_refused(aspk: Aspk, on_all_images: Path, words: tuple[str, ...]) -> None:
    done = aspk(*words, "--run", "runs/whole")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == REFUSED
    assert not (on_all_images / "population.h5").exists()


def test_a_search_on_test_images_needs_none(aspk: Aspk, on_all_images: Path) -> None:
    done = aspk("search", "--run", "runs/whole", "--set", 'search.split="test"', "--set", "search.generations=1")
    assert done.exit_code == 0, done.stderr


def test_a_final_retraining_sees_the_validation_images(aspk: Aspk, trained: Path) -> None:
    options = ("evaluate", "--subnet", "smallest", "--finetune", "1", "--from-scratch", "--json")
    done = aspk(*options, "--all-images")
    assert done.exit_code == 0, done.stderr
    assert done.document["weights"] == "from scratch, 1 epoch, validation images too"
    *_, stored = load_evaluations(trained)
    assert stored.finetuned is not None
    assert stored.finetuned.all_images
    (folder,) = (trained / "finetuned").iterdir()
    checkpoint = load_checkpoint(folder)
    recipe = recipe_from_toml(checkpoint.recipe_toml)
    assert recipe.data.validation == 0
    train = load_split(recipe.data, recipe.seed, "train")
    assert (len(train), checkpoint.splits) == (1438, {"train": train.hash})

    without = aspk(*options)
    assert without.document["weights"] == "from scratch, 1 epoch"
    assert len(set((trained / "finetuned").iterdir())) == 2
    assert not load_evaluations(trained)[-1].finetuned.all_images


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("--finetune", "1", "--split", "validation"),
            "a retraining on all images sees the validation images\n  measure on others: --split test",
        ),
        ((), "there is nothing to train\n  say for how many epochs: --finetune N"),
    ],
)
def test_all_images_that_mean_nothing_are_refused(aspk: Aspk, trained: Path, words: tuple[str, ...], told: str) -> None:
    done = aspk("evaluate", "--subnet", "smallest", "--all-images", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"error: --all-images: {told}\n"
    assert load_evaluations(trained) == ()
