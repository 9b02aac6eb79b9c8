"""A user's own images, in class folders."""

from __future__ import annotations

import os
import shutil
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


@pytest.mark.parametrize("split", ["train", "test"])
def test_each_image_knows_its_file(settings, tmp_path: Path, split: str) -> None:
    """Its path below data.root, in the split's order, also of the first images; a name that is no UTF-8 is readable."""
    write_images(tmp_path / "train", per_class=4)
    write_images(tmp_path / "test", per_class=3)
    (tmp_path / split / "red" / "000.png").rename(os.fsdecode(os.fsencode(tmp_path / split / "red") + b"/\xff.png"))
    images = load_split(settings, 0, split)
    assert len(images.files) == len(images)
    for pixels, file in zip(images.images.numpy(), images.files, strict=True):
        name = file.replace("\\udcff", "\udcff")
        assert name.startswith(f"{split}/")
        with Image.open(tmp_path / name) as opened:
            assert np.array_equal(np.asarray(opened)[0, 0], pixels[0, 0])
    if split == "test":
        assert "test/red/\\udcff.png" in images.files
    assert images.first(2).files == images.files[:2]


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
        f"data.root: class folder {tmp_path / 'yellow'} has no images, but 1 file of another kind\n"
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


# Names of splits


@pytest.mark.parametrize(
    "names", [("Train", "Val", "TEST"), ("training", "valid", "testing"), ("train", "val", "test")]
)
def test_usual_names_of_splits_in_any_case(settings, tmp_path: Path, names: tuple[str, str, str]) -> None:
    for name, per_class in zip(names, (5, 2, 3), strict=True):
        write_images(tmp_path / name, per_class)
    assert {split: len(load_split(settings, 0, split)) for split in ("train", "validation", "test")} == {
        "train": 15,
        "validation": 6,
        "test": 9,
    }
    assert load_split(settings, 0, "validation").notes == ()


def test_two_folders_for_one_split(settings, tmp_path: Path) -> None:
    for name in ("train", "val", "validation"):
        write_images(tmp_path / name, 3)
    assert failure(settings) == (
        f"data.root: {tmp_path} has val/ and validation/, all for validation\n  put their images into one of them"
    )


def test_splits_without_train(settings, tmp_path: Path) -> None:
    for name in ("test", "val"):
        write_images(tmp_path / name, 3)
    assert failure(settings) == f"data.root: {tmp_path} has test/ and val/, but no train/\n  {LAYOUT}"


def test_what_lies_next_to_splits_and_classes_is_told(settings, tmp_path: Path) -> None:
    for name in ("train", "extra", "masks"):
        write_images(tmp_path / name, 4)
    (tmp_path / "test").mkdir()  # of images without a class, as for a competition
    for folder in (tmp_path, tmp_path / "train", tmp_path / "test"):
        Image.new("RGB", (4, 4)).save(folder / "loose.png")
    (tmp_path / "readme.txt").write_text("mine")
    images = load_split(settings, 0, "train")
    assert images.notes == (
        f"{tmp_path}: the splits are train/; left out: extra/, masks/, test/",
        f"{tmp_path}: 1 image lies in no class folder, left out",
        f"{tmp_path}/train: 1 image lies in no class folder, left out",
    )
    assert images.classes == ("blue", "green", "red")


def test_a_class_may_have_the_name_of_a_split(settings, tmp_path: Path) -> None:
    """A train is a vehicle, and a class of CIFAR-100."""
    write_images(tmp_path, 10)
    (tmp_path / "red").rename(tmp_path / "train")
    images = load_split(settings, 0, "train")
    assert images.classes == ("blue", "green", "train")
    assert images.notes == (f"{tmp_path}: train/ is a class, as images lie in it and no class folders",)


def test_one_class_is_refused(settings, tmp_path: Path) -> None:
    write_images(tmp_path / "pictures", 3)
    assert failure(settings) == (
        f"data.root: {tmp_path} has one class folder only, pictures/\n"
        f"  set data.root to {tmp_path}/pictures if its folders are the classes or splits: blue/, green/, red/"
    )
    (tmp_path / "pictures" / "blue").rename(tmp_path / "blue")
    (tmp_path / "pictures").rename(tmp_path / ".pictures")
    assert failure(settings) == f"data.root: {tmp_path} has one class folder only, blue/\n  {LAYOUT}"


