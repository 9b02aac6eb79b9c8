"""supernet.h5: a run's weights, its optimizer, and the state of its training.

weights/ and optimizer/ have one dataset for each array. In optimizer/ there is also NAME/unaveraged, if weights/ has
an average of a training's weights (train.ema_half_life). history/ has one column for each field of EpochRecord, and one
row for each epoch. steps/ has one row for each step (`training_log`). state, splits, environment, origin and measure
are JSON texts. measure is there if weights are chosen by validation. folder is a text, and there if a subnet was
trained alone. The files of checkpoints/ are such files, too (`kept_checkpoints`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from autospikformer_cli.errors import UserError
from autospikformer_cli.store.files import (
    Array,
    array_hash,
    as_dataclass,
    get,
    get_group,
    get_hash,
    get_json,
    get_text,
    get_texts,
    open_h5,
    put,
    put_header,
    put_json,
    put_text,
    put_texts,
    write_h5,
)
from autospikformer_cli.store.training_log import TrainingLog, get_log, put_log

SUPERNET_FILE = "supernet.h5"


@dataclass(frozen=True)
class EpochRecord:
    """One finished epoch: mean loss of its steps, training rate, validation accuracies in percent, duration.

    val_top1_mean: the mean over the subnets of `SubnetMean`, if the recipe asks for a choice by validation.
    unaveraged_...: the same of the weights without their average, with train.ema_choice = "validation".
    What was not measured is None, and in the file NaN, or absent if no epoch has it.
    """

    epoch: int
    steps: int
    loss: float
    images_per_second: float
    val_top1_largest: float | None
    val_top1_smallest: float | None
    seconds: float
    val_top1_mean: float | None = None
    unaveraged_top1_largest: float | None = None
    unaveraged_top1_smallest: float | None = None
    unaveraged_top1_mean: float | None = None

    @property
    def images(self) -> int:
        """Images that it trained on, each once."""
        return round(self.images_per_second * self.seconds)


REQUIRED_COLUMNS = tuple(each.name for each in fields(EpochRecord) if each.default is MISSING)
"""The columns that every file's history has."""


@dataclass(frozen=True)
class TrainState:
    """The state of a training.

    epoch: finished epochs. step: finished steps of the next epoch. loss_sum (over images), images, seconds: running
    sums of the unfinished epoch. chosen_epoch: of a finished training, the epoch whose weights the run has; 0 for the
    last one. chosen_unaveraged: whether these are the weights without their average. stopped_early: whether
    train.patience ended it.
    """

    epoch: int
    step: int
    finished: bool
    history: tuple[EpochRecord, ...]
    loss_sum: float
    images: int
    seconds: float
    chosen_epoch: int = 0
    chosen_unaveraged: bool = False
    stopped_early: bool = False

    @property
    def weights_epoch(self) -> int:
        """Finished epochs of the stored weights."""
        return self.chosen_epoch or self.epoch

    @property
    def record(self) -> EpochRecord | None:
        """The last epoch, or of a finished training the chosen one. None without history, as of imported weights."""
        return self.history[self.chosen_epoch - 1] if self.history else None

    @property
    def top1(self) -> tuple[float | None, float | None]:
        """Validation accuracies of the largest and the smallest subnet, with the weights that are stored: percent."""
        record = self.record
        if record is None:
            return None, None
        if self.chosen_unaveraged:
            return record.unaveraged_top1_largest, record.unaveraged_top1_smallest
        return record.val_top1_largest, record.val_top1_smallest


@dataclass(frozen=True)
class SubnetMean:
    """What weights are chosen by: mean top-1 of these subnets on the first so many validation images."""

    subnets: tuple[str, ...]
    images: int


@dataclass(frozen=True)
class Origin:
    """The file that a run's weights were imported from. left_out: names of its tensors that were not imported."""

    file: str
    sha256: str
    left_out: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Training:
    """A checkpoint without its arrays.

    splits: split -> its hash. environment: versions, device and so on. origin: None for weights that aspk trained.
    folder: of a subnet that is trained alone, the name of its folder under finetuned/, which stands for all that the
    weights depend on; "" of a supernet, and in older files. measure: what weights are chosen by; None if by nothing.
    """

    recipe_name: str
    recipe_toml: str
    state: TrainState
    splits: dict[str, str]
    environment: dict[str, str]
    origin: Origin | None = None
    folder: str = ""
    measure: SubnetMean | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint(Training):
    """A training that can be resumed. weights, optimizer: name -> array of any shape; dtypes are kept.

    log: its steps so far.
    """

    weights: dict[str, Array]
    optimizer: dict[str, Array]
    log: TrainingLog = field(default_factory=TrainingLog.of)


def save_checkpoint(run: Path, c: Checkpoint) -> None:
    """Write runs/x/supernet.h5, whole or not at all. Raises UserError if it cannot be written."""
    write_checkpoint(run / SUPERNET_FILE, c)


