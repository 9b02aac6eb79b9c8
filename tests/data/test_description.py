"""Shapes and normalisation of data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autospikformer_cli.data.description import DataDescription, describe
from autospikformer_cli.data.images import load_split
from autospikformer_cli.errors import UserError


def message(raised: pytest.ExceptionInfo[UserError]) -> str:
    return str(raised.value)


def test_cifar_needs_no_files(config) -> None:
    assert describe(config(dataset="cifar10", root="nowhere")) == DataDescription(
        10, 3, 32, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    )
    assert describe(config(dataset="cifar100", root="nowhere")) == DataDescription(
        100, 3, 32, (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)
    )


def test_constants_of_digits_are_their_moments(config) -> None:
    splits = [load_split(config(), 0, split) for split in ("train", "validation", "test")]
    pixels = np.concatenate([split.images.numpy() for split in splits]) / 255
    description = describe(config())
    assert len(pixels) == 1797
    assert (round(pixels.mean(), 4),) == description.mean
    assert (round(pixels.std(), 4),) == description.std
    assert (description.num_classes, description.in_channels, description.image_size) == (10, 1, 8)


@pytest.mark.shared
@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_constants_of_cifar_fit_real_images(dataset: str, shared_data: Path, config) -> None:
    with np.load(shared_data / f"{dataset}-mini.npz") as mini:
        pixels = mini["x_train"].reshape(-1, 3) / 255
    description = describe(config(dataset=dataset))
    np.testing.assert_allclose(pixels.mean(axis=0), description.mean, atol=0.02)
    np.testing.assert_allclose(pixels.std(axis=0), description.std, atol=0.02)


def test_a_size_of_the_recipe_replaces_the_own_size(config) -> None:
    assert describe(config(image_size=16)).image_size == 16
    assert describe(config(dataset="cifar10", image_size=64)).image_size == 64


def test_a_normalisation_of_the_recipe_replaces_the_own(config, moments) -> None:
    description = describe(config(normalise=moments([0.25], [0.5])))
    assert (description.mean, description.std) == ((0.25,), (0.5,))


def test_a_normalisation_must_fit_the_channels(config, moments) -> None:
    with pytest.raises(UserError) as raised:
        describe(config(dataset="cifar10", normalise=moments([0.5], [0.5])))
    assert message(raised) == (
        "data.normalise.mean: data.normalise.mean has 1 value, images of cifar10 have 3 channels\n"
        "  give one value for each channel"
    )
    with pytest.raises(UserError) as raised:
        describe(config(normalise=moments([0.5], [0.5, 0.5])))
    assert message(raised) == (
        "data.normalise.std: data.normalise.std has 2 values, images of digits have 1 channel\n"
        "  give one value for each channel"
    )


def test_a_folder_is_counted(config, tmp_path: Path) -> None:
    for name in ("cat", "dog", "owl"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").write_text("not a class")
    assert describe(config(dataset="folder", root=str(tmp_path), image_size=24)) == DataDescription(
        3, 3, 24, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    )


def test_a_folder_needs_a_size(config, tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        describe(config(dataset="folder", root=str(tmp_path)))
    assert message(raised) == (
        "data.image_size: data.image_size is not set\n"
        "  images of a folder differ in size: set the height and width they get, for example data.image_size = 32"
    )
