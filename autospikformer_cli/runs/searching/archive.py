"""A run's archive: all that its searches measured, for use under equal conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate, Measurement, StoredObjective
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.runs.conditions import Conditions
from autospikformer_cli.say import SILENT, Say
from autospikformer_cli.search.ids import CandidateIds, asked_ids, last_number
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.population import Population, SearchProgress, load_population, read_search
from autospikformer_cli.store.searches import search_file, search_names


def measured_alike(
    run: Path, conditions: Conditions, say: Say, unreadable: list[str] | None = None
) -> Iterator[Population]:
    """A run's searches under given conditions, in the order of `search_names`. Remarks on those that cannot be read.

    unreadable: gets their names.
    """
    for head in _heads(run, say, unreadable):
        try:
            if Conditions.of(head.provenance, _recipe_of(head)) == conditions:
                yield load_population(run, head.name)
        except UserError as error:
            _leave_out(run, head.name, error, say, unreadable)


def _heads(run: Path, say: Say, unreadable: list[str] | None = None) -> Iterator[SearchProgress]:
    for name in search_names(run):
        try:
            yield read_search(run, name)
        except UserError as error:
            _leave_out(run, name, error, say, unreadable)


def _leave_out(run: Path, name: str, error: UserError, say: Say, unreadable: list[str] | None) -> None:
    if unreadable is not None:
        unreadable.append(name)
    say.remark(f"{search_file(run, name)} is left out: {error.what}")


class Known(NamedTuple):
    """What a run's searches measured under given conditions, by subnet, and the ids of their candidates."""

    measurements: dict[Subnet, Measurement]
    ids: dict[Subnet, str]


def known_subnets(run: Path, conditions: Conditions, say: Say, suffices: Callable[[Measurement], bool]) -> Known:
    """What the run's searches know of subnets under given conditions. suffices: whether the counts of one do."""
    known = Known({}, {})
    for population in measured_alike(run, conditions, say):
        for candidate in stored_candidates(population):
            if suffices(candidate.measurement):
                known.measurements.setdefault(candidate.subnet, candidate.measurement)
        for candidate in population.candidates:
            known.ids.setdefault(candidate.subnet, candidate.id)
        for subnet, id_ in asked_ids(population.state).items():
            known.ids.setdefault(subnet, id_)
    return known


def candidate_ids(run: Path, known: Known, begun: Population | None) -> CandidateIds:
    """The ids of a search: its own, those of subnets that the run has measured alike, and numbers after all others."""
    own = {} if begun is None else {candidate.subnet: candidate.id for candidate in begun.candidates}
    own |= {} if begun is None else asked_ids(begun.state)
    last = max((last_number(head.ids, head.state) for head in _heads(run, SILENT)), default=0)
    return CandidateIds({**known.ids, **own}, last)


def stored_candidates(population: Population) -> tuple[Candidate, ...]:
    """Every measured subnet of a population, its baseline last."""
    return (*population.candidates, *([population.baseline] if population.baseline else []))


class Archive(NamedTuple):
    """Every candidate of some searches, each subnet once, with all values that they know.

    searches: their names. algorithms: the algorithm of each. objectives: those of plugins that some search names.
    unreadable: the run's searches that cannot be read.
    """

    candidates: tuple[Candidate, ...]
    searches: tuple[str, ...]
    algorithms: tuple[str, ...] = ()
    objectives: tuple[StoredObjective, ...] = ()
    unreadable: tuple[str, ...] = ()

    def has_values(self, objective: str) -> bool:
        """Whether every candidate has its stored value in an objective."""
        return all(objective in candidate.plugin_values for candidate in self.candidates)


def whole_archive(run: Path, conditions: Conditions, say: Say) -> Archive:
    """The archive of the run's searches under given conditions."""
    found: dict[Subnet, Candidate] = {}
    objectives: dict[str, StoredObjective] = {}
    names, algorithms = [], []
    unreadable: list[str] = []
    for population in measured_alike(run, conditions, say, unreadable):
        names.append(population.name)
        algorithms.append(str(population.state.get("algorithm") or _recipe_of(population).search.algorithm))
        objectives = {each.name: each for each in population.objectives} | objectives
        for candidate in population.candidates:
            first = found.setdefault(candidate.subnet, candidate)
            values = {**candidate.plugin_values, **first.plugin_values}
            found[candidate.subnet] = replace(first, plugin_values=values)
    return Archive(
        tuple(found.values()), tuple(names), tuple(algorithms), tuple(objectives.values()), tuple(unreadable)
    )


def _recipe_of(search: Population | SearchProgress) -> Recipe:
    return recipe_from_toml(search.recipe_toml, search.recipe_name)
