"""All that a search algorithm sees: the space, and the worth of a measured candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.search.fitness import Fitness, FitnessSettings, make_fitness
from autospikformer_cli.search.limits import Limits, PriceOf, make_limits
from autospikformer_cli.search.objectives import Objective, objective_of
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.layout import NetworkShape


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
    """The space to search, and what to search for. price_of: joules and synaptic operations of a measured candidate."""

    space: SearchSpace
    shape: NetworkShape
    price_of: PriceOf
    fitness: Fitness
    limits: Limits
    objectives: tuple[Objective, ...]

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
    limit_price_of: PriceOf | None = None,
) -> Problem:  # fmt: skip
    """The problem of a recipe. limit_price_of: the prices that limits hold under; by default `price_of`.

    Raises UserError for an unknown objective and for a limit that nothing can reach.
    """
    limits = make_limits(settings.limits, shape, limit_price_of or price_of)
    objectives = tuple(objective_of(name, "search.objectives") for name in settings.objectives)
    fitness = make_fitness(settings, lambda candidate: price_of(candidate).energy_j, limits.after)
    return Problem(space, shape, price_of, fitness, limits, objectives)
