"""population.h5: every subnet that a search measured, its baseline, and the state of the search.

Besides the tables of `measurements` the file holds
    candidates/   the columns id and generation
    baseline/     the same tables with one row
    hypervolume/  share (one number for each generation) and measure (JSON); absent before aspk 0.2
    recipe, recipe_name, provenance (JSON), state (JSON)

Earlier searches of a run are population-2.h5, population-3.h5 and so on, in the same folder and format.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

import h5py
import numpy as np

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate, Provenance
from autospikformer_cli.store.files import (
    as_dataclass,
    damage,
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
from autospikformer_cli.store.measurements import MeasuredSubnet, get_measured, put_measured

POPULATION_FILE = "population.h5"


@dataclass(frozen=True)
class HypervolumeHistory:
    """Hypervolume of all measured subnets, after each generation.

    shares: parts of the box between reference point and ideal, 0 to 1. measure: what they depend on, in JSON types:
    objectives, both points, energy rules.
    """

    shares: tuple[float, ...]
    measure: dict[str, object]


@dataclass(frozen=True)
class Population:
    """A search's archive. Two archives are equal if all their fields are.

    state: what the search needs to resume, in JSON types only (no tuples). `aspk runs` reads two of its keys:
    `generation` (generations done) and `finished`. hypervolume: None without a baseline, which defines its reference
    point.
    """

    recipe_name: str
    recipe_toml: str
    provenance: Provenance
    candidates: tuple[Candidate, ...]
    baseline: Candidate | None
    state: dict[str, object]
    hypervolume: HypervolumeHistory | None = None


@dataclass(frozen=True)
class SearchProgress:
    """The part of a population that is read without its tables of layers. best_top1: in percent."""

    recipe_name: str
    recipe_toml: str
    provenance: Provenance
    state: dict[str, object]
    num_candidates: int
    best_top1: float | None


def save_population(run: Path, population: Population) -> None:
    """Write runs/x/population.h5, whole or not at all. Raises UserError if it cannot be written."""

    def fill(file: h5py.File) -> None:
        put_header(file, "population", population.recipe_toml)
        put_text(file, "recipe_name", population.recipe_name)
        put_json(file, "provenance", asdict(population.provenance))
        put_json(file, "state", population.state)
        _put_candidates(file, population.candidates)
        if population.baseline is not None:
            _put_candidates(file.create_group("baseline"), [population.baseline])
        put(file, "has_baseline", np.array(population.baseline is not None))
        if population.hypervolume is not None:
            history = file.create_group("hypervolume")
            put(history, "share", np.array(population.hypervolume.shares, np.float64))
            put_json(history, "measure", population.hypervolume.measure)

    write_h5(run / POPULATION_FILE, fill)


def load_population(run: Path, name: str = POPULATION_FILE) -> Population:
    """Read runs/x/population.h5, or an earlier search's file. Raises UserError if it is absent or damaged."""
    with open_h5(_existing(run, name), "population") as file:
        has_baseline = bool(get(file, "has_baseline"))
        return Population(
            recipe_name=get_text(file, "recipe_name"),
            recipe_toml=get_text(file, "recipe"),
            provenance=as_dataclass(Provenance, get_json(file, "provenance"), file),
            candidates=tuple(_get_candidates(file)),
            baseline=_get_candidates(get_group(file, "baseline"))[0] if has_baseline else None,
            state=_get_state(file),
            hypervolume=_get_history(file),
        )


def read_search(run: Path, name: str = POPULATION_FILE) -> SearchProgress:
    """Read a population without its tables of layers. Raises UserError if what it reads is absent or damaged."""
    with open_h5(_existing(run, name), "population") as file:
        candidates = get_group(file, "candidates")
        correct, images = get(candidates, "correct"), get(candidates, "images")
        return SearchProgress(
            recipe_name=get_text(file, "recipe_name"),
            recipe_toml=get_text(file, "recipe"),
            provenance=as_dataclass(Provenance, get_json(file, "provenance"), file),
            state=_get_state(file),
            num_candidates=len(correct),
            best_top1=float((100.0 * correct / images).max()) if len(correct) else None,
        )


def _get_state(file: h5py.File) -> dict[str, object]:
    """The state of a search. Raises UserError if it lacks what every search's has."""
    state = get_json(file, "state")
    kinds: dict[str, type] = {"generation": int, "finished": bool}
    if not isinstance(state, dict):
        raise damage(file, "state", "is no table")
    wrong = [name for name, kind in kinds.items() if not isinstance(state.get(name), kind)]
    if wrong:
        raise damage(file, "state", f"has no usable {', '.join(wrong)}")
    return dict(state)


def searches(run: Path) -> list[str]:
    """File names of a run's searches: the present one first, then the others by falling number."""
    found = (re.fullmatch(r"population-([1-9][0-9]*)\.h5", path.name) for path in run.iterdir())
    numbers = sorted((int(match[1]) for match in found if match), reverse=True)
    present = [POPULATION_FILE] if (run / POPULATION_FILE).is_file() else []
    return present + [_aside(number) for number in numbers]


def set_aside(run: Path) -> Path | None:
    """Rename a run's population.h5 to population-2.h5, or to the next free name. Returns None if there is none."""
    path = run / POPULATION_FILE
    if not path.is_file():
        return None
    free = next(name for number in count(2) if not (name := path.with_name(_aside(number))).exists())
    return path.rename(free)


def take_up(run: Path, name: str) -> None:
    """Make an earlier search the run's present one. Raises FileExistsError if the run has a present one."""
    present = run / POPULATION_FILE
    if present.exists():
        raise FileExistsError(present)
    (run / name).rename(present)


def _aside(number: int) -> str:
    return f"population-{number}.h5"


def _existing(run: Path, name: str) -> Path:
    path = run / name
    if not path.is_file():
        others = searches(run)
        beside = f"; beside it: {', '.join(others)}, which the same search would take up again" if others else ""
        raise UserError(f"{run} has no {name}", fix=f"search first: aspk search --run {run}{beside}")
    return path


def _get_history(file: h5py.File) -> HypervolumeHistory | None:
    if "hypervolume" not in file:
        return None
    history = get_group(file, "hypervolume")
    return HypervolumeHistory(tuple(get(history, "share").tolist()), get_json(history, "measure"))


def _put_candidates(group: h5py.Group, candidates: Sequence[Candidate]) -> None:
    put_measured(group, [MeasuredSubnet(candidate.subnet, candidate.measurement) for candidate in candidates])
    table = group["candidates"]
    put_texts(table, "id", [candidate.id for candidate in candidates])
    put(table, "generation", np.array([candidate.generation for candidate in candidates], np.int64), compress=True)


def _get_candidates(group: h5py.Group) -> list[Candidate]:
    table = get_group(group, "candidates")
    ids, generations = get_texts(table, "id"), get(table, "generation").tolist()
    rows = zip(ids, generations, get_measured(group), strict=True)
    return [Candidate(id_, row.subnet, generation, row.measurement) for id_, generation, row in rows]
