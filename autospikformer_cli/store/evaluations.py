"""evaluations.h5, the results of `aspk evaluate`.

evaluations.h5 has the tables of `measurements`, with one candidate for each result. The further columns are
candidates/split, date, recipe, provenance and finetuned. The last two are JSON texts; finetuned is null for inherited
weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
from filelock import FileLock

from autospikformer_cli.atomic_files import explaining_refusal
from autospikformer_cli.measurement import Measurement, Provenance
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.files import (
    as_dataclass,
    get_group,
    get_texts,
    open_h5,
    put_header,
    put_text,
    put_texts,
    write_h5,
)
from autospikformer_cli.store.measurements import MeasuredSubnet, get_measured, put_measured
from autospikformer_cli.wording import counted

EVALUATIONS_FILE = "evaluations.h5"
EVALUATIONS_LOCK = ".evaluations.lock"


@dataclass(frozen=True)
class FineTuning:
    """How a subnet was retrained.

    weights_hash: `supernet.weights_hash` of the retrained weights. all_images: whether the validation images were
    trained on, too. seed: of the order of images, of their augmentation and of first weights. folder: its name under
    finetuned/, which stands for all that its weights depend on. None and "" in older files. steps: of its only epoch,
    on some of the training images; 0: epochs of all of them. first_weights: `weights_hash` of the supernet's weights
    that it began with; "" from scratch, and in older files.
    """

    epochs: int
    from_scratch: bool
    weights_hash: str
    all_images: bool = False
    seed: int | None = None
    folder: str = ""
    steps: int = 0
    first_weights: str = ""

    @property
    def label(self) -> str:
        """Its weights, in words."""
        return tuning_label(self.epochs, self.from_scratch, self.all_images, self.steps)


def tuning_label(epochs: int, from_scratch: bool, all_images: bool = False, steps: int = 0) -> str:
    """Weights after a retraining, in words."""
    on = ", validation images too" if all_images else ""
    long = counted(steps, "step") if steps else counted(epochs, "epoch")
    return f"{'from scratch' if from_scratch else 'fine-tuned'}, {long}{on}"


@dataclass(frozen=True)
class Evaluation:
    """One subnet, measured on one split.

    finetuned: None for weights inherited from the supernet. date: in ISO 8601. recipe_toml: the resolved recipe.
    """

    subnet: Subnet
    split: str
    provenance: Provenance
    measurement: Measurement
    finetuned: FineTuning | None
    date: str
    recipe_toml: str


def append_evaluation(run: Path, evaluation: Evaluation, *, recipe_name: str) -> None:
    """Add a result to runs/x/evaluations.h5. Waits and raises as `append_evaluations`."""
    append_evaluations(run, [evaluation], recipe_name=recipe_name)


def append_evaluations(run: Path, added: Sequence[Evaluation], *, recipe_name: str) -> None:
    """Add results, at least one, to runs/x/evaluations.h5. If another process is adding some, this waits for it.

    Raises UserError if the file is damaged or cannot be written.
    """
    with _lock(run):
        evaluations = (*load_evaluations(run), *added)

        def fill(file: h5py.File) -> None:
            put_header(file, "evaluations", added[-1].recipe_toml)
            put_text(file, "recipe_name", recipe_name)
            put_measured(file, [MeasuredSubnet(e.subnet, e.measurement) for e in evaluations])
            table = file["candidates"]
            put_texts(table, "split", [e.split for e in evaluations])
            put_texts(table, "date", [e.date for e in evaluations])
            put_texts(table, "recipe", [e.recipe_toml for e in evaluations])
            put_texts(table, "provenance", [json.dumps(asdict(e.provenance)) for e in evaluations])
            put_texts(table, "finetuned", [json.dumps(e.finetuned and asdict(e.finetuned)) for e in evaluations])

        write_h5(run / EVALUATIONS_FILE, fill)


def require_writable(run: Path) -> None:
    """Check that a result can be added, before it is computed. Raises UserError if not."""
    with _lock(run):
        load_evaluations(run)


@contextmanager
def _lock(run: Path) -> Iterator[None]:
    lock = FileLock(run / EVALUATIONS_LOCK)
    with explaining_refusal(run, "allow writing there, or copy the run elsewhere", "results cannot be stored"):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def load_evaluations(run: Path) -> tuple[Evaluation, ...]:
    """All results of a run, oldest first; empty if there is no file. Raises UserError if the file is damaged."""
    path = run / EVALUATIONS_FILE
    if not path.exists():
        return ()
    with open_h5(path, "evaluations") as file:
        measured = get_measured(file)
        table = get_group(file, "candidates")
        columns = (get_texts(table, name) for name in ("split", "date", "provenance", "finetuned", "recipe"))
        return tuple(
            Evaluation(
                subnet=row.subnet,
                split=split,
                provenance=as_dataclass(Provenance, json.loads(provenance), file),
                measurement=row.measurement,
                finetuned=as_dataclass(FineTuning, fields, file) if (fields := json.loads(finetuned)) else None,
                date=date,
                recipe_toml=recipe,
            )
            for row, split, date, provenance, finetuned, recipe in zip(measured, *columns, strict=True)
        )