def test_numbers_sort_as_text_and_that_is_told(settings, tmp_path: Path) -> None:
    for number in (0, 1, 2, 10):
        (tmp_path / str(number)).mkdir()
        for image in range(4):
            Image.new("RGB", (4, 4)).save(tmp_path / str(number) / f"{image}.png")
    images = load_split(settings, 0, "train")
    assert images.classes == ("0", "1", "10", "2")
    assert images.notes == ("class folders sort as text, not as numbers: class 2 is '10'",)


# Hidden and strange files


HIDDEN = (".ipynb_checkpoints", "__MACOSX", "@eaDir", ".git")


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_folders_are_no_part_of_a_data_set(settings, tmp_path: Path, name: str) -> None:
    for part in ("train", "test"):
        write_images(tmp_path / part, 4)
    plain = {part: load_split(settings, 0, part) for part in ("train", "test")}
    for place in (tmp_path, tmp_path / "train", tmp_path / "train" / "red", tmp_path / "test" / "red"):
        (place / name).mkdir()
        Image.new("RGB", (4, 4)).save(place / name / "000-checkpoint.png")
    for part, before in plain.items():
        after = load_split(settings, 0, part)
        assert (after.hash, after.classes, after.notes) == (before.hash, before.classes, ())


def test_hidden_files_are_not_read(settings, tmp_path: Path) -> None:
    write_images(tmp_path, 5)
    for name in COLOURS:
        (tmp_path / name / "._000.png").write_bytes(b"\0\5\x16\7 a resource fork")
        (tmp_path / name / ".DS_Store").write_bytes(b"\0")
    images = load_split(settings, 0, "train")
    assert (len(images), images.notes) == (9, ())


def test_files_of_other_suffixes_are_counted_and_told_once(settings, tmp_path: Path) -> None:
    write_images(tmp_path, 5)
    for name in ("a.gif", "b.GIF", "c.jfif", "d.avif", "labels"):
        (tmp_path / "red" / name).write_bytes(b"whatever")
    images = load_split(settings, 0, "train")
    assert images.notes == (
        f"{tmp_path}: files of other kinds than images are left out: 2 .gif, 1 .jfif, 1 .avif and 1 more",
    )
    assert (
        load_split(settings, 0, "validation").notes == images.notes
    )  # so a console, which repeats nothing, says it once


def test_upper_case_suffixes_are_images(settings, tmp_path: Path) -> None:
    write_images(tmp_path, 4)
    before = load_split(settings, 0, "train")
    for path in list(tmp_path.glob("*/*.png")):
        path.rename(path.with_suffix(".PNG"))
    assert load_split(settings, 0, "train").hash == before.hash


