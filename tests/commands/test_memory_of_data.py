"""A folder of images that does not fit into data.memory: the same results, and one clear message for what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autospikformer_cli.data.images import load_split
from autospikformer_cli.data.reading import LazyImages
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.data_plan import data_plan
from autospikformer_cli.runs.trained_run import open_run

Aspk = Callable[..., Any]

RECIPE = """\
extends = "quickstart"

[data]
dataset = "folder"
root = "images"
image_size = 8
augment = "spikformer"

[model]
calibration_images = 16

[space]
mlp_ratio = [2]
embed_dim = [16]
depth = [1]
time_step = [2]

[train]
epochs = 2
batch = 8
warmup_epochs = 1

[search]
population = 4
parents = 2
generations = 1
"""


@pytest.fixture
def folder(own_folder: Path) -> Path:
    """36 images of noise in three classes, and a recipe that trains on them."""
    generator = np.random.default_rng(0)
    for number in range(36):
        path = own_folder / "images" / "abc"[number % 3] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (9, 8, 3), np.uint8)).save(path)
    (own_folder / "mine.toml").write_text(RECIPE)
    return own_folder / "images"


def test_results_are_the_same_from_disk_and_memory(aspk: Aspk, folder: Path) -> None:
    results = []
    for run, memory in (("in_memory", 4000), ("on_disk", 0)):
        trained = aspk("train", "mine.toml", "--run", run, "--set", f"data.memory={memory}")
        assert trained.exit_code == 0, trained.stderr
        assert (folder / "aspk-images").is_dir() == (memory == 0)
        found = aspk("search", "--run", run, "--set", f"data.memory={memory}", "--json")
        assert found.exit_code == 0, found.stderr
        tested = aspk("evaluate", "--run", run, "--subnet", "largest", "--json").document
        results.append((open_run(run).weights_hash, found.document["candidates"], {**tested, "origin": ""}))
    assert results[0] == results[1]
    assert isinstance(open_run("on_disk").images("train").images, LazyImages)
    assert not isinstance(open_run("in_memory").images("train").images, LazyImages)


def test_images_that_changed_after_the_training_are_refused(aspk: Aspk, folder: Path) -> None:
    recipe = ("mine.toml", "--run", "run", "--set", "data.memory=0", "--set", "train.epochs=1")
    assert aspk("train", *recipe).exit_code == 0
    Image.new("RGB", (8, 8)).save(folder / open_run("run").images("train").files[0])
    refused = aspk("search", "--run", "run")
    assert refused.exit_code == 2
    assert "the train images are not those that this run was trained with" in refused.stderr
    (next(iter(folder.glob("b/*.png")))).write_bytes(b"no image")
    broken = aspk("train", *recipe, "--fresh")
    assert broken.exit_code == 2
    assert "is not a readable image\n  repair the file, or remove it" in broken.stderr


def test_a_dry_run_says_what_will_be_where(aspk: Aspk, folder: Path) -> None:
    recipe = ("train", "mine.toml", "--dry-run", "--json")
    small = aspk(*recipe).document
    assert (small["images_in_memory_bytes"], small["cache_bytes"], small["cache_folder"]) == (30 * 192, 0, None)
    large = aspk(*recipe, "--set", "data.memory=0").document
    assert (large["images_in_memory_bytes"], large["cache_folder"]) == (0, str(folder / "aspk-images"))
    assert (large["cache_bytes"], large["cache_missing_bytes"]) == (36 * 192, 36 * 192)
    assert not (folder / "aspk-images").exists()
    load_split(load_recipe("mine.toml", ["data.memory=0"]).data, 0, "train")
    made = aspk(*recipe, "--set", "data.memory=0").document
    assert (made["cache_bytes"], made["cache_missing_bytes"]) == (36 * 192, 0)
    elsewhere = ("--set", "data.memory=0", "--set", 'data.cache="elsewhere"')
    shown = "".join(aspk("train", "mine.toml", "--dry-run", *elsewhere).stdout.split())  # long paths are folded
    assert str(folder.parent / "elsewhere") in shown
    huge = ("data.image_size=10000000", "model.pooled_stages=[1,2,3,4]")
    with pytest.raises(UserError, match="GB are free at"):
        data_plan(load_recipe("mine.toml", huge).data, 0)
