"""The subnet that --subnet names, and what is known of how it was chosen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from autospikformer_cli.analysis.noise import RankingNoise
from autospikformer_cli.analysis.paired import SIGNIFICANCE
from autospikformer_cli.analysis.selection_bias import CorrectedAccuracy
from autospikformer_cli.energy.counts import MissingCounts
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import SILENT_RATE, Candidate, Measurement, Provenance, StoredObjective
from autospikformer_cli.recipe import DataConfig, Decides, Recipe, differing_keys, recipe_from_toml
from autospikformer_cli.runs.building import network_shape
from autospikformer_cli.runs.prices import Prices, prices_of, pricing_faults
from autospikformer_cli.runs.searched_supernet import require_own_weights
from autospikformer_cli.runs.trained_run import TrainedRun
from autospikformer_cli.search.limits import LIMITS_KEY, Refusals, key_of, none_feasible
from autospikformer_cli.search.problem import PRICES_KEY, Problem, make_problem
from autospikformer_cli.space import Subnet, parse_subnet
from autospikformer_cli.store.population import Population, load_population
from autospikformer_cli.store.searches import find_search, search_names
from autospikformer_cli.wording import did_you_mean, nearest_names, quoted, shortened

NAMED_BY_THE_SPACE = ("largest", "smallest", "baseline")
"""What --subnet takes besides what a search has found."""


class Selection(NamedTuple):
    """A subnet, and the search that found it. candidate, search: None if it was not chosen among a search's candidates.

    recipe: the search's own, with its prices and limits. provenance: how it measured. is_best: whether the search chose
    it as its best.
    """

    subnet: Subnet
    candidate: Candidate | None = None
    search: str | None = None
    recipe: Recipe | None = None
    provenance: Provenance | None = None
    is_best: bool = False

    @property
    def selected_on(self) -> str:
        """The split that it was chosen on; "" if no search chose it."""
        return "" if self.provenance is None else self.provenance.split

    @property
    def by_its_genes(self) -> str:
        """How a user names the subnet alone, whatever a search measured of it."""
        return f"name the subnet by its genes: --subnet {quoted(self.subnet)}"

    def origin(self, path: Path) -> str:
        """Where it is from, for titles: 'runs/x, search evolution-alpha0.5-seed0: c0017'."""
        return str(path) if self.candidate is None else f"{path}, search {self.search}: {self.candidate.id}"

    def remarks(self, recipe: Recipe) -> tuple[str, ...]:
        """What its search decided otherwise than a recipe would: the choice of the best, or that it keeps a limit."""
        if self.candidate is None or self.recipe is None:
            return ()
        found = []
        keys = [key for key in differing_keys(self.recipe, recipe, Decides.SCORE) if key.startswith("search.")]
        if self.is_best and keys:
            found.append(f"best is what {self.search} chose with its own {', '.join(keys)}: {self.candidate.id}")
        broken = newly_broken(self.recipe, recipe, [self.candidate])
        if broken:
            what = f"under these prices {self.candidate.id} breaks {' and '.join(broken)}"
            found.append(f"{what}; {own_prices(self.recipe)}")
        return tuple(found)


def select(text: str, recipe: Recipe, path: Path | None, search: str | None = None) -> Selection:
    """The subnet that a text names: best, largest, smallest, baseline, a candidate's id, or a tuple.

    path: the run whose searches know candidates; None if there is none. search: the one whose best is meant, by default
    the present one. Raises UserError.
    """
    space = recipe.space.search_space()
    words = dict(zip(NAMED_BY_THE_SPACE, (space.largest, space.smallest, recipe.baseline), strict=True))
    if text in words:
        return Selection(words[text]())
    if any(character in text for character in "([,"):
        return Selection(space.require(parse_subnet(text)))
    if path is None:
        fix = f"choose {', '.join(words)}, or a tuple such as {quoted(recipe.baseline())}"
        near = did_you_mean(nearest_names(text, words))
        raise UserError(f"{text!r} names no subnet of a recipe", "--subnet", near or fix)
    if text != "best" and (near := did_you_mean(nearest_names(text, ("best", *words)))):
        raise UserError(f"{text!r} names no subnet", "--subnet", near)
    if text == "best":
        return _best(path, load_population(path, search))
    near_ids: list[str] = []
    for population in _searches(path, text, search):
        ids = (text, text.removeprefix(f"{population.name}/"))
        found = next((candidate for candidate in population.candidates if candidate.id in ids), None)
        if found is not None:
            return _selection(found, population)
        near_ids += _of_the_same_number(text, population)
    raise UserError(
        f"{text!r} is no candidate of {path}",
        "--subnet",
        did_you_mean(near_ids[:1])
        or f"choose best, {', '.join(words)}, an id of aspk report, or a tuple such as {quoted(recipe.baseline())}",
    )


def select_of(run: TrainedRun, text: str) -> Selection:
    """The same for what computes with a run's weights. Raises UserError if its search measured other ones, too."""
    chosen = select(text, run.recipe, run.path, run.search)
    if chosen.provenance is not None:
        require_own_weights(run.path, chosen.search, chosen.provenance, chosen.by_its_genes)
    return chosen


