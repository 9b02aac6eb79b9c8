"""The file of a search: every subnet that it measured, its baseline, and its state. `store.searches` says where it is.

Besides the tables of `measurements` the file holds
    candidates/   the columns id and generation
    objectives/   a column of float64 for each objective of a plugin that the search names; absent without any
    baseline/     the same tables with one row
    hypervolume/  share (one number for each generation) and measure (JSON); absent before aspk 0.2
    plugin_objectives (JSON: name, label, unit, better and ideal of each of these objectives)
    timing        how long its subnets took (JSON); absent in older files
    recipe, recipe_name, provenance (JSON), state (JSON)
    name: that under which it was written; absent in older files. Only a user's renaming makes the file's another one

Candidates' ids are unique in a run if the state has `ids`. An older aspk, which wrote none, began with c0001 in each
search. So the candidates of `population-2` are read as population-2/c0001 and so on. Those of `population` keep theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import NO_VALUES, Candidate, Provenance, StoredObjective
from autospikformer_cli.space import is_subnet_text
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
    put_integers,
    put_json,
    put_text,
    put_texts,
    write_h5,
)
from autospikformer_cli.store.measurements import MeasuredSubnet, get_measured, put_measured
from autospikformer_cli.store.searches import find_search, is_numbered_alone, search_file, searches_folder
from autospikformer_cli.units import is_count


@dataclass(frozen=True)
class HypervolumeHistory:
    """Hypervolume of all measured subnets, after each generation.

    shares: parts of the box between reference point and ideal, 0 to 1. measure: what they depend on, in JSON types:
    objectives, both points, energy rules.
    """

    shares: tuple[float, ...]
    measure: dict[str, object]


@dataclass(frozen=True)
class SearchTiming:
    """How long a search's own subnets took to measure. It leaves out those that were known before."""

    seconds: float
    subnets: int


@dataclass(frozen=True)
class Population:
    """A search's archive. Two archives are equal if all their fields are.

    state: what the search needs to resume, in JSON types only (no tuples); at its end also how well it predicted, if it
    did (`predictor`). `aspk runs` reads two of its keys:
    `generation` (generations done) and `finished`. hypervolume: None without a baseline, which defines its reference
    point. name: the search's, by which its file is found. objectives: those of plugins, in which each candidate and the
    baseline have their value. timing: None in the file of an older aspk.
    """

    recipe_name: str
    recipe_toml: str
    provenance: Provenance
    candidates: tuple[Candidate, ...]
    baseline: Candidate | None
    state: dict[str, object]
    hypervolume: HypervolumeHistory | None = None
    name: str = field(default="", compare=False)
    objectives: tuple[StoredObjective, ...] = ()
    timing: SearchTiming | None = field(default=None, compare=False)


@dataclass(frozen=True)
class SearchProgress:
    """The part of a population that is read without its tables of layers.

    ids: of all candidates. top1s: accuracy of each in percent; None for one that computes values that are not finite.
    written_as: the name that it was written under, if the file has another one since; else None.
    """

    name: str
    recipe_name: str
    recipe_toml: str
    provenance: Provenance
    state: dict[str, object]
    ids: tuple[str, ...]
    top1s: tuple[float | None, ...]
    timing: SearchTiming | None = None
    written_as: str | None = None

    @property
    def num_candidates(self) -> int:
        """Number of measured candidates."""
        return len(self.ids)


def save_population(run: Path, population: Population) -> None:
    """Write the file of a search, whole or not at all. Raises UserError if it cannot be written, ValueError if the
    population has no name.
    """
    if not population.name:
        raise ValueError("a population without a name has no file")

    def fill(file: h5py.File) -> None:
        put_header(file, "population", population.recipe_toml)
        put_text(file, "recipe_name", population.recipe_name)
        put_text(file, "name", population.name)
        put_json(file, "provenance", asdict(population.provenance))
        put_json(file, "state", population.state)
        objectives = population.objectives
        if objectives:
            put_json(file, "plugin_objectives", [asdict(objective) for objective in objectives])
        _put_candidates(file, population.candidates, objectives)
        if population.baseline is not None:
            _put_candidates(file.create_group("baseline"), [population.baseline], objectives)
        put(file, "has_baseline", np.array(population.baseline is not None))
        if population.hypervolume is not None:
            history = file.create_group("hypervolume")
            put(history, "share", np.array(population.hypervolume.shares, np.float64))
            put_json(history, "measure", population.hypervolume.measure)
        if population.timing is not None:
            put_json(file, "timing", asdict(population.timing))

    path = search_file(run, population.name)
    if path.parent != run:
        searches_folder(run)
    write_h5(path, fill)


def load_population(run: Path, name: str | None = None) -> Population:
    """Read a run's search, by default the present one. Raises UserError if it is absent or damaged."""
    name = find_search(run, name)
    with open_h5(search_file(run, name), "population") as file:
        has_baseline = bool(get(file, "has_baseline"))
        state = _get_state(file)
        objectives = _get_objectives(file)
        candidates = _get_candidates(file, objectives)
        ids = _run_ids(name, [candidate.id for candidate in candidates], state)
        return Population(
            recipe_name=get_text(file, "recipe_name"),
            recipe_toml=get_text(file, "recipe"),
            provenance=as_dataclass(Provenance, get_json(file, "provenance"), file),
            candidates=tuple(map(_renamed, candidates, ids)),
            baseline=_get_candidates(get_group(file, "baseline"), objectives)[0] if has_baseline else None,
            state=state,
            hypervolume=_get_history(file),
            name=name,
            objectives=objectives,
            timing=_get_timing(file),
        )