def test_a_name_that_cannot_be_shown(settings, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    (tmp_path / "red").rename(tmp_path / "re\nd")
    assert failure(settings) == "data.root: the class folder 're\\nd' has a name that cannot be shown\n  rename it"


# Links


def test_a_link_to_a_folder_above_is_not_followed(settings, tmp_path: Path) -> None:
    write_images(tmp_path / "train", 4)
    before = load_split(settings, 0, "train")
    (tmp_path / "train" / "red" / "loop").symlink_to(tmp_path)
    (tmp_path / "train" / "red" / "self").symlink_to(".")
    (tmp_path / "train" / "red" / "blue too").symlink_to(tmp_path / "train" / "blue")
    after = load_split(settings, 0, "train")
    assert after.hash == before.hash
    assert after.notes == (
        f"{tmp_path}/train: links to folders that are read elsewhere are left out: red/blue too, red/loop, red/self",
    )


def test_links_to_folders_outside_are_followed_once(settings, tmp_path: Path) -> None:
    root = write_images(tmp_path / "root", 3)
    write_images(tmp_path / "more", 2)
    (root / "red" / "sub").symlink_to(tmp_path / "more" / "red")
    (root / "red" / "again").symlink_to(tmp_path / "more" / "red")
    shutil.move(root / "blue", tmp_path / "elsewhere")
    (root / "blue").symlink_to(tmp_path / "elsewhere")
    images = load_split(replace(settings, root=str(root)), 0, "train")
    assert images.classes == ("blue", "green", "red")
    assert [int((images.labels == label).sum()) for label in range(3)] == [1, 1, 3]
    assert images.notes == (f"{root}: links to folders that are read elsewhere are left out: red/sub",)


def test_one_folder_for_two_classes_or_splits(settings, tmp_path: Path) -> None:
    train, test = write_images(tmp_path / "train", 3), tmp_path / "test"
    test.symlink_to(train)
    told = "or lies in it, by a link: its images would be in both"
    fix = "remove the link: an image has one class, and is in one split"
    assert failure(settings) == (f"data.root: {train}/blue is the folder {test}/blue, {told}\n  {fix}")
    test.unlink()
    (train / "scarlet").symlink_to("red")
    assert failure(settings) == (f"data.root: {train}/scarlet is the folder {train}/red, {told}\n  {fix}")
    (train / "scarlet").unlink()
    (train / "all").symlink_to(train)
    assert f"is the folder {train}/all, or lies in it" in failure(settings)


def test_one_folder_outside_for_two_classes(settings, tmp_path: Path) -> None:
    root = write_images(tmp_path / "root", 3)
    write_images(tmp_path / "more", 2)
    for name in ("green", "red"):
        (root / name / "more").symlink_to(tmp_path / "more")
    assert failure(replace(settings, root=str(root))) == (
        f"data.root: {root}/red/more leads to {tmp_path}/more, whose images are in class folder {root}/green, too\n"
        "  remove one of the links: an image has one class"
    )


# Pixels


def test_transparent_images_differ_as_they_look(settings, tmp_path: Path) -> None:
    """Signs that only alpha tells apart, over the recipe's background."""
    write_images(tmp_path, 3)
    for path in tmp_path.glob("*/*.png"):
        sign = Image.new("LA", (8, 8), 0)
        sign.paste((0, 255), (0, 0, 8, 4) if path.parent.name == "red" else (0, 4, 8, 8))
        sign.save(path)
    images = load_split(replace(settings, background=(9, 60, 200)), 0, "train")
    for pixels, label in zip(images.images.numpy(), images.labels, strict=True):
        black, coloured = (pixels[:4], pixels[4:]) if label == 2 else (pixels[4:], pixels[:4])
        assert (black == 0).all()
        assert (coloured == (9, 60, 200)).all()


def test_deep_and_plain_files_of_one_picture_are_equal(settings, tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (3, 3, 12, 12)).astype(np.uint8)
    hashes = []
    for depth in (8, 16):
        for label, name in enumerate("abc"):
            for number in range(3):
                path = tmp_path / str(depth) / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                values = grey[label, number]
                Image.fromarray(values if depth == 8 else values.astype(np.uint16) * 257).save(path)
        hashes.append(load_split(replace(settings, root=str(tmp_path / str(depth))), 0, "train").hash)
    assert hashes[0] == hashes[1]


def test_files_with_several_frames_are_told(settings, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    for path in tmp_path.glob("red/*.png"):
        frame = Image.new("RGB", (8, 8), (200, 0, 0))
        frame.save(path, save_all=True, append_images=[Image.new("RGB", (8, 8))])
    images = load_split(settings, 0, "train")
    assert images.notes == ("files with several frames or pages: 1 of 3; the first one is taken",)
    assert (images.images[images.labels == 2][..., 0] == 200).all()


def test_splits_of_plain_images_are_those_of_torchvision(settings, tmp_path: Path) -> None:
    """Order and pixels of files that torchvision reads rightly, in folders inside folders, too."""
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    draw = np.random.default_rng(0)
    for name in ("b", "a", "B"):
        for folder in ("x/y", "x", "", "x-y"):
            for number in (10, 2):
                path = tmp_path / "train" / name / folder / f"{number}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                size = tuple(draw.integers(9, 40, 2))
                Image.fromarray(draw.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path, quality=90)
    to_size = v2.Compose([v2.Resize(8, antialias=True), v2.CenterCrop(8)])
    theirs = ImageFolder(str(tmp_path / "train"), transform=to_size)
    ours = load_split(settings, 0, "train")
    assert list(ours.classes) == theirs.classes
    for pixels, label, index in zip(ours.images.numpy(), ours.labels, ours.index, strict=True):
        image, number = theirs[int(index)]
        assert number == label
        assert (pixels == np.asarray(image)).all()
