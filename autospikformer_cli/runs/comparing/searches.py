"""Searches that are compared, each scored under the bounds of all of them. Nothing is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from autospikformer_cli.analysis.correlation import kendall_tau, tau_interval
from autospikformer_cli.recipe import Overrides, Recipe, differing_keys, recipe_from_toml
from autospikformer_cli.runs.conditions import Conditions, rescored
from autospikformer_cli.runs.prices import Prices, prices_of, require_prices
from autospikformer_cli.runs.selection import counts_of, recipe_problem
from autospikformer_cli.search.alike import Alike, different
from autospikformer_cli.search.fitness import Bounds, Scored
from autospikformer_cli.search.hypervolume import Reference, box_of
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.search.sorting import non_dominated, pareto_points
from autospikformer_cli.store.population import Population, load_population
from autospikformer_cli.store.supernet import read_training

MEAN_OF = 10
"""A search's mean F_AEB is also of so many of its best: one of them may be lucky, ten hardly are."""


@dataclass(frozen=True)
class StoredSearch:
    """A search as it is stored, and what it is scored by here.

    searched: its own recipe. recipe: the same with the prices that all are compared under. trained_seed: the seed of
    the supernet's training.
    """

    path: Path
    population: Population
    searched: Recipe
    recipe: Recipe
    problem: Problem
    trained_seed: int

    @property
    def asked(self) -> str:
        """The search as a user names it."""
        return f"{self.path}:{self.population.name}"

    @property
    def conditions(self) -> Conditions:
        """What its measurements depend on."""
        return Conditions.of(self.population.provenance, self.searched)

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return bool(self.population.state["finished"])

    @cached_property
    def points(self) -> list[tuple[float, ...]]:
        """The values of all usable candidates within its limits, in the objectives."""
        if not self.problem.objectives:
            return []
        feasible = filter(self.problem.feasible, self.population.candidates)
        return [values for each in feasible if (values := self.problem.values(each)) is not None]


def read_searches(found: Sequence[tuple[Path, str]], overrides: Overrides) -> list[StoredSearch]:
    """The searches with the prices of the first one, or those that overrides say. Raises UserError."""
    populations = [(path, load_population(path, name)) for path, name in found]
    own = [recipe_from_toml(population.recipe_toml, population.recipe_name) for _, population in populations]
    scored = [rescored(each, overrides) for each in own]
    require_prices(scored[0])
    priced = [
        each.with_values_of(scored[0], [key for key in differing_keys(each, scored[0]) if key.startswith("energy.")])
        for each in scored
    ]
    seeds: dict[Path, int] = {}
    prices: dict[Path, Prices] = {}
    for (path, _), recipe in zip(populations, priced, strict=True):
        if path not in seeds:
            training = read_training(path)
            seeds[path] = recipe_from_toml(training.recipe_toml, training.recipe_name).seed
            prices[path] = prices_of(recipe)
    searches = []
    for (path, population), searched, recipe in zip(populations, own, priced, strict=True):
        problem = recipe_problem(recipe, searched, population.objectives, prices[path])
        searches.append(StoredSearch(path, population, searched, recipe, problem, seeds[path]))
    return searches


