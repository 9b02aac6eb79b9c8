"""evaluations.h5: what `aspk evaluate` measured, result after result; and the files of predictions.

The tables of `measurements`, one candidate a result, with the further columns candidates/split, candidates/date,
candidates/recipe and, as JSON texts, candidates/provenance and candidates/finetuned (null for inherited weights).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np
from filelock import FileLock

from autospikformer_cli.atomic_files import explaining_refusal
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.files import (
    Array,
    get,
    get_group,
    get_texts,
    open_h5,
    put,
    put_header,
    put_text,
    put_texts,
    write_h5,
)
from autospikformer_cli.store.measurements import MeasuredSubnet, get_measured, put_measured
from autospikformer_cli.store.population import Provenance

FILE_NAME = "evaluations.h5"
LOCK_NAME = ".evaluations.lock"


@dataclass(frozen=True)
class FineTuning:
    """How a subnet's weights were retrained. weights_hash: `supernet.weights_hash` of the result."""

    epochs: int
    from_scratch: bool
    weights_hash: str


@dataclass(frozen=True)
class Evaluation:
    """One subnet measured on one split. finetuned: None for weights inherited from the supernet. date: ISO 8601.

    recipe_toml: the resolved recipe that it was measured under.
    """

    subnet: Subnet
    split: str
    provenance: Provenance
    measurement: Measurement
    finetuned: FineTuning | None
    date: str
    recipe_toml: str


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network answered. logits: images x classes; labels, index (in the original data set): one an image."""

    logits: Array
    labels: Array
    index: Array


def append_evaluation(run: Path, evaluation: Evaluation, *, recipe_name: str) -> None:
    """Add a result to runs/x/evaluations.h5; of two processes that add at once, one waits for the other.

    Raises UserError where the file is damaged or the disk refuses.
    """
    with _lock(run):
        evaluations = (*load_evaluations(run), evaluation)

        def fill(file: h5py.File) -> None:
            put_header(file, "evaluations", evaluation.recipe_toml)
            put_text(file, "recipe_name", recipe_name)
            put_measured(file, [MeasuredSubnet(e.subnet, e.measurement) for e in evaluations])
            table = file["candidates"]
            put_texts(table, "split", [e.split for e in evaluations])
            put_texts(table, "date", [e.date for e in evaluations])
            put_texts(table, "recipe", [e.recipe_toml for e in evaluations])
            put_texts(table, "provenance", [json.dumps(asdict(e.provenance)) for e in evaluations])
            put_texts(table, "finetuned", [json.dumps(e.finetuned and asdict(e.finetuned)) for e in evaluations])

        write_h5(run / FILE_NAME, fill)


def require_writable(run: Path) -> None:
    """Raises UserError where a result could not be added: asked before it is computed."""
    with _lock(run):
        load_evaluations(run)


@contextmanager
def _lock(run: Path) -> Iterator[None]:
    lock = FileLock(run / LOCK_NAME)
    with explaining_refusal(run, "allow writing there, or copy the run elsewhere", "results cannot be stored"):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def load_evaluations(run: Path) -> tuple[Evaluation, ...]:
    """Every result of a run, oldest first; none where nothing was evaluated. Raises UserError for a damaged file."""
    path = run / FILE_NAME
    if not path.is_file():
        return ()
    with open_h5(path, "evaluations") as file:
        measured = get_measured(file)
        table = get_group(file, "candidates")
        columns = (get_texts(table, name) for name in ("split", "date", "provenance", "finetuned", "recipe"))
        return tuple(
            Evaluation(
                subnet=row.subnet,
                split=split,
                provenance=Provenance(**json.loads(provenance)),
                measurement=row.measurement,
                finetuned=FineTuning(**fields) if (fields := json.loads(finetuned)) else None,
                date=date,
                recipe_toml=recipe,
            )
            for row, split, date, provenance, finetuned, recipe in zip(measured, *columns, strict=True)
        )


def require_predictions_writable(path: Path) -> None:
    """Raises UserError where predictions cannot be written, or would replace another kind of file."""
    if path.is_dir():
        raise UserError(f"{path} is a folder", "--predictions", "name a file in it")
    if not path.parent.is_dir():
        raise UserError(f"there is no folder {path.parent}", "--predictions", f"make it first: mkdir -p {path.parent}")
    if not path.exists():
        return
    try:
        with open_h5(path, "predictions"):
            return
    except UserError as error:
        raise UserError(f"{path} exists, and holds no predictions", "--predictions", "name another file") from error


def write_predictions(path: Path, logits: Array, labels: Array, index: Array, *, recipe_toml: str = "") -> None:
    """Write logits (images x classes), labels and index (images) to a file of their own. Raises UserError.

    ValueError: the three do not belong to the same images.
    """
    if logits.ndim != 2 or labels.shape != index.shape or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits {logits.shape}, labels {labels.shape}, index {index.shape} differ in images")

    def fill(file: h5py.File) -> None:
        put_header(file, "predictions", recipe_toml)
        for name, array in (("logits", logits), ("labels", labels), ("index", index)):
            put(file, name, np.asarray(array))

    write_h5(path, fill)


def read_predictions(path: Path) -> Predictions:
    """Read a file of predictions. Raises UserError where it is damaged or none."""
    with open_h5(path, "predictions") as file:
        return Predictions(get(file, "logits"), get(file, "labels"), get(file, "index"))
