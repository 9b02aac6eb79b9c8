"""All that a search algorithm sees: the space, and the worth of a measured candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Protocol

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate
from autospikformer_cli.registry import NOBODY
from autospikformer_cli.search.fitness import Fitness, FitnessSettings, make_fitness
from autospikformer_cli.search.limits import LIMITS_KEY, Limits, PriceOf, key_of, make_limits
from autospikformer_cli.search.objectives import Objective, objective_of
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


@dataclass(frozen=True)
class Problem:
    """The space to search, and what to search for.

    price_of: joules and synaptic operations of a measured candidate. objectives: empty if one of them is unknown.
    unknown: by recipe key, why an objective, a limit or the prices are not known here: a plugin is gone or broken, or
    another aspk named a profile or a convention. A stored search is read without it; a search needs all.
    """

    space: SearchSpace
    shape: NetworkShape
    price_of: PriceOf
    fitness: Fitness
    limits: Limits
    objectives: tuple[Objective, ...]
    unknown: Mapping[str, UserError] = field(default_factory=dict)

    def require_objectives(self) -> None:
        """Raises UserError if an objective or a limit is not known here, so that nothing can be searched for."""
        for error in self.unknown.values():
            raise error

    def require_limits(self) -> None:
        """Raises UserError if a limit is not known here, so that the best that keeps to it is not known, either."""
        self._require(LIMITS_KEY)

    def require_best(self) -> None:
        """Raises UserError if prices or a limit are not known here, so that the best by its fitness is not known."""
        self._require(PRICES_KEY)
        self._require(LIMITS_KEY)

    def _require(self, keys: str) -> None:
        for key, error in self.unknown.items():
            if key.startswith(keys):
                raise error

    def rank(self, archive: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """The usable and feasible candidates of an archive, best fitness first."""
        return self.fitness.rank(archive)

    def values(self, candidate: Candidate) -> tuple[float, ...] | None:
        """A candidate's value in each objective; None if one is not finite, or if nothing was measured."""
        measured = candidate.measurement
        if measured.images < 1 or measured.non_finite:
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
    unpriced: Mapping[str, UserError] = NO_FAULTS,
) -> Problem:  # fmt: skip
    """The problem of a recipe. Its `unknown` says which objectives are not known here.

    limit_price_of: the prices that limits hold under; by default `price_of`. given_by: as `Registry.get` takes it.
    unpriced: by recipe key, why prices, and objectives and limits that need them, are not known.
    Raises UserError for a limit that nothing can reach.
    """
    known, unknown = _known_objectives(settings, given_by)
    unknown = {**unpriced, **unknown}
    bounds = {name: bound for name, bound in settings.limits.items() if key_of(name) not in unknown}
    limits = make_limits(bounds, shape, limit_price_of or price_of, known)
    every = "search.objectives" not in unknown
    objectives = tuple(known[name] for name in settings.objectives) if every else ()
    priced = not any(key.startswith(PRICES_KEY) for key in unpriced)
    fitness = make_fitness(settings, (lambda candidate: price_of(candidate).energy_j) if priced else None, limits.after)
    return Problem(space, shape, price_of, fitness, limits, objectives, unknown)


def _known_objectives(
    settings: ProblemSettings, given_by: Mapping[str, str]
) -> tuple[dict[str, Objective], dict[str, UserError]]:
    """Objectives by name, and the errors of those that are not known here by key."""
    known: dict[str, Objective] = {}
    unknown: dict[str, UserError] = {}
    for key, name in [*(("search.objectives", name) for name in settings.objectives), *_limit_keys(settings.limits)]:
        try:
            known[name] = objective_of(name, key, given_by)
        except UserError as error:
            unknown[key] = error
    return known, unknown


def _limit_keys(limits: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(key_of(name), name) for name in limits]
