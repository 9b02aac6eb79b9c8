"""Splits by class, fixed by seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospikformer_cli.data.splits import alternate, class_balanced, hold_out
from autospikformer_cli.errors import UserError

CLASSES = ["ant", "bee", "cow"]


@settings(max_examples=50)
@given(
    sizes=st.lists(st.integers(3, 40), min_size=3, max_size=3),
    test=st.floats(0.01, 0.95),
    validation=st.floats(0.01, 0.95),
    seed=st.integers(-5, 2**70),
)
def test_every_image_is_in_one_split_and_every_class_in_all(sizes, test, validation, seed) -> None:
    labels = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], sizes))
    parts = hold_out(labels, CLASSES, {"test": test, "validation": validation}, seed)
    assert list(parts) == ["test", "validation", "train"]
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(labels)))
    for chosen in parts.values():
        assert set(labels[chosen]) == {0, 1, 2}


def test_shares_are_of_each_class_and_validation_is_of_what_test_left() -> None:
    labels = np.repeat([0, 1, 2], [100, 200, 50])
    parts = hold_out(labels, CLASSES, {"test": 0.2, "validation": 0.1}, 0)
    assert np.bincount(labels[parts["test"]]).tolist() == [20, 40, 10]
    assert np.bincount(labels[parts["validation"]]).tolist() == [8, 16, 4]
    assert np.bincount(labels[parts["train"]]).tolist() == [72, 144, 36]


def test_a_seed_fixes_the_splits_and_another_seed_changes_them() -> None:
    labels = np.repeat([0, 1, 2], 30)
    first, again, other = (hold_out(labels, CLASSES, {"validation": 0.2}, seed) for seed in (4, 4, 5))
    assert first["validation"].tolist() == again["validation"].tolist()
    assert set(first["validation"].tolist()) != set(other["validation"].tolist())


def test_the_test_split_does_not_depend_on_the_validation_share() -> None:
    labels = np.repeat([0, 1, 2], 30)
    tests = [hold_out(labels, CLASSES, {"test": 0.2, "validation": share}, 0)["test"] for share in (0.1, 0.5)]
    assert tests[0].tolist() == tests[1].tolist()


def test_without_a_share_of_validation_all_that_test_left_trains() -> None:
    labels = np.repeat([0, 1, 2], 30)
    whole, cut = (
        hold_out(labels, CLASSES, {"test": 0.2}, 0),
        hold_out(labels, CLASSES, {"test": 0.2, "validation": 0.1}, 0),
    )
    assert whole["test"].tolist() == cut["test"].tolist()
    assert sorted(whole["train"]) == sorted([*cut["train"], *cut["validation"]])


def test_any_prefix_holds_the_classes_in_proportion() -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    chosen = hold_out(labels, CLASSES, {}, 0)["train"]
    for n in (10, 20, 50):
        assert np.abs(np.bincount(labels[chosen[:n]], minlength=3) - np.array([0.6, 0.3, 0.1]) * n).max() <= 1


def test_alternate_keeps_the_order_within_a_class() -> None:
    assert alternate([np.array([5, 3, 1]), np.array([2, 4, 0])]).tolist() == [5, 2, 3, 4, 1, 0]


def test_a_class_too_small_is_named() -> None:
    labels = np.repeat([0, 1, 2], [10, 2, 10])
    with pytest.raises(UserError) as raised:
        hold_out(labels, CLASSES, {"test": 0.2, "validation": 0.1}, 0)
    assert str(raised.value) == (
        "data.root: class 'bee' has too few images to split: 2, with one each for test, validation, train at least 3 "
        "are needed\n"
        "  add images to that class, or remove it"
    )


@pytest.mark.parametrize(
    ("num", "of_each"),
    [
        (3, [1, 1, 1]), (4, [2, 1, 1]), (5, [2, 2, 1]), (12, [4, 4, 4]), (14, [5, 5, 4]), (17, [7, 6, 4]),
        (40, [18, 18, 4]), (58, [36, 18, 4]),
    ],
)  # fmt: skip
def test_a_few_training_images_are_as_many_of_each_class_as_there_are(num: int, of_each: list[int]) -> None:
    labels = np.repeat([0, 1, 2], [40, 20, 5])
    train = hold_out(labels, CLASSES, {"validation": 0.1}, 0)["train"]
    assert np.bincount(labels[train]).tolist() == [36, 18, 4]
    few = class_balanced(train, labels, num)
    assert np.bincount(labels[few]).tolist() == of_each
    assert len(set(few)) == num


@settings(max_examples=50)
@given(sizes=st.lists(st.integers(1, 12), min_size=3, max_size=3), seed=st.integers(0, 9))
def test_more_training_images_contain_fewer(sizes: list[int], seed: int) -> None:
    labels = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], sizes))
    train = hold_out(labels, CLASSES, {}, seed)["train"]
    before: set[int] = set()
    for num in range(3, len(labels) + 1):
        few = class_balanced(train, labels, num)
        assert before < set(few)
        before = set(few)
        counts = np.bincount(labels[few])
        for count, size in zip(counts, sizes, strict=True):
            assert count in (size, counts.max(), counts.max() - 1)
    assert few.tolist() == train.tolist()


def test_the_classes_of_a_few_training_images_alternate() -> None:
    labels = np.repeat([0, 1, 2], 10)
    few = class_balanced(hold_out(labels, CLASSES, {}, 0)["train"], labels, 12)
    assert labels[few].tolist() == [0, 1, 2] * 4


def test_a_class_without_images_gets_none() -> None:
    labels = np.repeat([0, 2], 10)
    few = class_balanced(hold_out(labels, CLASSES, {}, 0, may_lack=True)["train"], labels, 5)
    assert labels[few].tolist() == [0, 2, 0, 2, 0]


@pytest.mark.parametrize(
    ("num", "told"),
    [
        (31, "31 images cannot be taken of the train split, which has 30\n  take at most 30"),
        (2, "2 images are too few for 3 classes\n  take at least 3, one of each class"),
        (1, "1 image is too few for 3 classes\n  take at least 3, one of each class"),
    ],
)
def test_too_many_and_too_few_training_images_are_refused(num: int, told: str) -> None:
    labels = np.repeat([0, 1, 2], 10)
    with pytest.raises(UserError) as raised:
        class_balanced(np.arange(30), labels, num)
    assert str(raised.value) == f"data.train_images: {told}, or leave it out to train on all"