def _of_the_same_number(text: str, population: Population) -> list[str]:
    """The candidate of a number that is written otherwise: c17, 17 or C0017 for c0017."""
    number = re.fullmatch(r"[a-zA-Z]?0*(\d+)", text)
    ids = (each.id for each in population.candidates)
    return [id_ for id_ in ids if number and re.fullmatch(rf"[a-zA-Z]?0*{number[1]}", id_)][:1]


def _searches(path: Path, text: str, search: str | None) -> Iterator[Population]:
    """The searches that may know a candidate: of an id NAME/c0001 that one, else all, the wanted one first."""
    names, named = search_names(path), text.rpartition("/")[0]
    first = named if named in names else find_search(path, search)
    yield load_population(path, first)
    for name in names if first != named else ():
        if name != first:
            with suppress(UserError):  # a damaged one hides no other
                yield load_population(path, name)


def _selection(candidate: Candidate, population: Population) -> Selection:
    recipe = recipe_from_toml(population.recipe_toml, population.recipe_name)
    return Selection(candidate.subnet, candidate, population.name, recipe, population.provenance)


def _best(path: Path, population: Population) -> Selection:
    problem = _own_problem(population)
    try:
        problem.require_best()
    except UserError as error:
        fix = f"{error.fix}; or name a candidate by its id, as aspk report --run {quoted(path)} shows them"
        raise UserError(f"the best is not known here: {error.what}", f"{path}: {error.where}", fix) from error
    with counts_of(path):
        require_feasible(problem, population)
    found = best_candidate(path, population)
    if found is None:
        raise UserError(f"{path} has no candidate yet", "--subnet", f"search on: aspk search --run {quoted(path)}")
    return _selection(found, population)._replace(is_best=True)


def best_candidate(path: Path, population: Population) -> Candidate | None:
    """The candidate that a search chose: the best by its own fitness, under its own prices and limits.

    None if there is no candidate, or if prices or a limit of the search are not known here.
    """
    problem = _own_problem(population)
    try:
        problem.require_best()
    except UserError:
        return None
    with counts_of(path):
        return next(iter(problem.rank(population.candidates)), None)


def is_emptied(path: Path, population: Population) -> bool:
    """Whether a search has ended, and its own limits left it no candidate. False if they are not known here."""
    problem = _own_problem(population)
    if problem.unknown or not population.state["finished"] or not population.candidates:
        return False
    with counts_of(path):
        return not any(map(problem.feasible, population.candidates))


def _own_problem(population: Population) -> Problem:
    """What a stored search was for. Stored values stand in for plugins that are not there."""
    recipe = recipe_from_toml(population.recipe_toml, population.recipe_name)
    return recipe_problem(recipe, stored=population.objectives)


