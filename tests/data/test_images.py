"""Splits of real data sets, and what is said when one is missing."""

from __future__ import annotations

import hashlib
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from autospikformer_cli.data.images import load_split, num_images
from autospikformer_cli.errors import UserError

SPLITS = ("train", "validation", "test")


def failure(config, split: str = "train") -> str:
    with pytest.raises(UserError) as raised:
        load_split(config, 0, split)
    return str(raised.value)


def test_digits_are_scikit_learns(config) -> None:
    original = load_digits()
    sets = {split: load_split(config(), 0, split) for split in SPLITS}
    assert {split: len(images) for split, images in sets.items()} == {"train": 1295, "validation": 143, "test": 359}
    for images in sets.values():
        assert images.images.dtype == torch.uint8
        assert images.images.shape[1:] == (8, 8, 1)
        index = images.index.numpy()
        assert images.labels.tolist() == original.target[index].tolist()
        assert np.abs(images.images.numpy()[..., 0] / 255 * 16 - original.images[index]).max() <= 16 / 255 / 2
    together = torch.cat([images.index for images in sets.values()])
    assert sorted(together.tolist()) == list(range(1797))


def test_without_validation_every_image_that_is_not_tested_trains(config) -> None:
    assert len(load_split(config(validation=0), 0, "train")) == num_images(config(validation=0), 0, "train") == 1438
    tests = [load_split(config(**keys), 0, "test").hash for keys in ({}, {"validation": 0})]
    assert tests[0] == tests[1]
    told = (
        "data.validation: there are no validation images: data.validation = 0 leaves all images to the training\n"
        "  take test or training images, or train another run that holds some out: --set data.validation=0.1"
    )
    assert failure(config(validation=0), "validation") == told
    with pytest.raises(UserError) as raised:
        num_images(config(validation=0), 0, "validation")
    assert str(raised.value) == told


def test_a_few_training_images_leave_the_other_splits_as_they_are(config) -> None:
    few = config(train_images=100)
    train = load_split(few, 0, "train")
    assert (len(train), num_images(few, 0, "train")) == (100, 100)
    assert train.labels.bincount(minlength=10).tolist() == [10] * 10
    assert set(train.index.tolist()) < set(load_split(config(), 0, "train").index.tolist())
    for split in ("validation", "test"):
        assert load_split(few, 0, split).hash == load_split(config(), 0, split).hash
    assert num_images(few, 0, "validation") == 143
    alike = config(dataset="digits-events", train_images=100)
    assert load_split(alike, 0, "train").index.tolist() == train.index.tolist()


def test_a_seed_of_their_own_holds_out_the_same_images_for_every_seed(config) -> None:
    own = config(split_seed=3)
    for split in ("train", "validation", "test"):
        expected = load_split(config(), 3, split).hash
        assert {load_split(own, seed, split).hash for seed in (0, 1, 3)} == {expected}
        assert load_split(config(), 0, split).hash != expected


def test_all_training_images_are_known_by_the_hash_of_old(config) -> None:
    images = load_split(config(), 0, "train")
    assert images.hash.startswith("c10d771b73d209b8")
    assert load_split(config(train_images=1295), 0, "train").hash == images.hash


def test_too_many_training_images_are_refused_where_they_are_read(config) -> None:
    many = config(train_images=1296)
    told = (
        "data.train_images: 1,296 images cannot be taken of the train split, which has 1,295\n"
        "  take at most 1295, or leave it out to train on all"
    )
    assert failure(many) == told
    with pytest.raises(UserError) as raised:
        num_images(many, 0, "train")
    assert str(raised.value) == told
    assert len(load_split(many, 0, "validation")) == 143


def test_digits_resized(config) -> None:
    small, large = load_split(config(), 0, "validation"), load_split(config(image_size=16), 0, "validation")
    assert large.images.shape == (143, 16, 16, 1)
    assert large.index.tolist() == small.index.tolist()
    assert abs(large.images.double().mean() - small.images.double().mean()) < 2


