"""Files of predictions, in the format that their suffix names: .h5 or .hdf5, .csv, .parquet (needs pyarrow).

A table has a row for each image, in the order of the split, and the columns
    index           position of the image in the original data set, from 0
    label           its class, as a number from 0
    predicted       the class with the largest logit; of equal ones, the first
    label_name      name of the class `label`
    predicted_name  name of the class `predicted`
    file            the image's path below data.root; only of data sets that have a file for each image
    logit_0 ...     one column for each class, in the order of their numbers. Softmax of a row gives probabilities.
HDF5 has the same as arrays: index, labels, predicted (N,), logits (N, classes), classes (their names), files
(N texts, as `file`), and the recipe.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from autospikformer_cli.atomic_files import explaining_refusal, is_stream, write_whole
from autospikformer_cli.errors import UserError
from autospikformer_cli.store.files import Array, open_h5, put, put_header, put_texts, write_h5
from autospikformer_cli.store.targets import require_parent

_OPTION = "--predictions"
_FIRST_COLUMNS = ("index", "label", "predicted")


@dataclass(frozen=True, eq=False)
class PredictionTable:
    """What a network answered.

    logits: (images, classes). labels, index: (images,). classes: names of the classes, by number. recipe_toml: the
    resolved recipe. files: of each image, its path below data.root; empty if it has none. Raises ValueError if these
    differ in their number of images, or of classes.
    """

    logits: Array
    labels: Array
    index: Array
    classes: Sequence[str]
    recipe_toml: str = field(default="")
    files: Sequence[str] = ()

    def __post_init__(self) -> None:
        shapes = self.logits.shape, self.labels.shape, self.index.shape
        if self.logits.ndim != 2 or shapes[1] != shapes[2] or shapes[1] != shapes[0][:1]:
            raise ValueError(f"logits {shapes[0]}, labels {shapes[1]}, index {shapes[2]} differ in images")
        if len(self.classes) != self.logits.shape[1]:
            raise ValueError(f"{len(self.classes)} names of {self.logits.shape[1]} classes")
        if self.files and len(self.files) != len(self.labels):
            raise ValueError(f"{len(self.files)} files of {len(self.labels)} images")

    @property
    def predicted(self) -> Array:
        """The class of the largest logit: (images,)."""
        return np.asarray(self.logits.argmax(axis=1), np.int64)

    def columns(self) -> dict[str, Array | list[str]]:
        """The table's columns by name."""
        names = list(self.classes)
        found: dict[str, Array | list[str]] = {"index": self.index, "label": self.labels, "predicted": self.predicted}
        found["label_name"] = [names[label] for label in self.labels.tolist()]
        found["predicted_name"] = [names[label] for label in self.predicted.tolist()]
        if self.files:
            found["file"] = list(self.files)
        return found | {f"logit_{number}": self.logits[:, number] for number in range(len(names))}


class PredictionFormat(NamedTuple):
    """How a format is written, and how its files are recognised. holds: raises anything, or returns False."""

    write: Callable[[Path, PredictionTable], None]
    holds: Callable[[Path], bool]


def _write_h5(path: Path, table: PredictionTable) -> None:
    def fill(file: h5py.File) -> None:
        put_header(file, "predictions", table.recipe_toml)
        arrays = {"logits": table.logits, "labels": table.labels, "index": table.index, "predicted": table.predicted}
        for name, array in arrays.items():
            put(file, name, np.asarray(array))
        put_texts(file, "classes", list(table.classes))
        if table.files:
            put_texts(file, "files", list(table.files))

    write_h5(path, fill)


def _holds_h5(path: Path) -> bool:
    with open_h5(path, "predictions"):
        return True


def _write_csv(path: Path, table: PredictionTable) -> None:
    """Each logit has as many digits as tell it from its neighbours in its own precision."""
    text, columns = io.StringIO(), table.columns()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(columns)
    rows.writerows(zip(*(map(str, column) for column in columns.values()), strict=True))
    _write_bytes(path, text.getvalue().encode())


def _holds_csv(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        return file.readline().startswith(",".join(_FIRST_COLUMNS) + ",")


def _write_parquet(path: Path, table: PredictionTable) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    made = pa.table({name: pa.array(column) for name, column in table.columns().items()})
    data = io.BytesIO()
    parquet.write_table(made.replace_schema_metadata({"aspk.recipe": table.recipe_toml}), data)
    _write_bytes(path, data.getvalue())


def _holds_parquet(path: Path) -> bool:
    from pyarrow import parquet

    return tuple(parquet.read_schema(path).names[: len(_FIRST_COLUMNS)]) == _FIRST_COLUMNS


def _write_bytes(path: Path, content: bytes) -> None:
    with explaining_refusal(path, "make room or allow writing there, then run the same command again"):
        write_whole(path, content)


HDF5 = PredictionFormat(_write_h5, _holds_h5)
PREDICTION_FORMATS = {
    ".csv": PredictionFormat(_write_csv, _holds_csv),
    ".parquet": PredictionFormat(_write_parquet, _holds_parquet),
    ".h5": HDF5,
    ".hdf5": HDF5,
}
"""By the file's suffix."""


def require_predictions_writable(path: Path) -> None:
    """Raises UserError if predictions cannot be written to `path`, or would replace a file of something else."""
    if path.is_dir():
        raise UserError(f"{path} is a folder", _OPTION, "name a file in it")
    suffixes = ", ".join(PREDICTION_FORMATS)
    if path.suffix.lower() not in PREDICTION_FORMATS:
        raise UserError(f"{path} names no format of predictions", _OPTION, f"choose a suffix of {suffixes}")
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        fix = "install it: pip install pyarrow, or choose .csv or .h5"
        raise UserError("Parquet is written by pyarrow, which is not installed", f"{_OPTION} {path}", fix)
    require_parent(path, _OPTION)
    if path.exists() and not is_stream(path) and not _holds_predictions(path):
        raise UserError(f"{path} exists, and holds no predictions", _OPTION, "name another file")


def _holds_predictions(path: Path) -> bool:
    try:
        return PREDICTION_FORMATS[path.suffix.lower()].holds(path)
    except Exception:  # whatever a reader says of a file that is none of its own
        return False


def write_predictions(path: Path, table: PredictionTable) -> None:
    """Write what a network answered to a file of its own, whole or not at all. Raises UserError if that fails."""
    PREDICTION_FORMATS[path.suffix.lower()].write(path, table)