def newly_broken(searched: Recipe, recipe: Recipe, candidates: Sequence[Candidate]) -> dict[str, int]:
    """The limits that candidates break under a recipe's prices and keep under their search's: how many break each.

    None if one of the two prices is not known here.
    """
    if pricing_faults(searched) or pricing_faults(recipe):
        return {}
    if recipe.energy == searched.energy or not recipe.search.limits or recipe.search.limits != searched.search.limits:
        return {}
    problems = recipe_problem(searched), recipe_problem(recipe)
    for problem in problems:
        problem.price_all(candidates)
    before, now = (problem.limits for problem in problems)
    broken: dict[str, int] = {}
    for candidate in candidates:
        kept = now.excesses(candidate).keys() - before.excesses(candidate).keys()
        for limit in now.limits:
            if limit.objective.name in kept:
                broken[f"{limit.key} ({limit})"] = broken.get(f"{limit.key} ({limit})", 0) + 1
    return broken


def own_prices(searched: Recipe) -> str:
    """Whose prices the limits of a search were kept under."""
    energy = searched.energy
    return f"the search kept it under profile {energy.profile_name}, convention {energy.convention_name}"


def selection_notes(split: str) -> tuple[str, ...]:
    """What stands under every table of subnets that were selected by test images.

    >>> selection_notes("validation")
    ()
    """
    if split != "test":
        return ()
    return ('! selected on test images (search.split = "test"): no unbiased test accuracy is left for these subnets',)


def corrected_text(corrected: CorrectedAccuracy, images: int) -> str:
    """The accuracy of the best, with and without the flattery of having been chosen by the same images.

    >>> corrected_text(CorrectedAccuracy(42, 98.33, 97.28, 95.03, 98.74), 359)
    '98.33 %, about 97.3 % when corrected for having been chosen by the same 359 images (95 % interval 95.0 to 98.7)'
    """
    chosen = f"when corrected for having been chosen by the same {images:,} images"
    interval = f"95 % interval {corrected.low:.1f} to {corrected.high:.1f}"
    return f"{corrected.top1:.2f} %, about {corrected.corrected:.1f} % {chosen} ({interval})"


def noise_notes(noise: RankingNoise | None, split: str, recipe: Recipe) -> tuple[str, ...]:
    """A warning, with advice, if the order of a search's candidates by accuracy is mostly chance; none if it is not.

    noise: of the ranked candidates. split, recipe: those of the search.
    """
    fact = "" if noise is None else noise_fact(noise, split)
    if noise is None or not fact:
        return ()
    fix = ""
    if noise.images == recipe.search.images:
        fix = "; measure on more images: search.images"
    elif split == "validation":
        fix = f"; {_more_validation_images(recipe.data)}"
    return (f"! {fact}{fix}",)


def noise_fact(noise: RankingNoise | None, split: str) -> str:
    """How far the order of a search's candidates by accuracy is chance; "" if it is not mostly chance."""
    if noise is None or not noise.mostly_chance:
        return ""
    told = f"on {noise.images:,} {split} images the widest 95 % interval spans {noise.widest:.1f} points"
    told += f", and the {noise.networks:,} candidates lie within {noise.spread:.1f}"
    if noise.num_apart is not None:
        apart = f"{noise.num_apart or 'none'} of them differ{'s' * (noise.num_apart == 1)} from the most accurate"
        told += f"; {apart} (McNemar's exact test, p < {SIGNIFICANCE:g})"
    return f"the order by accuracy is mostly chance: {told}"


def _more_validation_images(data: DataConfig) -> str:
    """What gives a run more of them. A data set's own ones are all there are, and data.validation changes nothing."""
    from autospikformer_cli.data.sources import splits_with_files

    held_out = "hold out more images, in a new training: data.validation"
    own = "add images to the data set's own validation split, for a new training"
    try:
        return own if "validation" in splits_with_files(data) else held_out
    except UserError:  # the data set is not here
        return (
            held_out if data.dataset != "folder" else f"{held_out}; or, if it has a validation split of its own, {own}"
        )


