"""data.download = true for data sets that are fetched by hand: said if they are missing, and harmless if not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from autospikformer_cli.data.description import describe
from autospikformer_cli.data.images import load_split, num_images
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe.sections import KnownImages

GESTURES = "data.root/ibmGestureTrain/userNN_light/<class>.npy and data.root/ibmGestureTest/userNN_light/<class>.npy"
DVS_FILES = "https://figshare.com/ndownloader/files/38022171 (training) and 38020584 (test)"
ABOUT = {
    "nmnist": (
        "N-MNIST", "https://www.garrickorchard.com/datasets/n-mnist",
        "data.root/Train/<digit>/*.bin and data.root/Test/<digit>/*.bin",
    ),
    "ncaltech101": (
        "N-Caltech101", "https://www.garrickorchard.com/datasets/n-caltech101", "data.root/Caltech101/<class>/*.bin",
    ),
    "cifar10dvs": (
        "CIFAR10-DVS", "https://figshare.com/ndownloader/files/38023437",
        "data.root/<class>/*.aedat4, or data.root/CIFAR10DVS/<class>/*.aedat4",
    ),
    "dvs128-gesture": ("DVS128 Gesture", DVS_FILES, GESTURES),
}  # fmt: skip


def failure(ask: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(UserError) as raised:
        ask(*arguments)
    return str(raised.value)


@pytest.mark.parametrize("dataset", ABOUT)
def test_events_that_are_missing_are_not_downloaded(dataset: str, config, tmp_path: Path) -> None:
    title, source, layout = ABOUT[dataset]
    nowhere = config(dataset=dataset, root=str(tmp_path / "none"), image_size=32, download=True)
    for ask in (load_split, num_images):
        assert failure(ask, nowhere, 0, "train") == (
            f"data.download: no folder {tmp_path / 'none'}, and aspk does not download {title}\n"
            f"  get it from {source}; then set data.root to the folder of {title}: {layout}"
        )
    empty = config(dataset=dataset, root=str(tmp_path), image_size=32, download=True)
    assert failure(load_split, empty, 0, "train") == (
        f"data.download: {tmp_path} has no recordings of {title}, and aspk does not download {title}\n"
        f"  get it from {source}; then set data.root to the folder that holds them: {layout}"
    )
    asked_for_none = config(dataset=dataset, root=str(tmp_path), image_size=32)
    assert failure(load_split, asked_for_none, 0, "train") == (
        f"data.root: {tmp_path} has no recordings of {title}\n  set data.root to the folder that holds them: {layout}"
    )


def test_classes_that_are_missing_are_not_downloaded(config, tmp_path: Path) -> None:
    missing = config(dataset="ncaltech101", root=str(tmp_path), image_size=32, download=True)
    assert failure(describe, missing).startswith(f"data.download: {tmp_path} has no recordings of N-Caltech101, and ")
    known = config(dataset="ncaltech101", root=str(tmp_path), image_size=32, download=True, known_images=KnownImages(7))
    assert describe(known).num_classes == 7


def test_a_folder_that_is_missing_is_not_downloaded(config, tmp_path: Path) -> None:
    missing = config(dataset="folder", root=str(tmp_path / "none"), image_size=8, download=True)
    told = (
        f"data.download: no folder {tmp_path / 'none'}, and a folder of your own images cannot be downloaded\n"
        "  set data.root to the folder of your images; put the images at data.root/<class>/, or at "
        "data.root/train/<class>/ and data.root/test/<class>/"
    )
    assert failure(describe, missing) == told
    assert failure(load_split, missing, 0, "train") == failure(num_images, missing, 0, "test") == told
    empty = config(dataset="folder", root=str(tmp_path), image_size=8, download=True)
    assert failure(describe, empty).startswith(f"data.root: {tmp_path} has no class folders\n")


def test_what_is_there_needs_no_download(config, recordings: Any, tmp_path: Path) -> None:
    assert num_images(config(download=True), 0, "train") == num_images(config(), 0, "train")
    assert num_images(config(dataset="digits-events", download=True), 0, "test") == 359
    recordings.nmnist(tmp_path / "events", per_class=2)
    events = config(dataset="nmnist", root=str(tmp_path / "events"), download=True)
    assert len(load_split(events, 0, "train")) == 10
    for name in ("ant", "bee"):
        for number in range(3):
            (tmp_path / "images" / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8)).save(tmp_path / "images" / name / f"{number}.png")
    images = config(dataset="folder", root=str(tmp_path / "images"), image_size=8, download=True)
    assert len(load_split(images, 0, "train")) == 2