def read_search(run: Path, name: str | None = None) -> SearchProgress:
    """Read a search without its tables of layers. Raises UserError if what it reads is absent or damaged."""
    name = find_search(run, name)
    with open_h5(search_file(run, name), "population") as file:
        candidates, state = get_group(file, "candidates"), _get_state(file)
        columns = [get(candidates, column).tolist() for column in ("correct", "images", "non_finite")]
        return SearchProgress(
            name=name,
            recipe_name=get_text(file, "recipe_name"),
            recipe_toml=get_text(file, "recipe"),
            provenance=as_dataclass(Provenance, get_json(file, "provenance"), file),
            state=state,
            ids=tuple(_run_ids(name, get_texts(candidates, "id"), state)),
            top1s=tuple(
                100.0 * right / of if of and not wrong else None for right, of, wrong in zip(*columns, strict=True)
            ),
            timing=_get_timing(file),
            written_as=_other_name(file, name),
        )


def written_as(run: Path, name: str) -> str | None:
    """The name that a search was written under before a user renamed its file; None if its name is the same."""
    try:
        with open_h5(search_file(run, name), "population") as file:
            return _other_name(file, name)
    except UserError:
        return None


def _other_name(file: h5py.File, name: str) -> str | None:
    written = get_text(file, "name") if "name" in file else name
    return None if written == name else written


def _run_ids(name: str, ids: Sequence[str], state: Mapping[str, object]) -> list[str]:
    """The ids of a search's candidates in its run."""
    alone = is_numbered_alone(name) and "ids" not in state
    return [f"{name}/{id_}" if alone and "/" not in id_ else id_ for id_ in ids]


def _get_state(file: h5py.File) -> dict[str, object]:
    """The state of a search. Raises UserError if it lacks what every search's has, or has something else there.

    What an algorithm keeps of its own is checked when it resumes.
    """
    state = get_json(file, "state")
    if not isinstance(state, dict):
        raise damage(file, "state", "is no table")
    right = {
        "generation": is_count(state.get("generation")),
        "finished": isinstance(state.get("finished"), bool),
        "ids": "ids" not in state or _are_ids(state["ids"]),
    }
    wrong = [name for name, is_right in right.items() if not is_right]
    if wrong:
        raise damage(file, "state", f"has no usable {', '.join(wrong)}")
    return dict(state)


def _are_ids(ids: Any) -> bool:
    if not isinstance(ids, dict) or not is_count(ids.get("last")) or not isinstance(ids.get("asked"), dict):
        return False
    return all(is_subnet_text(text) and isinstance(id_, str) for text, id_ in ids["asked"].items())


def _renamed(candidate: Candidate, id_: str) -> Candidate:
    return candidate if candidate.id == id_ else replace(candidate, id=id_)


def _get_history(file: h5py.File) -> HypervolumeHistory | None:
    if "hypervolume" not in file:
        return None
    history = get_group(file, "hypervolume")
    return HypervolumeHistory(tuple(get(history, "share").tolist()), get_json(history, "measure"))


def _get_objectives(file: h5py.File) -> tuple[StoredObjective, ...]:
    stored = get_json(file, "plugin_objectives") if "plugin_objectives" in file else []
    return tuple(as_dataclass(StoredObjective, objective, file) for objective in stored)


def _get_timing(file: h5py.File) -> SearchTiming | None:
    return as_dataclass(SearchTiming, get_json(file, "timing"), file) if "timing" in file else None


def _put_candidates(group: h5py.Group, candidates: Sequence[Candidate], objectives: Sequence[StoredObjective]) -> None:
    put_measured(group, [MeasuredSubnet(candidate.subnet, candidate.measurement) for candidate in candidates])
    table = group["candidates"]
    put_texts(table, "id", [candidate.id for candidate in candidates])
    put_integers(table, "generation", [candidate.generation for candidate in candidates])
    for name in (objective.name for objective in objectives):
        values = np.array([candidate.plugin_values[name] for candidate in candidates], np.float64)
        put(group.require_group("objectives"), name, values, compress=True)


def _get_candidates(group: h5py.Group, objectives: Sequence[StoredObjective]) -> list[Candidate]:
    table = get_group(group, "candidates")
    ids, generations = get_texts(table, "id"), get(table, "generation").tolist()
    values = {each.name: get(get_group(group, "objectives"), each.name).tolist() for each in objectives}
    rows = zip(*values.values(), strict=True) if values else [()] * len(ids)
    return [
        Candidate(
            id_, row.subnet, generation, row.measurement, dict(zip(values, own, strict=True)) if own else NO_VALUES
        )
        for id_, generation, row, own in zip(ids, generations, get_measured(group), rows, strict=True)
    ]