def silence_notes(networks: Iterable[tuple[str, Measurement]]) -> tuple[str, ...]:
    """A warning that names each network that has a silent block; none if there is no such network.

    networks: the name of each, and what it measured.
    """
    blocks = {name: ", ".join(map(str, measured.silent_blocks)) for name, measured in networks}
    silent = [f"{name} (block {numbers})" for name, numbers in blocks.items() if numbers]
    excludes = f"--set search.limits.min_block_rate={SILENT_RATE:g} excludes such networks"
    named = f"! silent blocks, with less than {SILENT_RATE:g} spikes a neuron and step: {shortened(silent, most=5)}"
    return (f"{named}; {excludes}",) if silent else ()


def unknown_notes(unknown: Sequence[str], stand_ins: Sequence[str]) -> Iterator[str]:
    """A warning for each part of a search's recipe that is not known here: what is left out, or what stands in."""
    for what in unknown:
        key = what.partition(":")[0]
        without = {
            "search.objectives": "no hypervolume",
            "model.neuron": "no subnet can be measured",
            "data.dataset": "no subnet can be measured",
        }.get(key)
        if key.startswith(PRICES_KEY):
            without = "no energies, no front and no F_AEB: more accuracy ranks first"
        if key.startswith(LIMITS_KEY):
            without = "candidates that break it are ranked, too"
        yield f"! {what}{f' ({without})' if without else ''}"
    for what in stand_ins:
        yield f"! {what}"


def recipe_problem(
    recipe: Recipe,
    searched: Recipe | None = None,
    stored: Sequence[StoredObjective] = (),
    prices: Prices | None = None,
) -> Problem:
    """What a recipe's search is for: its space, its limits, its objectives, and F_AEB as it asks for it.

    searched: the recipe of a search whose candidates are scored again. If the limits are still its own, they hold under
    its own prices. stored: as `make_problem` takes it. prices: its prices, if they are made already: `prices_of`.
    """
    own_limits = searched is not None and searched.search.limits == recipe.search.limits
    limited_by = searched if searched is not None and own_limits else recipe
    prices = prices or prices_of(recipe)
    limit_prices = prices if limited_by is recipe or limited_by.energy == recipe.energy else prices_of(limited_by)

    def price_all(archive: Sequence[Candidate]) -> None:
        prices.price_all(archive)
        if recipe.search.limits and limit_prices is not prices:
            limit_prices.price_all(archive)

    space, shape = recipe.space.search_space(), network_shape(recipe)
    unpriced = _unpriced(recipe, limited_by)
    problem = make_problem(recipe.search, space, shape, prices, limit_prices, recipe.given_by, stored, unpriced)
    return problem.pricing_all_by(price_all)


def _unpriced(recipe: Recipe, limited_by: Recipe) -> dict[str, UserError]:
    """By recipe key, why prices, objectives and limits are not known here. limited_by: whose prices limits hold under.

    Objectives are known by what they need: energy both profile and convention, SOPs the convention.
    """
    found = pricing_faults(recipe)
    faults = {id(each): pricing_faults(each) for each in (recipe, limited_by)}
    objectives = (("search.objectives", name, recipe) for name in recipe.search.objectives)
    limits = ((key_of(name), name, limited_by) for name in recipe.search.limits)
    for key, name, priced_by in (*objectives, *limits):
        needed = {"energy": ("energy.profile", "energy.convention"), "sops": ("energy.convention",)}.get(name, ())
        fault = next((fault for each, fault in faults[id(priced_by)].items() if each in needed), None)
        found |= {} if fault is None else {key: fault}
    return found


def require_feasible(problem: Problem, population: Population) -> None:
    """Raises UserError if every candidate breaks a limit, or computes what is not finite."""
    finite = [candidate for candidate in population.candidates if not candidate.measurement.non_finite]
    problem.price_all(finite)
    if population.candidates and not finite:
        raise UserError(
            f"every one of {len(population.candidates)} subnets computes values that are not finite",
            "the supernet's weights",
            "train it anew with smaller learning rates",
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
            f"aspk search --recount --run {quoted(path)} measures them again, or choose another convention",
        ) from None
