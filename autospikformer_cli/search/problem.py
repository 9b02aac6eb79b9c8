"""All that a search's algorithm sees: the space, and what a measured candidate is worth."""

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
    """What a problem reads of a recipe's [search]."""

    @property
    def objectives(self) -> Sequence[str]: ...
    @property
    def limits(self) -> Mapping[str, float]: ...


@dataclass(frozen=True)
class Problem:
    """What is searched for, and where. price_of: joules and synaptic operations of a measured candidate."""

    space: SearchSpace
    shape: NetworkShape
    price_of: PriceOf
    fitness: Fitness
    limits: Limits
    objectives: tuple[Objective, ...]

    def rank(self, archive: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """The usable and feasible candidates of an archive, best by fitness first."""
        return self.fitness.rank(archive)

    def values(self, candidate: Candidate) -> tuple[float, ...] | None:
        """A candidate's objectives, in their order; None where one is not finite, or nothing was measured."""
        measured = candidate.measurement
        if measured.images < 1 or measured.non_finite:
            return None
        price = self.price_of(candidate)
        values = tuple(float(objective.after(candidate, price)) for objective in self.objectives)
        return values if all(map(isfinite, values)) else None

    def costs(self, candidate: Candidate) -> tuple[float, ...] | None:
        """The same with the sign of "more" objectives turned, so that less is better in all."""
        values = self.values(candidate)
        if values is None:
            return None
        pairs = zip(self.objectives, values, strict=True)
        return tuple(-value if objective.better == "more" else value for objective, value in pairs)

    def feasible(self, candidate: Candidate) -> bool:
        """Whether a measured candidate keeps to every limit."""
        return not self.limits.excesses(candidate)


def make_problem(settings: ProblemSettings, space: SearchSpace, shape: NetworkShape, price_of: PriceOf) -> Problem:
    """The problem that a recipe states. Raises UserError for an objective that is none, or a limit beyond reach."""
    limits = make_limits(settings.limits, shape, price_of)
    objectives = tuple(objective_of(name, "search.objectives") for name in settings.objectives)
    fitness = make_fitness(settings, lambda candidate: price_of(candidate).energy_j, limits.after)
    return Problem(space, shape, price_of, fitness, limits, objectives)
