"""population.h5: every subnet that a search measured, its baseline, and where the search stands.

Besides the tables of `measurements` the file holds candidates/id and candidates/generation, the texts recipe,
recipe_name, provenance and state (JSON), and under baseline/ the same tables with one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import h5py
import numpy as np

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate
from autospikformer_cli.recipe.fidelity import Value
from autospikformer_cli.store.files import (
    get,
    get_group,
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
from autospikformer_cli.store.measurements import Measured, get_measured, put_measured

FILE_NAME = "population.h5"


@dataclass(frozen=True)
class Provenance:
    """How every number of a store was obtained.

    split, split_hash, images: the images measured on. calibration_*: those that BatchNorm was recalibrated on.
    batchnorm, fidelity: the recipe's keys. weights_hash: `supernet.weights_hash` of the network, after so many epochs.
    frames: that recordings of events were cut into, of which a subnet with T steps read T, evenly; 0 for images.
    engine: what ran the network; dense where an aspk before 0.2 wrote the file, which had no other.
    switches: every switch of fidelity and energy convention with its value in force, which follows from the recipe.
    """

    split: str
    split_hash: str
    images: int
    calibration_hash: str
    calibration_images: int
    batchnorm: str
    fidelity: str
    weights_hash: str
    precision: str
    device: str
    epochs: int
    frames: int = 0
    engine: str = "dense"
    switches: dict[str, Value] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Population:
    """A search's archive. Two are equal where everything in them is.

    state: what the search needs to go on, of JSON types only (no tuples); `aspk runs` reads `generation` (how many are
    done) and `finished` from it.
    """

    recipe_name: str
    recipe_toml: str
    provenance: Provenance
    candidates: tuple[Candidate, ...]
    baseline: Candidate | None
    state: dict[str, object]


@dataclass(frozen=True)
class SearchProgress:
    """A population's head: what can be read without its tables of layers. best_top1: in percent."""

    recipe_name: str
    recipe_toml: str
    state: dict[str, object]
    num_candidates: int
    best_top1: float | None


def save_population(run: Path, population: Population) -> None:
    """Write runs/x/population.h5, whole or not at all. Raises UserError where the disk refuses."""

    def fill(file: h5py.File) -> None:
        put_header(file, "population", population.recipe_toml)
        put_text(file, "recipe_name", population.recipe_name)
        put_json(file, "provenance", asdict(population.provenance))
        put_json(file, "state", population.state)
        _put_candidates(file, population.candidates)
        if population.baseline is not None:
            _put_candidates(file.create_group("baseline"), [population.baseline])
        put(file, "has_baseline", np.array(population.baseline is not None))

    write_h5(run / FILE_NAME, fill)


def load_population(run: Path) -> Population:
    """Read runs/x/population.h5. Raises UserError where it is absent or damaged."""
    with open_h5(_existing(run), "population") as file:
        has_baseline = bool(get(file, "has_baseline"))
        return Population(
            recipe_name=get_text(file, "recipe_name"),
            recipe_toml=get_text(file, "recipe"),
            provenance=Provenance(**get_json(file, "provenance")),
            candidates=tuple(_get_candidates(file)),
            baseline=_get_candidates(get_group(file, "baseline"))[0] if has_baseline else None,
            state=get_json(file, "state"),
        )


def read_search(run: Path) -> SearchProgress:
    """Read a population's head only. Raises UserError where it is absent or its head is damaged."""
    with open_h5(_existing(run), "population") as file:
        candidates = get_group(file, "candidates")
        correct, images = get(candidates, "correct"), get(candidates, "images")
        return SearchProgress(
            recipe_name=get_text(file, "recipe_name"),
            recipe_toml=get_text(file, "recipe"),
            state=get_json(file, "state"),
            num_candidates=len(correct),
            best_top1=float((100.0 * correct / images).max()) if len(correct) else None,
        )


def _existing(run: Path) -> Path:
    path = run / FILE_NAME
    if not path.is_file():
        raise UserError(f"{run} has no {FILE_NAME}", fix=f"search first: aspk search --run {run}")
    return path


def _put_candidates(group: h5py.Group, candidates: Sequence[Candidate]) -> None:
    put_measured(group, [Measured(candidate.subnet, candidate.measurement) for candidate in candidates])
    table = group["candidates"]
    put_texts(table, "id", [candidate.id for candidate in candidates])
    put(table, "generation", np.array([candidate.generation for candidate in candidates], np.int64), compress=True)


def _get_candidates(group: h5py.Group) -> list[Candidate]:
    table = get_group(group, "candidates")
    ids, generations = get_texts(table, "id"), get(table, "generation").tolist()
    rows = zip(ids, generations, get_measured(group), strict=True)
    return [Candidate(id_, row.subnet, generation, row.measurement) for id_, generation, row in rows]
