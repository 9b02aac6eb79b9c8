"""All that a search algorithm sees: the space, and the worth of a measured candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Protocol

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate, StoredObjective
from autospikformer_cli.recipe.search_section import OBJECTIVES
from autospikformer_cli.registry import NOBODY
from autospikformer_cli.search.fitness import Fitness, FitnessSettings, make_fitness, one_by_one
from autospikformer_cli.search.limits import LIMITS_KEY, Limits, PriceOf, key_of, make_limits
from autospikformer_cli.search.objectives import Objective, objective_of, stand_in
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.layout import NetworkShape

PRICES_KEY = "energy."
NO_FAULTS: Mapping[str, UserError] = {}


class ProblemSettings(FitnessSettings, Protocol):
    """The keys of a recipe's [search] that a problem reads."""

    @property
    def objectives(self) -> Sequence[str]:
        """Names of the objectives."""

    @property
    def limits(self) -> Mapping[str, float]:
        """Name of an objective -> its bound."""


@dataclass(frozen=True, slots=True)
class Absent:
    """An objective whose plugin is gone or broken, or prices that another aspk named.

    key: the recipe's key that names it. name: the objective's, else the key. error: why. stored: whether stored values
    stand in.
    """

    key: str
    name: str
    error: UserError
    stored: bool


@dataclass(frozen=True)
class Problem:
    """The space to search, and what to search for.

    price_of: joules and synaptic operations of a measured candidate. objectives: empty if one of them is unknown.
    plugins: the objectives of plugins, also those that are limited, as far as they or stored values are there.
    absent: the objectives, limits and prices that are not known here: a plugin is gone or broken, or another aspk named
    a profile or a convention. A stored search is read without; a search needs all. price_all: as `Fitness` has it.
    """

    space: SearchSpace
    shape: NetworkShape
    price_of: PriceOf
    fitness: Fitness
    limits: Limits
    objectives: tuple[Objective, ...]
    plugins: tuple[Objective, ...] = ()
    absent: tuple[Absent, ...] = ()
    price_all: Callable[[Sequence[Candidate]], None] = one_by_one

    def pricing_all_by(self, price_all: Callable[[Sequence[Candidate]], None]) -> Problem:
        """The same problem, whose archives are priced at once before they are asked for one by one."""
        return replace(self, price_all=price_all, fitness=replace(self.fitness, price_all=price_all))

    @property
    def unknown(self) -> tuple[Absent, ...]:
        """The absent ones without stored values, so that nothing is known of them."""
        return tuple(each for each in self.absent if not each.stored)

    @property
    def unknown_limits(self) -> tuple[Absent, ...]:
        """Of these, the limits."""
        return tuple(each for each in self.unknown if each.key.startswith(LIMITS_KEY))

    def require_objectives(self) -> None:
        """Raises UserError if the plugin of an objective or a limit is not there, so that no search can go on."""
        for each in self.absent:
            raise each.error

    def require_limits(self) -> None:
        """Raises UserError if a limit is not known here, so that the best that keeps to it is not known, either."""
        for each in self.unknown_limits:
            raise each.error

    def require_best(self) -> None:
        """Raises UserError if prices or a limit are not known here, so that the best by its fitness is not known."""
        for each in self.unknown:
            if each.key.startswith((PRICES_KEY, LIMITS_KEY)):
                raise each.error

    def valued(self, candidate: Candidate) -> Candidate:
        """A candidate with its values in the objectives of plugins; nan without a usable measurement."""
        if not self.plugins:
            return candidate
        if candidate.measurement.is_usable:
            price = self.price_of(candidate)
            values = {each.name: float(each.after(candidate, price)) for each in self.plugins}
        else:
            values = {each.name: nan for each in self.plugins}
        return replace(candidate, plugin_values=values)

    def loose_limits(self, baseline: Candidate) -> list[str]:
        """Of each limit that the baseline keeps by far, a sentence: such a limit is often a slip of its unit."""
        return self.limits.loose(baseline) if baseline.measurement.is_usable else []

    def rank(self, archive: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """The usable and feasible candidates of an archive, best fitness first."""
        return self.fitness.rank(archive)

    def values(self, candidate: Candidate) -> tuple[float, ...] | None:
        """A candidate's value in each objective; None if one is not finite, or if nothing was measured."""
        if not candidate.measurement.is_usable:
            return None
        price = self.price_of(candidate)
        values = tuple(float(objective.after(candidate, price)) for objective in self.objectives)
        return values if all(map(isfinite, values)) else None

    def costs(self, candidate: Candidate) -> tuple[float, ...] | None:
        """`values` with the sign of "more" objectives changed, so that less is better in all."""
        values = self.values(candidate)
        if values is None:
            return None
        pairs = zip(self.objectives, values, strict=True)
        return tuple(-value if objective.better == "more" else value for objective, value in pairs)

    def feasible(self, candidate: Candidate) -> bool:
        """Whether a measured candidate keeps all limits."""
        return not self.limits.excesses(candidate)


def make_problem(
    settings: ProblemSettings, space: SearchSpace, shape: NetworkShape, price_of: PriceOf,
    limit_price_of: PriceOf | None = None, given_by: Mapping[str, str] = NOBODY,
    stored: Sequence[StoredObjective] = (), unpriced: Mapping[str, UserError] = NO_FAULTS,
) -> Problem:  # fmt: skip
    """The problem of a recipe. Its `absent` says which objectives have no plugin here.

    limit_price_of: the prices that limits hold under; by default `price_of`. given_by: as `Registry.get` takes it.
    stored: objectives in which every candidate to come has a stored value, which stands in for an absent plugin.
    unpriced: by recipe key, why prices, and objectives and limits that need them, are not known.
    Raises UserError for a limit that nothing can reach.
    """
    known, absent = _known_objectives(settings, given_by, {each.name: each for each in stored})
    bounds = {name: bound for name, bound in settings.limits.items() if key_of(name) not in unpriced}
    limits = make_limits(bounds, shape, limit_price_of or price_of, known)
    every = "search.objectives" not in unpriced and all(name in known for name in settings.objectives)
    objectives = tuple(known[name] for name in settings.objectives) if every else ()
    without = {each.name for each in absent}
    plugins = tuple(each for name, each in known.items() if name in without or OBJECTIVES.giver(name))
    priced = not any(key.startswith(PRICES_KEY) for key in unpriced)
    fitness = make_fitness(settings, (lambda candidate: price_of(candidate).energy_j) if priced else None, limits.after)
    absent = (*(Absent(key, key, error, stored=False) for key, error in unpriced.items()), *absent)
    return Problem(space, shape, price_of, fitness, limits, objectives, plugins, absent)


def _known_objectives(
    settings: ProblemSettings, given_by: Mapping[str, str], stored: Mapping[str, StoredObjective]
) -> tuple[dict[str, Objective], tuple[Absent, ...]]:
    """Objectives by name, and those whose plugin is not there, once for each key that names them."""
    known: dict[str, Objective] = {}
    absent: list[Absent] = []
    for key, name in [*(("search.objectives", name) for name in settings.objectives), *_limit_keys(settings.limits)]:
        try:
            known[name] = objective_of(name, key, given_by)
        except UserError as error:
            absent.append(Absent(key, name, error, name in stored))
            if name in stored:
                known[name] = stand_in(stored[name])
    return known, tuple(absent)


def _limit_keys(limits: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(key_of(name), name) for name in limits]
