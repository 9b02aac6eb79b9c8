"""A run's archive: all that its searches measured, to be taken where it would be measured alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from autospikformer_cli.cli.session import Session
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.population import (
    POPULATION_FILE,
    Population,
    Provenance,
    load_population,
    read_search,
    searches,
)

NOT_OF_A_MEASUREMENT = (
    "calibration_images",  # their hash counts
    "detach_reset",
    "surrogate",
    "evaluation_memory",
)
"""Keys of [model] that change no inference."""


@dataclass(frozen=True)
class Conditions:
    """All that a subnet's measurement depends on beside the subnet: equal conditions, equal counts.

    Hashes of weights and images, how many, what computes them in which version, and every key of [model] that acts;
    never how energy is counted or priced, nor any key of [search] but those that choose the images. A plugin's neuron
    is known by its name alone.
    """

    weights_hash: str
    split_hash: str
    images: int
    calibration_hash: str
    precision: str
    device: str
    engine: str
    frames: int
    fixed_heads: int | None
    model: tuple[tuple[str, str], ...]
    computed_with: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, provenance: Provenance, recipe: Recipe) -> Conditions:
        """Those of a search."""
        model = recipe.model
        ignored = {*NOT_OF_A_MEASUREMENT}
        if provenance.engine == "event_driven" and model.batchnorm != "batch":
            ignored.add("evaluation_batch")
        return cls(
            provenance.weights_hash,
            provenance.split_hash,
            provenance.images,
            provenance.calibration_hash,
            provenance.precision,
            provenance.device,
            provenance.engine,
            provenance.frames,
            None if model.searched_heads else recipe.space.num_heads[-1],
            tuple((key, repr(value)) for key, value in model if key not in ignored),
            tuple(sorted(provenance.computed_with.items())),
        )


def measured_alike(run: Path, conditions: Conditions, session: Session) -> Iterator[tuple[str, Population]]:
    """A run's searches under given conditions, the present one first; says which cannot be read."""
    for name in searches(run):
        try:
            head = read_search(run, name)
            if Conditions.of(head.provenance, recipe_from_toml(head.recipe_toml, head.recipe_name)) == conditions:
                yield name, load_population(run, name)
        except UserError as error:
            session.remark(f"{run / name} is left out: {error.what}")


def known_measurements(
    run: Path, conditions: Conditions, network: Literal["spikformer", "transformer"], session: Session
) -> dict[Subnet, Measurement]:
    """What the run's searches measured under given conditions, by subnet; all of it with every count."""
    known: dict[Subnet, Measurement] = {}
    for _, population in measured_alike(run, conditions, session):
        for candidate in (*population.candidates, *([population.baseline] if population.baseline else [])):
            if candidate.measurement.synapses or network == "transformer":
                known.setdefault(candidate.subnet, candidate.measurement)
    return known


class Archive(NamedTuple):
    """Every candidate of some searches, each subnet once; those of population-2.h5 are called 2/c0001 and so on."""

    candidates: tuple[Candidate, ...]
    num_searches: int


def whole_archive(run: Path, conditions: Conditions, session: Session) -> Archive:
    """The archive of the run's searches under given conditions."""
    found: dict[Subnet, Candidate] = {}
    num_searches = 0
    for name, population in measured_alike(run, conditions, session):
        num_searches += 1
        for candidate in population.candidates:
            found.setdefault(candidate.subnet, replace(candidate, id=archive_id(name, candidate.id)))
    return Archive(tuple(found.values()), num_searches)


def archive_id(file: str, id_: str) -> str:
    """A candidate's number in its run.

    >>> archive_id("population.h5", "c0017"), archive_id("population-2.h5", "c0017")
    ('c0017', '2/c0017')
    """
    number = file.removeprefix("population").removesuffix(".h5").removeprefix("-")
    return f"{number}/{id_}" if number else id_


def file_and_id(text: str) -> tuple[str, str]:
    """The file and the number there of a candidate by its number in the run.

    >>> file_and_id("c0017"), file_and_id("2/c0017")
    (('population.h5', 'c0017'), ('population-2.h5', 'c0017'))
    """
    number, _, id_ = text.rpartition("/")
    return (f"population-{number}.h5", id_) if number.isdecimal() else (POPULATION_FILE, text)
