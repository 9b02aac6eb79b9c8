"""The digits are scikit-learn's, read without it."""

import numpy as np
from sklearn.datasets import load_digits as load_theirs

from autospikformer_cli.data.digits import CLASSES, WHITE, load_digits


def test_images_labels_and_classes_are_scikit_learns() -> None:
    theirs, ours = load_theirs(), load_digits()
    assert np.array_equal(ours.images, theirs.images)
    assert ours.images.dtype == theirs.images.dtype
    assert np.array_equal(ours.labels, theirs.target)
    assert list(CLASSES) == [str(name) for name in theirs.target_names]
    assert theirs.images.max() == WHITE
