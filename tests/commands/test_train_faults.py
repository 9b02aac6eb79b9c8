"""What ends a training that has begun: images that changed, another recipe's store, too little memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import autospikformer_cli
from autospikformer_cli.store.supernet import load_checkpoint

Aspk = Callable[..., Any]
RUN = Path("runs/tiny")
OF_A_FOLDER = (
    'data.dataset="folder"', 'data.root="images"', "data.image_size=8", "data.validation=0.2", "data.test=0.1",
    "train.epochs=2", "train.warmup_epochs=0", "train.batch=8",
)  # fmt: skip
GREEDY = """\
import torch
from autospikformer_cli.spiking.neuron_kinds import NeuronKind

passes = 0


class Greedy(NeuronKind):
    '''Wants a petabyte after some passes through layers.'''

    def forward(self, current_TMC, time_step, neuron):
        global passes
        passes += self.training and torch.is_grad_enabled()
        if passes > 100:
            torch.empty(2**50)
        excess = current_TMC.expand(time_step, -1, -1).cumsum(0) - neuron.threshold
        return (excess > 0).to(excess.dtype) + (excess - excess.detach())
"""


def sets(*keys: str) -> list[str]:
    return [word for key in keys for word in ("--set", key)]


@pytest.fixture
def images(own_folder: Path) -> Path:
    """A folder of 40 images of two classes."""
    generator = np.random.default_rng(1)
    for name in "ab":
        (own_folder / "images" / name).mkdir(parents=True)
        for number in range(20):
            pixels = generator.integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(own_folder / "images" / name / f"{number:02}.png")
    return own_folder / "images"


def _one_less(images: Path) -> None:
    (images / "a" / "07.png").unlink()


def _one_more(images: Path) -> None:
    shutil.copy(images / "a" / "07.png", images / "b" / "99.png")


def _another(images: Path) -> None:
    for each in (images / "a").iterdir():
        shutil.copy(images / "b" / "03.png", each)


@pytest.mark.parametrize("change", [_one_less, _one_more, _another])
def test_a_data_set_that_changed_since_the_start(
    aspk: Aspk, background: Aspk, images: Path, change: Callable[[Path], None]
) -> None:
    """It is said, nothing is written, and with the old data set the training goes on."""
    words = ("train", "tiny.toml", *sets(*OF_A_FOLDER), "--quiet")
    background(*words, at="supernet.h5", number=2).kill()
    before = (RUN / "supernet.h5").read_bytes()
    shutil.copytree(images, "as_it_was")
    change(images)
    done = aspk(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: runs/tiny: the train images are not those that this run was trained with\n"
        "  bring the data set back to what it was, or train a new run: --run NAME, or --fresh next to it\n"
    )
    assert (RUN / "supernet.h5").read_bytes() == before
    shutil.rmtree(images)
    shutil.copytree("as_it_was", images)
    assert aspk(*words).exit_code == 0
    assert load_checkpoint(RUN).state.finished


def test_a_data_set_that_is_gone(aspk: Aspk, background: Aspk, images: Path) -> None:
    words = ("train", "tiny.toml", *sets(*OF_A_FOLDER), "--quiet")
    background(*words, at="supernet.h5", number=2).kill()
    before = (RUN / "supernet.h5").read_bytes()
    images.rename("elsewhere")
    for command in (words, ("train", "--quiet")):
        done = aspk(*command)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith("error: data.root: ")
        assert "images" in done.stderr
    assert (RUN / "supernet.h5").read_bytes() == before


def test_a_store_of_another_recipe(aspk: Aspk, background: Aspk) -> None:
    """Put in the place of the run's own: under the recipe it is refused, and goes on under its own."""
    keys = ("train.epochs=2", "train.warmup_epochs=0", "data.train_images=128")
    other = ("space.embed_dim=[16, 32]", "train.lr=0.001")
    background("train", "tiny.toml", *sets(*keys, *other), "--run", "other", at="supernet.h5", number=1).kill()
    assert aspk("train", "tiny.toml", *sets(*keys), "--quiet").exit_code == 0
    shutil.copy("runs/other/supernet.h5", RUN / "supernet.h5")
    before = (RUN / "supernet.h5").read_bytes()
    done = aspk("train", "tiny.toml", *sets(*keys))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: runs/tiny: this run was begun with another recipe: space.embed_dim, train.lr differ\n"
        "  go on with the recipe it has, or start a new run: --run NAME, or --fresh next to it\n"
    )
    assert (RUN / "supernet.h5").read_bytes() == before
    assert aspk("train", "--run", RUN, "--quiet").exit_code == 0


@pytest.mark.parametrize("checkpointing", [False, True])
def test_too_little_memory_in_a_step(own_folder: Path, checkpointing: bool) -> None:
    """torch's allocator itself refuses a petabyte, in an epoch after the first one: that one is kept."""
    site = own_folder / "site"
    metadata = site / "aspk_greedy-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "aspk_greedy.py").write_text(GREEDY)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: aspk-greedy\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[aspk.neurons]\ngreedy = aspk_greedy:Greedy\n")
    folders = (Path(autospikformer_cli.__file__).parents[1], site)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    keys = ['model.neuron="greedy"', "train.epochs=50", "train.warmup_epochs=0", "data.train_images=64"]
    keys += ["train.batch=32", f"train.activation_checkpointing={str(checkpointing).lower()}"]
    words = ["train", "tiny.toml", *sets(*keys), "--quiet", "--threads", "1"]
    command = [sys.executable, "-m", "autospikformer_cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    state = load_checkpoint(RUN).state
    assert state.epoch >= 1
    what, fix = done.stderr.splitlines()
    assert what.startswith(
        f"error: train.batch: there is not enough memory: {4 * 2**50} bytes were asked for at once, in "
    )
    assert what.endswith(", with batches of 32 images")
    assert f" in epoch {state.epoch + 1}, step " in what
    assert fix.startswith(
        "  start a new run" if checkpointing else "  set train.activation_checkpointing=true, or start a"
    )
    assert "train.batch below 32; with train.accumulate " in fix
    assert fix.endswith("; what was saved before is kept")
