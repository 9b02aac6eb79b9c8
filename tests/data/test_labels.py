"""Names of classes: as many as the data set has, in the order of their numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_digits

from autospikformer_cli.data.description import describe
from autospikformer_cli.data.labels import CIFAR100, labels


@pytest.mark.parametrize(
    "dataset", ["digits", "digits-events", "cifar10", "cifar100", "nmnist", "cifar10dvs", "dvs128-gesture"]
)
def test_every_class_has_a_name(config: Any, dataset: str) -> None:
    given = config(dataset=dataset, root="nowhere")
    names = labels(given)
    assert len(set(names)) == len(names) == describe(given).num_classes


def test_names_are_those_of_the_data_sets_themselves(config: Any, tmp_path: Path) -> None:
    assert labels(config(dataset="digits")) == tuple(map(str, load_digits().target_names))
    assert list(CIFAR100) == sorted(CIFAR100)
    for name in ("wolf", "bee", "a cat"):
        (tmp_path / name).mkdir()
    assert labels(config(dataset="folder", root=str(tmp_path), image_size=8)) == ("a cat", "bee", "wolf")
