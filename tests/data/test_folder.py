"""A user's own images, in class folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autospikformer_cli.data.images import load_split
from autospikformer_cli.errors import UserError

COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}
LAYOUT = "put the images at data.root/<class>/, or at data.root/train/<class>/ and data.root/test/<class>/"


def write_images(folder: Path, per_class: int, size: tuple[int, int] = (12, 9)) -> Path:
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            shade = tuple(value * (200 + number) // 255 for value in colour)
            Image.new("RGB", size, shade).save(folder / name / f"{number:03}.png")
    return folder


@pytest.fixture
def settings(config, tmp_path: Path):
    return config(dataset="folder", root=str(tmp_path), image_size=8)


def failure(settings, split: str = "train") -> str:
    with pytest.raises(UserError) as raised:
        load_split(settings, 0, split)
    return str(raised.value)


def test_a_flat_folder_is_split_by_seed(settings, tmp_path: Path) -> None:
    write_images(tmp_path, per_class=10)
    sets = {split: load_split(settings, 0, split) for split in ("train", "validation", "test")}
    assert {split: len(images) for split, images in sets.items()} == {"train": 21, "validation": 3, "test": 6}
    assert sorted(i for images in sets.values() for i in images.index.tolist()) == list(range(30))
    for images in sets.values():
        assert images.images.shape[1:] == (8, 8, 3)
        assert images.labels[:3].tolist() == [0, 1, 2]
        for pixels, label, index in zip(images.images.numpy(), images.labels, images.index, strict=True):
            brightest = [2, 1, 0][label]  # blue, green, red
            assert (pixels[..., brightest] == 255 * (200 + index % 10) // 255).all()
            assert index // 10 == label


def test_a_few_training_images_of_a_folder(settings, tmp_path: Path) -> None:
    write_images(tmp_path, per_class=10)
    few = load_split(replace(settings, train_images=8), 0, "train")
    assert few.labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert set(few.index.tolist()) < set(load_split(settings, 0, "train").index.tolist())
    for pixels, index in zip(few.images.numpy(), few.index, strict=True):
        assert pixels.max() == 255 * (200 + index % 10) // 255


def test_splits_with_folders_of_their_own(settings, tmp_path: Path) -> None:
    for part, per_class in (("train", 5), ("validation", 2), ("test", 3)):
        write_images(tmp_path / part, per_class)
    sizes = {split: len(load_split(settings, 0, split)) for split in ("train", "validation", "test")}
    assert sizes == {"train": 15, "validation": 6, "test": 9}


def test_validation_is_held_out_of_the_train_folder(settings, tmp_path: Path) -> None:
    write_images(tmp_path / "train", 10)
    write_images(tmp_path / "test", 3)
    train, validation, test = (load_split(settings, 0, split) for split in ("train", "validation", "test"))
    assert (len(train), len(validation), len(test)) == (27, 3, 9)
    assert test.labels.tolist() == [0, 1, 2] * 3
    assert sorted(test.index.tolist()) == list(range(9))


def test_only_the_images_of_the_split_are_opened(settings, tmp_path: Path) -> None:
    write_images(tmp_path, 10)
    held_out = load_split(settings, 0, "test").index.tolist()
    paths = sorted(tmp_path.glob("*/*.png"))
    for index in held_out:
        paths[index].write_bytes(b"not an image")
    assert len(load_split(settings, 0, "train")) == 21
    assert len(load_split(settings, 0, "validation")) == 3


def test_the_shorter_side_is_resized_and_the_centre_kept(settings, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    wide = np.zeros((16, 48, 3), dtype=np.uint8)
    wide[:, 16:32] = 255
    for path in tmp_path.glob("*/*.png"):
        Image.fromarray(wide).save(path)
    images = load_split(settings, 0, "train").images.numpy()
    assert images.shape[1:] == (8, 8, 3)
    assert (images[:, :, 1:-1] == 255).all()


def test_grey_images_become_rgb(settings, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    for path in tmp_path.glob("*/*.png"):
        Image.new("L", (10, 10), 77).save(path)
    assert (load_split(settings, 0, "train").images == 77).all()


def test_no_folder(config, tmp_path: Path) -> None:
    missing = tmp_path / "photos"
    assert failure(config(dataset="folder", root=str(missing), image_size=8)) == (
        f"data.root: no folder {missing}\n  set data.root to the folder of your images; {LAYOUT}"
    )


def test_no_classes(settings, tmp_path: Path) -> None:
    assert failure(settings) == f"data.root: {tmp_path} has no class folders\n  {LAYOUT}"


def test_a_class_without_images(settings, tmp_path: Path) -> None:
    write_images(tmp_path, 4)
    (tmp_path / "yellow").mkdir()
    (tmp_path / "yellow" / "readme.txt").write_text("soon")
    assert failure(settings) == (
        f"data.root: class folder {tmp_path / 'yellow'} has no images\n"
        "  put images into it (.jpg, .jpeg, .png, .ppm, .bmp, .pgm, .tif, .tiff, .webp), or remove it"
    )


def test_classes_that_differ_between_splits(settings, tmp_path: Path) -> None:
    write_images(tmp_path / "train", 4)
    write_images(tmp_path / "test", 4)
    (tmp_path / "test" / "purple").mkdir()
    assert failure(settings) == (
        f"data.root: class 'purple' is in {tmp_path / 'test'}, not in {tmp_path / 'train'}\n"
        "  give every split the same class folders"
    )


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\nbroken"])
def test_an_image_that_cannot_be_read(settings, tmp_path: Path, content: bytes) -> None:
    write_images(tmp_path, 5)
    for path in (tmp_path / "green").glob("*.png"):
        path.write_bytes(content)
    said = failure(settings)
    named = next(path for path in sorted((tmp_path / "green").iterdir()) if str(path) in said)
    assert said == f"data.root: {named} is not a readable image\n  repair the file, or remove it"


def test_a_truncated_image(settings, tmp_path: Path) -> None:
    write_images(tmp_path, 5, size=(64, 64))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for path in tmp_path.glob("red/*.png"):
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:3000])
    assert "is not a readable image" in failure(settings)
