"""finished/NAME.json of a run: which trainings make up the table of `aspk finish` for the search NAME.

It has no measurement: the trainings' results are in evaluations.h5, where they are found by weights and date.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from autospikformer_cli.atomic_files import explaining_refusal, write_whole
from autospikformer_cli.errors import UserError
from autospikformer_cli.store.evaluations import Evaluation
from autospikformer_cli.wording import quoted

FINISHED_FOLDER = "finished"


@dataclass(frozen=True)
class EvaluationKey:
    """What one evaluation of a run is found by. subnet: the paper's tuple as text."""

    subnet: str
    weights_hash: str
    split_hash: str
    date: str

    @classmethod
    def of(cls, evaluation: Evaluation) -> EvaluationKey:
        """That of an evaluation."""
        measured = evaluation.provenance
        return cls(str(evaluation.subnet), measured.weights_hash, measured.split_hash, evaluation.date)


@dataclass(frozen=True)
class FinishedTraining:
    """One training. seed: None for inherited weights. evaluation: None for one without a result. why: it has none."""

    seed: int | None
    evaluation: EvaluationKey | None
    why: str = ""


@dataclass(frozen=True)
class FinishedRow:
    """One network with weights of one kind. candidate: its id in the search; "" for none. For the rest see
    `runs.finishing.networks.FinishNetwork`.
    """

    network: str
    subnet: str
    role: str
    way: str
    candidate: str
    like: str
    trainings: tuple[FinishedTraining, ...]


@dataclass(frozen=True)
class FinishedTable:
    """What `aspk finish` made last of a search. recipe_toml: that it was made under. The other fields are those of
    `runs.finishing.results.FinishResults`.
    """

    search: str
    recipe_toml: str
    best: int | None
    epochs: int | None
    retrained_epochs: int
    seeds: tuple[int, ...]
    all_images: bool
    images: int
    train_images: int
    classes: int
    rows: tuple[FinishedRow, ...]


_FILE = TypeAdapter(FinishedTable)


def finished_file(run: Path, search: str) -> Path:
    """The file of a search's table, whether it exists or not."""
    return run / FINISHED_FOLDER / f"{search}.json"


def write_finished(run: Path, table: FinishedTable) -> None:
    """Write the table of a search in the place of an earlier one. Raises UserError if it cannot be written."""
    path = finished_file(run, table.search)
    with explaining_refusal(path, "make room or allow writing there, then run the same command again"):
        path.parent.mkdir(exist_ok=True)
        write_whole(path, json.dumps(asdict(table), indent=1, ensure_ascii=False).encode() + b"\n")


def load_finished(run: Path, search: str) -> FinishedTable | None:
    """The table of a search; None if it has none. Raises UserError if the file is damaged."""
    path = finished_file(run, search)
    if not path.is_file():
        return None
    try:
        return _FILE.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        fix = f"delete it, then: aspk finish --run {quoted(run)} (what is trained is not trained again)"
        raise UserError("it cannot be read", str(path), fix) from error