@dataclass(frozen=True)
class ComparedSearch:
    """A search, scored under common bounds.

    ranked: all usable candidates by alpha, best F_AEB first. alpha: its own. best_num: how many of the best are taken;
    None for all. rejected: number of candidates without a fitness. hypervolume: None without a reference point.
    """

    stored: StoredSearch
    ranked: Mapping[float, tuple[Scored, ...]]
    alpha: float
    best_num: int | None
    rejected: int
    hypervolume: float | None

    @property
    def num_candidates(self) -> int:
        """Number of usable candidates."""
        return len(self.ranked[self.alpha])

    def taken(self, alpha: float) -> tuple[Scored, ...]:
        """The best candidates under an alpha, as many as are asked for."""
        return self.ranked[alpha][: self.best_num]

    def best_fitness(self, alpha: float) -> float | None:
        """F_AEB of the best candidate; None without candidates."""
        return next((scored.fitness for scored in self.ranked[alpha]), None)

    def mean_fitness(self, alpha: float) -> float | None:
        """Mean F_AEB of the best candidates; None without candidates."""
        taken = self.taken(alpha)
        return sum(scored.fitness for scored in taken) / len(taken) if taken else None

    def mean_of_best(self, alpha: float) -> float | None:
        """Mean F_AEB of the MEAN_OF best candidates, or of all if there are fewer; None without candidates."""
        best = self.ranked[alpha][:MEAN_OF]
        return sum(scored.fitness for scored in best) / len(best) if best else None

    @property
    def best(self) -> Scored | None:
        """The best candidate under its own alpha; None without candidates."""
        return next(iter(self.ranked[self.alpha]), None)

    @cached_property
    def different(self) -> tuple[Alike, ...]:
        """Every different result of the candidates that are taken, best first."""
        return different(self.taken(self.alpha))

    @cached_property
    def front(self) -> tuple[Alike, ...]:
        """Those of the different results that no other one dominates in the objectives."""
        costs = [self._costs(alike) for alike in self.different]
        known = [(alike, cost) for alike, cost in zip(self.different, costs, strict=True) if cost is not None]
        return tuple(known[place][0] for place in non_dominated([cost for _, cost in known]))

    @cached_property
    def front_costs(self) -> list[tuple[float, ...]]:
        """The distinct points of the front in the objectives, less being better."""
        return pareto_points(cost for alike in self.front if (cost := self._costs(alike)) is not None)

    def _costs(self, alike: Alike) -> tuple[float, ...] | None:
        problem = self.stored.problem
        return problem.costs(alike.best.candidate) if problem.objectives else None

    @property
    def _columns(self) -> tuple[list[float], list[float]]:
        return [each.top1 for each in self.different], [each.energy_j for each in self.different]

    @cached_property
    def kendall_tau(self) -> float | None:
        """Between accuracy and energy over the different results; None if it is undefined."""
        return kendall_tau(*self._columns)

    @cached_property
    def tau_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of tau; None if it has none."""
        return tau_interval(*self._columns)


@dataclass(frozen=True)
class CommonScale:
    """What all searches are scored by: bounds of F_AEB, each alpha that one of them has, the hypervolume's box."""

    bounds: Bounds | None
    alphas: tuple[float, ...]
    reference: Reference | None


def common_scale(searches: Sequence[StoredSearch]) -> CommonScale:
    """The extremes of all usable candidates of all searches, and the box between them in the objectives.

    The box of `aspk report`, which the baseline fixes before a search begins, is larger: there, all searches dominate
    nearly the same share.
    """
    own, points = [], list[tuple[float, ...]]()
    for each in searches:
        with counts_of(each.path):
            own.append(replace(each.problem.fitness, normalise="archive").score(each.population.candidates).bounds)
            points += each.points
    known = [bounds for bounds in own if bounds is not None]
    bounds = None
    if known:
        top1s, energies = [each.top1 for each in known], [each.energy_j for each in known]
        bounds = Bounds(_span(top1s), _span(energies))
    alphas = tuple(sorted({each.recipe.search.alpha for each in searches}))
    known_to_all = all(each.problem.objectives for each in searches)
    return CommonScale(bounds, alphas, box_of(searches[0].problem, points) if known_to_all else None)


def scored_search(stored: StoredSearch, scale: CommonScale, best_num: int | None) -> ComparedSearch:
    """A search under the common scale."""
    fitness = replace(stored.problem.fitness, normalise="fixed", bounds=scale.bounds) if scale.bounds else None
    candidates = stored.population.candidates
    ranked = {
        alpha: () if fitness is None else replace(fitness, alpha=alpha).score(candidates).ranked
        for alpha in scale.alphas
    }
    usable = ranked[stored.recipe.search.alpha]
    share = None if scale.reference is None else scale.reference.share(stored.points)
    rejected = len(candidates) - len(usable)
    return ComparedSearch(stored, ranked, stored.recipe.search.alpha, best_num, rejected, share)


def _span(ranges: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return min(low for low, _ in ranges), max(high for _, high in ranges)