def write_checkpoint(path: Path, c: Checkpoint) -> None:
    """Write a checkpoint's file, whole or not at all. Raises UserError if it cannot be written."""

    def fill(file: h5py.File) -> None:
        put_header(file, "supernet", c.recipe_toml)
        put_text(file, "recipe_name", c.recipe_name)
        put_json(file, "splits", c.splits)
        put_json(file, "environment", c.environment)
        put_json(file, "origin", c.origin and {**asdict(c.origin), "left_out": list(c.origin.left_out)})
        if c.folder:
            put_text(file, "folder", c.folder)
        if c.measure is not None:
            put_json(file, "measure", {"subnets": list(c.measure.subnets), "images": c.measure.images})
        _put_state(file, c.state)
        _put_arrays(file, "weights", c.weights)
        _put_arrays(file, "optimizer", c.optimizer)
        put_log(file, c.log)

    write_h5(path, fill)


def load_checkpoint(run: Path) -> Checkpoint:
    """Read runs/x/supernet.h5 and check every array. Raises UserError if it is absent or damaged."""
    return read_checkpoint(_existing(run))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint's file and check every array. Raises UserError if it is damaged."""
    with open_h5(path, "supernet") as file:
        weights, optimizer = (_get_arrays(file, name) for name in ("weights", "optimizer"))
        return Checkpoint(**_head(file), weights=weights, optimizer=optimizer, log=get_log(file))


def load_weights(run: Path) -> dict[str, Array]:
    """Read the weights only, and check every array. Raises UserError if the file is absent or damaged."""
    with open_h5(_existing(run), "supernet") as file:
        return _get_arrays(file, "weights")


def read_training(run: Path) -> Training:
    """Read a checkpoint without its arrays. Raises UserError if the file is absent or damaged."""
    with open_h5(_existing(run), "supernet") as file:
        return Training(**_head(file))


def read_log(run: Path) -> TrainingLog:
    """Read the log of a training's steps. Raises UserError if the file is absent or damaged."""
    with open_h5(_existing(run), "supernet") as file:
        return get_log(file)


def weights_hash(weights: Mapping[str, Array]) -> str:
    """SHA-256 of the sorted names and the arrays' dtypes, shapes and bytes. The order of the dict has no effect."""
    return _hash_of({name: array_hash(np.asarray(weights[name])) for name in weights})


def stored_weights_hash(run: Path) -> str:
    """The `weights_hash` of what runs/x/supernet.h5 has. No array is read, as the file has the hash of each."""
    with open_h5(_existing(run), "supernet") as file:
        group = get_group(file, "weights")
        return _hash_of({name: get_hash(group, name) for name in get_texts(file, "weights_names")})


def _hash_of(hashes: Mapping[str, str]) -> str:
    lines = (f"{name} {hashes[name]}\n" for name in sorted(hashes))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _existing(run: Path) -> Path:
    path = run / SUPERNET_FILE
    if not path.is_file():
        raise UserError(f"{run} has no {SUPERNET_FILE}", fix="train one first: aspk train quickstart")
    return path


def _head(file: h5py.File) -> dict[str, Any]:
    return {
        "recipe_name": get_text(file, "recipe_name"),
        "recipe_toml": get_text(file, "recipe"),
        "state": _get_state(file),
        "splits": get_json(file, "splits"),
        "environment": get_json(file, "environment"),
        "origin": _get_origin(file),
        "folder": get_text(file, "folder") if "folder" in file else "",
        "measure": _get_measure(file),
    }


def _get_measure(file: h5py.File) -> SubnetMean | None:
    if "measure" not in file:
        return None
    found = get_json(file, "measure")
    return SubnetMean(tuple(found["subnets"]), found["images"])


def _get_origin(file: h5py.File) -> Origin | None:
    origin = get_json(file, "origin") if "origin" in file else None  # absent before runs could be imported
    return origin and Origin(origin["file"], origin["sha256"], tuple(origin["left_out"]))


def _put_state(file: h5py.File, state: TrainState) -> None:
    table = file.create_group("history")
    for each in fields(EpochRecord):
        dtype = np.int64 if each.name in ("epoch", "steps") else np.float64
        column = [getattr(record, each.name) for record in state.history]
        if each.name in REQUIRED_COLUMNS or any(value is not None for value in column):
            put(table, each.name, np.array([math.nan if value is None else value for value in column], dtype))
    put_json(file, "state", {name: value for name, value in asdict(state).items() if name != "history"})


def _get_state(file: h5py.File) -> TrainState:
    table = get_group(file, "history")
    names = [each.name for each in fields(EpochRecord) if each.name in REQUIRED_COLUMNS or each.name in table]
    columns = [get(table, name).tolist() for name in names]
    history = tuple(_record(dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True))
    return as_dataclass(TrainState, {**get_json(file, "state"), "history": history}, file)


def _record(values: Mapping[str, Any]) -> EpochRecord:
    """A row of the history. Of a loss that is not a number, NaN stays NaN."""
    absent = {name for name, value in values.items() if "top1" in name and math.isnan(value)}
    known: dict[str, Any] = {name: None if name in absent else value for name, value in values.items()}
    return EpochRecord(**known)


def _put_arrays(file: h5py.File, name: str, arrays: Mapping[str, Array]) -> None:
    """Store arrays under their names, and a list of the names, so that reading notices a lost array."""
    group = file.create_group(name)
    for key, array in arrays.items():
        put(group, key, array)
    put_texts(file, f"{name}_names", list(arrays))


def _get_arrays(file: h5py.File, name: str) -> dict[str, Array]:
    group = get_group(file, name)
    return {key: get(group, key) for key in get_texts(file, f"{name}_names")}
