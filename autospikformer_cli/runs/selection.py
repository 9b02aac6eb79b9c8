"""The subnet that --subnet names, and what is known of how it was chosen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from autospikformer_cli.energy.counts import MissingCounts
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import SILENT_RATE, Candidate, Measurement
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.runs.building import energy_model
from autospikformer_cli.search.limits import LIMITS_KEY, Refusals, none_feasible
from autospikformer_cli.search.objectives import Price
from autospikformer_cli.search.problem import Problem, make_problem
from autospikformer_cli.space import Subnet, parse_subnet
from autospikformer_cli.store.population import POPULATION_FILE, Population, load_population, searches
from autospikformer_cli.wording import shortened

NAMED_BY_THE_SPACE = ("largest", "smallest", "baseline")
"""What --subnet takes besides what a search has found."""


class Selection(NamedTuple):
    """A subnet, and the split that a search chose it on: "" if no search did."""

    subnet: Subnet
    selected_on: str = ""


def select(text: str, recipe: Recipe, path: Path | None) -> Selection:
    """The subnet that a text names: best, largest, smallest, baseline, a candidate's id, or a tuple.

    path: the run whose searches know candidates; None if there is none. Raises UserError.
    """
    space = recipe.space.search_space()
    words = dict(zip(NAMED_BY_THE_SPACE, (space.largest, space.smallest, recipe.baseline), strict=True))
    if text in words:
        return Selection(words[text]())
    if any(character in text for character in "([,"):
        return Selection(space.require(parse_subnet(text)))
    if path is None:
        fix = f"choose {', '.join(words)}, or a tuple such as '{recipe.baseline()}'"
        raise UserError(f"{text!r} names no subnet of a recipe", "--subnet", fix)
    file, id_ = file_and_id(text)
    if not (path / file).is_file() and file != POPULATION_FILE:
        raise UserError(f"{path} has no {file}", "--subnet", f"its searches: {', '.join(searches(path))}")
    population = load_population(path, file)
    if text == "best":
        return Selection(_best(population, recipe, path), population.provenance.split)
    found = next((candidate.subnet for candidate in population.candidates if candidate.id == id_), None)
    if found is None:
        raise UserError(
            f"{text!r} is no candidate of {path}",
            "--subnet",
            f"choose best, {', '.join(words)}, an id of aspk report, or a tuple such as '{recipe.baseline()}'",
        )
    return Selection(found, population.provenance.split)


def _best(population: Population, recipe: Recipe, path: Path) -> Subnet:
    problem = recipe_problem(recipe)
    try:
        problem.require_limits()
    except UserError as error:
        fix = f"{error.fix}; or name a candidate by its id, as aspk report --run {path} shows them"
        raise UserError(f"the best is not known here: {error.what}", f"{path}: {error.where}", fix) from error
    with counts_of(path):
        require_feasible(problem, population)
        ranked = problem.rank(population.candidates)
    if not ranked:
        raise UserError(f"{path} has no candidate yet", "--subnet", f"search on: aspk search --run {path}")
    return ranked[0].subnet


def selection_notes(split: str) -> tuple[str, ...]:
    """What stands under every table of subnets that were selected by test images.

    >>> selection_notes("validation")
    ()
    """
    if split != "test":
        return ()
    return ('! selected on test images (search.split = "test"): no unbiased test accuracy is left for these subnets',)


def silence_notes(networks: Iterable[tuple[str, Measurement]]) -> tuple[str, ...]:
    """A warning that names each network that has a silent block; none if there is no such network.

    networks: the name of each, and what it measured.
    """
    blocks = {name: ", ".join(map(str, measured.silent_blocks)) for name, measured in networks}
    silent = [f"{name} (block {numbers})" for name, numbers in blocks.items() if numbers]
    excludes = f"--set search.limits.min_block_rate={SILENT_RATE:g} excludes such networks"
    named = f"! silent blocks, with less than {SILENT_RATE:g} spikes a neuron and step: {shortened(silent, most=5)}"
    return (f"{named}; {excludes}",) if silent else ()


def unknown_notes(unknown: Sequence[str]) -> Iterator[str]:
    """A warning for each part of a search's recipe that is not known here: what is left out of its results."""
    for what in unknown:
        key = what.partition(":")[0]
        without = {"search.objectives": "no hypervolume", "model.neuron": "no subnet can be measured"}.get(key)
        if key.startswith(LIMITS_KEY):
            without = "candidates that break it are ranked, too"
        yield f"! {what}{f' ({without})' if without else ''}"


def recipe_problem(recipe: Recipe) -> Problem:
    """What a recipe's search is for: its space, its limits, its objectives, and F_AEB as it asks for it."""
    energy = energy_model(recipe)
    priced: dict[str, tuple[Measurement, Price]] = {}

    def price_of(candidate: Candidate) -> Price:
        known = priced.get(candidate.id)
        if known is None or known[0] is not candidate.measurement:
            report = energy.of(candidate.subnet, candidate.measurement)
            priced[candidate.id] = known = (candidate.measurement, Price(report.energy_j, report.sops))
        return known[1]

    return make_problem(recipe.search, recipe.space.search_space(), energy.shape, price_of, recipe.given_by)


def require_feasible(problem: Problem, population: Population) -> None:
    """Raises UserError if every candidate breaks a limit, or computes what is not finite."""
    finite = [candidate for candidate in population.candidates if not candidate.measurement.non_finite]
    if population.candidates and not finite:
        raise UserError(
            f"every one of {len(population.candidates)} subnets computes values that are not finite",
            "the supernet's weights",
            "train it anew with a lower train.lr",
        )
    if finite and not any(map(problem.feasible, finite)):
        raise none_feasible(problem.limits, finite, Refusals.restored(population.state))


@contextmanager
def counts_of(path: Path) -> Iterator[None]:
    """Raises UserError if a convention needs counts that a stored population lacks."""
    try:
        yield
    except MissingCounts as missing:
        raise UserError(
            f"its candidates were stored before synaptic events were counted: {missing.what}",
            str(path),
            f"aspk search --recount --run {path} measures them again, or choose another convention",
        ) from None


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
