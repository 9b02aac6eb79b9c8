"""A run's archive: all that its searches measured, for use under equal conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.recipe import recipe_from_toml
from autospikformer_cli.runs.conditions import Conditions
from autospikformer_cli.runs.selection import archive_id
from autospikformer_cli.say import Say
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.population import Population, load_population, read_search, searches


def measured_alike(run: Path, conditions: Conditions, say: Say) -> Iterator[tuple[str, Population]]:
    """A run's searches under given conditions, the present one first. Remarks on those that cannot be read."""
    for name in searches(run):
        try:
            head = read_search(run, name)
            if Conditions.of(head.provenance, recipe_from_toml(head.recipe_toml, head.recipe_name)) == conditions:
                yield name, load_population(run, name)
        except UserError as error:
            say.remark(f"{run / name} is left out: {error.what}")


def known_measurements(
    run: Path, conditions: Conditions, say: Say, suffices: Callable[[Measurement], bool]
) -> dict[Subnet, Measurement]:
    """What the run's searches measured under given conditions, by subnet. suffices: whether the counts do."""
    known: dict[Subnet, Measurement] = {}
    for _, population in measured_alike(run, conditions, say):
        for candidate in stored_candidates(population):
            if suffices(candidate.measurement):
                known.setdefault(candidate.subnet, candidate.measurement)
    return known


def stored_candidates(population: Population) -> tuple[Candidate, ...]:
    """Every measured subnet of a population, its baseline last."""
    return (*population.candidates, *([population.baseline] if population.baseline else []))


class Archive(NamedTuple):
    """Every candidate of some searches, each subnet once. Those of population-2.h5 are called 2/c0001 and so on."""

    candidates: tuple[Candidate, ...]
    num_searches: int


def whole_archive(run: Path, conditions: Conditions, say: Say) -> Archive:
    """The archive of the run's searches under given conditions."""
    found: dict[Subnet, Candidate] = {}
    num_searches = 0
    for name, population in measured_alike(run, conditions, say):
        num_searches += 1
        for candidate in population.candidates:
            found.setdefault(candidate.subnet, replace(candidate, id=archive_id(name, candidate.id)))
    return Archive(tuple(found.values()), num_searches)
