"""The group steps/ of supernet.h5: a row for each step of a training, in columns. Older files lack it.

step: int64. loss, learning_rate, gradient_norm, seconds: float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import h5py
import numpy as np

from autospikformer_cli.store.files import Array, get, get_group, put

GROUP = "steps"


class LoggedStep(NamedTuple):
    """One step of a training: its row in a `TrainingLog`."""

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    seconds: float


@dataclass(frozen=True, eq=False)
class TrainingLog:
    """The steps of a training, a column for each number.

    step: number since the start of the training, from 1. An older aspk logged none of the first steps.
    loss: mean of its subnets, over the images of the step.
    learning_rate: the one that AdamW had.
    gradient_norm: Euclidean norm of all gradients as one vector, before it is clipped.
    seconds: how long it took, without validation and saving.
    """

    step: Array
    loss: Array
    learning_rate: Array
    gradient_norm: Array
    seconds: Array

    @classmethod
    def of(cls, rows: Sequence[LoggedStep] = ()) -> TrainingLog:
        """The log of these steps."""
        columns = list(zip(*rows, strict=True)) or [()] * len(LOG_COLUMNS)
        with np.errstate(over="ignore"):  # a norm in float64 may be infinite in float32
            return cls(*(np.array(each, _dtype(name)) for name, each in zip(LOG_COLUMNS, columns, strict=True)))

    def followed_by(self, rows: Sequence[LoggedStep]) -> TrainingLog:
        """This log with more steps."""
        more = TrainingLog.of(rows)
        return TrainingLog(*(np.append(getattr(self, name), getattr(more, name)) for name in LOG_COLUMNS))

    def __len__(self) -> int:
        return len(self.step)


LOG_COLUMNS = tuple(each.name for each in fields(TrainingLog))


def _dtype(column: str) -> type:
    return np.int64 if column == "step" else np.float32


def put_log(file: h5py.File, log: TrainingLog) -> None:
    """Store a log."""
    group = file.create_group(GROUP)
    for name in LOG_COLUMNS:
        put(group, name, getattr(log, name), compress=True)


def get_log(file: h5py.File) -> TrainingLog:
    """The stored log; one without steps if the file has none. Raises UserError if it is damaged."""
    if GROUP not in file:
        return TrainingLog.of()
    group = get_group(file, GROUP)
    return TrainingLog(*(get(group, name) for name in LOG_COLUMNS))
