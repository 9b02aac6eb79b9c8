"""scikit-learn's digits, read from its file: importing scikit-learn takes longer than all else that a command does."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIDE = 8
WHITE = 16
"""The largest pixel value."""
CLASSES = tuple(map(str, range(10)))
FILE = "datasets/data/digits.csv.gz"


class Digits(NamedTuple):
    """The digits in the order of `sklearn.datasets.load_digits`.

    images: (1797, 8, 8), from 0 to WHITE. labels: (1797,).
    """

    images: NDArray[np.float64]
    labels: NDArray[np.int64]


def load_digits() -> Digits:
    """Read them. A line of the file has an image's pixels, row by row, and its label."""
    package = find_spec("sklearn")
    assert package is not None
    assert package.submodule_search_locations
    table = np.loadtxt(Path(package.submodule_search_locations[0]) / FILE, delimiter=",")
    return Digits(table[:, :-1].reshape(-1, SIDE, SIDE), table[:, -1].astype(np.int64))
