"""The recipe `imagenet` on a generated folder of classes, a part of whose images is larger than data.memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from autospikformer_cli.data.reading import LazyImages
from autospikformer_cli.runs.trained_run import open_run

Aspk = Callable[..., Any]

SMALL = """\
extends = "imagenet"

[data]
root = "images"
image_size = 32
memory = 0

[model]
calibration_images = 8

[space]
embed_dim = [64]
depth = [1]
time_step = [2]

[train]
epochs = 1
cooldown_epochs = 0
warmup_epochs = 0
batch = 6

[search]
baseline = [1, 4, 8, 1, 2, 2, 64]
"""


def test_the_recipe_trains_on_a_folder_of_classes(aspk: Aspk, own_folder: Path) -> None:
    generator = np.random.default_rng(0)
    for split, number in (("train", 5), ("test", 2)):
        for label in range(4):
            for image in range(number):
                path = own_folder / "images" / split / f"n{label:08}" / f"{image}.JPEG"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(generator.integers(0, 256, (40, 36, 3), np.uint8)).save(path)
    (own_folder / "small.toml").write_text(SMALL)
    whole = aspk("train", "imagenet", "--dry-run", "--json", "--set", 'data.root="images"').document
    assert (whole["classes"], whole["train_images"], whole["validation_images"], whole["test_images"]) == (4, 16, 4, 8)
    assert whole["params_largest"] > 29_000_000  # Spikformer 8-512, with 4 classes
    trained = aspk("train", "small.toml", "--run", "small")
    assert trained.exit_code == 0, trained.stderr
    assert isinstance(open_run("small").images("train").images, LazyImages)
    assert len(list((own_folder / "images" / "aspk-images").glob("folder-train-*.h5"))) == 1
    tested = aspk("evaluate", "--run", "small", "--subnet", "largest", "--json")
    assert tested.exit_code == 0, tested.stderr
    assert (tested.document["split"], tested.document["images"]) == ("test", 8)