def test_the_hash_names_the_contents(config) -> None:
    images = load_split(config(), 0, "validation")
    contents = b"validation" + b"".join(
        array.numpy().tobytes() for array in (images.index, images.labels, images.images)
    )
    assert images.hash == hashlib.sha256(contents).hexdigest()
    assert images.hash == load_split(config(), 0, "validation").hash
    others = [load_split(config(), 1, "validation"), load_split(config(), 0, "test"), images.first(10)]
    assert len({images.hash, *(other.hash for other in others)}) == 4


def test_the_first_images(config) -> None:
    images = load_split(config(), 0, "test")
    first = images.first(20)
    assert len(first) == 20
    assert torch.equal(first.images, images.images[:20])
    assert torch.equal(first.index, images.index[:20])
    assert first.labels.bincount(minlength=10).tolist() == [2] * 10
    assert images.first(10_000) is images


def test_cifar_missing(config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failure(config(dataset="cifar10", root=str(tmp_path / "images"))) == (
        f"data.root: cifar10 is not in {tmp_path / 'images'}\n"
        "  set data.root to the folder that holds cifar-10-batches-py, or data.download = true to fetch it"
    )
    monkeypatch.chdir(tmp_path)
    assert failure(config(dataset="cifar100"), "test") == (
        f"data.root: cifar100 is not in {tmp_path / 'data'}\n"
        "  set data.root to the folder that holds cifar-100-python, or data.download = true to fetch it"
    )


def test_cifar_damaged(config, tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    (folder / "train").write_bytes(b"half a download")
    assert failure(config(dataset="cifar100", root=str(tmp_path))) == (
        f"data.root: cifar100 in {folder} is incomplete or damaged: train, meta\n"
        "  replace these files, or set data.download = true to fetch the data set again"
    )


def test_cifar_that_cannot_be_downloaded(config, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    said = failure(config(dataset="cifar10", root=str(tmp_path / "data"), download=True))
    assert said.startswith(f"data.download: cifar10 could not be downloaded to {tmp_path / 'data'}: ")
    assert said.endswith("\n  check the connection, or set data.root to the folder that holds cifar-10-batches-py")


@pytest.mark.shared
def test_cifar10_from_its_own_files(config, cifar10_root: Path) -> None:
    settings = config(dataset="cifar10", root=str(cifar10_root))
    batch = read_batch(cifar10_root / "cifar-10-batches-py" / "data_batch_2")
    sets = {split: load_split(settings, 3, split) for split in SPLITS}
    assert {split: len(images) for split, images in sets.items()} == {
        "train": 45_000,
        "validation": 5_000,
        "test": 10_000,
    }
    assert sets["validation"].labels.bincount().tolist() == [500] * 10
    assert not set(sets["train"].index.tolist()) & set(sets["validation"].index.tolist())
    assert sets["test"].index.tolist() == list(range(10_000))
    in_batch = (sets["train"].index >= 10_000) & (sets["train"].index < 20_000)
    places = (sets["train"].index[in_batch] - 10_000).numpy()
    pixels = batch["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    assert np.array_equal(sets["train"].images[in_batch].numpy(), pixels[places])
    assert sets["train"].labels[in_batch].tolist() == np.array(batch["labels"])[places].tolist()


@pytest.mark.shared
@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_cifar_agrees_with_the_mini_copy(dataset: str, config, shared_data: Path, request) -> None:
    root = request.getfixturevalue(f"{dataset}_root")
    test = load_split(config(dataset=dataset, root=str(root)), 0, "test")
    with np.load(shared_data / f"{dataset}-mini.npz") as mini:
        assert np.array_equal(test.images.numpy()[mini["test_index"]], mini["x_test"])
        assert test.labels.numpy()[mini["test_index"]].tolist() == mini["y_test"].tolist()


@pytest.mark.shared
def test_training_needs_no_test_files(config, cifar10_root: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(cifar10_root / "cifar-10-batches-py", tmp_path / "cifar-10-batches-py")
    settings = config(dataset="cifar10", root=str(tmp_path))
    (folder / "test_batch").unlink()
    assert len(load_split(settings, 0, "validation")) == 5_000
    assert failure(settings, "test") == (
        f"data.root: cifar10 in {folder} is incomplete or damaged: test_batch\n"
        "  replace these files, or set data.download = true to fetch the data set again"
    )


def read_batch(path: Path) -> dict:
    with path.open("rb") as file:
        return pickle.load(file, encoding="latin1")  # noqa: S301
