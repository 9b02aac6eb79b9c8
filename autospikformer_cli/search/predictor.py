"""Search by a predictor: ridge regression on genes says which of many unmeasured subnets are worth measuring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import isfinite
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.search.fitness import Bounds
from autospikformer_cli.search.gene_features import Floats, GeneFeatures
from autospikformer_cli.search.generations import GenerationalSearch, SearchSettings, Unseen
from autospikformer_cli.search.limits import PriceOf
from autospikformer_cli.search.objectives import ENERGY, TOP1, Objective
from autospikformer_cli.search.operators import crossover, mutate_one
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.search.ridge import RidgePosterior, fit_ridge
from autospikformer_cli.search.sorting import non_dominated
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import NetworkShape

POOL = 1000
"""Unmeasured subnets that compete for the places of a generation; of large generations, more."""
POOL_FOR_A_PLACE = 5
LEAST_FITTED = 10
"""With fewer measured subnets, a generation is random."""
MODEL = "Bayesian ridge regression on genes"
FOLDS = 10
"""Parts of the cross-validation."""


@dataclass(frozen=True)
class Predictable:
    """A number of a subnet that is predicted, or known before it is measured.

    of: its value of a measured candidate. known: its value without measuring; None if that must be predicted. is_log:
    whether it is positive and spans magnitudes, so that its logarithm is fitted, if all values are positive.
    """

    name: str
    of: Callable[[Candidate], float]
    known: Callable[[Subnet], float] | None = None
    is_log: bool = False


@dataclass(frozen=True)
class LeftOut:
    """An outcome of each candidate: what it measured, and what a model predicted that was fitted without it."""

    name: str
    measured: tuple[float, ...]
    predicted: tuple[float, ...]


@dataclass(frozen=True)
class CrossValidation:
    """Predictions of all measured subnets. model: what predicts, from what. folds: parts that were left out in turn."""

    model: str
    folds: int
    outcomes: tuple[LeftOut, ...]


@runtime_checkable
class Predicting(Protocol):
    """An algorithm that predicts what it has not measured, and can say how well."""

    def cross_validated(self) -> CrossValidation | None:
        """Its predictions of what it has measured; None with too few candidates."""


class PredictorSearch(GenerationalSearch):
    """Generation 0 is random. Each later one is the most promising part of a pool, by a model of all measured subnets.

    The pool is random subnets, and mutants and children of the best and of the front. Each place of a generation has a
    draw of its own from the model's posterior (Thompson sampling). So it explores what might be best.
    Places in turn go to the subnet with the best F_AEB under the draw, and to a random one of the objectives' front
    under the draw. Subnets that are predicted to break a limit come after all others, by how far they break it.
    """

    name = "predictor"

    def __init__(self, problem: Problem, settings: SearchSettings, seed: int) -> None:
        super().__init__(problem, settings, seed)
        self.parents = settings.parents
        self._features = GeneFeatures(self.space)
        self._fitness = (_top1(), _energy(problem))
        self._objectives = [self._predictable(each) for each in problem.objectives]
        self._limits = [self._limited(each.objective) for each in problem.limits.limits]

    def cross_validated(self) -> CrossValidation | None:
        """Accuracy and energy of all measured subnets, each predicted by a model that was fitted without it.

        Candidates that agree in both may be one network, so they are left out together. None for fewer than
        `LEAST_FITTED` candidates.
        """
        known = self._fittable()
        if len(known) < LEAST_FITTED:
            return None
        x_NF = self._features.of([candidate.subnet for candidate in known])
        columns = [np.array([each.of(candidate) for candidate in known]) for each in self._fitness]
        numbers: dict[tuple[float, ...], int] = {}
        networks = [numbers.setdefault(values, len(numbers)) for values in zip(*map(_listed, columns), strict=True)]
        folds_N = np.array(networks) % FOLDS
        found = []
        for each, y_N in zip(self._fitness, columns, strict=True):
            predicted_N = np.full(len(known), y_N.mean())
            for fold in range(FOLDS):
                inside = folds_N == fold
                if inside.any() and not inside.all():
                    with _one_thread():
                        predicted_N[inside] = _fit(each, x_NF[~inside], y_N[~inside]).expected(x_NF[inside])
            found.append(LeftOut(each.name, tuple(_listed(y_N)), tuple(_listed(predicted_N))))
        return CrossValidation(MODEL, FOLDS, tuple(found))

    def _propose(self, fresh: Unseen) -> None:
        known = self._fittable()
        if len(known) >= LEAST_FITTED:
            pool = self._pool(fresh, known)
            if pool:
                with _one_thread():
                    places = self._chosen(known, pool)
                for place in places:
                    fresh.take(pool[place])
        fresh.fill(self.population - len(fresh.found), lambda: self.space.sample(self._random))

    def _pool(self, fresh: Unseen, known: Sequence[Candidate]) -> list[Subnet]:
        """Unseen subnets within the limits: a third is random, a third mutants of good ones, a third their children."""
        good = self._good(known)

        def drawn() -> Subnet:
            kind = self._random.randrange(3)
            if kind == 0 or not good:
                return self.space.sample(self._random)
            if kind == 1 or len(good) == 1:
                return mutate_one(self._random.choice(good), self.space, self._random)
            first, second = self._random.sample(good, 2)
            return crossover(first, second, self.space, self._random)

        return fresh.gather(max(POOL, POOL_FOR_A_PLACE * self.population), drawn)

    def _good(self, known: Sequence[Candidate]) -> list[Subnet]:
        """The best by F_AEB, and the front of the objectives, each once."""
        ranked = self.problem.rank(self.archive)[: self.parents]
        feasible = [candidate for candidate in known if self.problem.feasible(candidate)]
        costs = [(candidate, self.problem.costs(candidate)) for candidate in feasible]
        priced = [(candidate, cost) for candidate, cost in costs if cost is not None]
        front = [priced[place][0] for place in non_dominated([cost for _, cost in priced])]
        return list(dict.fromkeys(candidate.subnet for candidate in (*ranked, *front)))

    def _chosen(self, known: Sequence[Candidate], pool: Sequence[Subnet]) -> list[int]:
        """Places of the pool, as many as a generation has, or all."""
        generator = np.random.default_rng(self._random.getrandbits(64))
        everything = list(dict.fromkeys((*self._fitness, *self._objectives, *self._limits)))
        x_NF, x_MF = (self._features.of(each) for each in ([candidate.subnet for candidate in known], pool))
        columns = {each: np.array([each.of(candidate) for candidate in known]) for each in everything}
        models = {each: _fit(each, x_NF, columns[each]) for each in everything if each.known is None}
        exact = {each: np.array([each.known(subnet) for subnet in pool]) for each in everything if each.known}
        bounds = self._bounds(columns)
        left_M = np.ones(len(pool), bool)
        chosen: list[int] = []
        for number in range(min(self.population, len(pool))):
            values = exact | {each: model.drawn(x_MF, generator) for each, model in models.items()}
            excess_M = np.where(left_M, self._excess(values), np.inf)
            eligible_M = excess_M == excess_M.min()
            if number % 2:
                place = self._on_the_front(values, eligible_M)
            else:
                top1s, energies = (values[each] for each in self._fitness)
                worth_M = self.problem.fitness.values(top1s, energies, bounds)
                place = int(np.where(eligible_M, worth_M, -np.inf).argmax())
            left_M[place] = False
            chosen.append(place)
        return chosen

    def _on_the_front(self, values: dict[Predictable, Floats], eligible_M: NDArray[np.bool_]) -> int:
        """A random place of the front of the eligible ones under these values of the objectives."""
        signs = [-1.0 if objective.better == "more" else 1.0 for objective in self.problem.objectives]
        costs_MK = np.column_stack([sign * values[each] for sign, each in zip(signs, self._objectives, strict=True)])
        places = np.flatnonzero(eligible_M).tolist()
        front = non_dominated([tuple(costs) for costs in costs_MK[places].tolist()])
        return int(places[self._random.choice(front)])

    def _excess(self, values: dict[Predictable, Floats]) -> Floats:
        """The sum of how far the limits are broken, as `Limits.violation` has it, of predicted values."""
        total_M = np.zeros(len(values[self._fitness[0]]))
        for limit, each in zip(self.problem.limits.limits, self._limits, strict=True):
            beyond_M = values[each] - limit.bound if limit.objective.better == "less" else limit.bound - values[each]
            total_M += np.maximum(0.0, beyond_M / limit.bound)
        return total_M

    def _bounds(self, columns: dict[Predictable, Floats]) -> Bounds:
        """What F_AEB is scaled by now; of generations, which have bounds of their own, the whole archive's."""
        found = self.problem.fitness.score(self.archive).bounds
        if found is not None:
            return found
        top1s, energies = (columns[each] for each in self._fitness)
        return Bounds((float(top1s.min()), float(top1s.max())), (float(energies.min()), float(energies.max())))

    def _fittable(self) -> list[Candidate]:
        """The measured candidates whose numbers are all finite."""
        self.problem.price_all(self.archive)
        everything = (*self._fitness, *self._objectives, *self._limits)
        usable = [candidate for candidate in self.archive if candidate.measurement.is_usable]
        return [candidate for candidate in usable if all(isfinite(each.of(candidate)) for each in everything)]

    def _predictable(self, objective: Objective) -> Predictable:
        """An objective. Accuracy and energy are those of F_AEB, so a draw gives both the same value."""
        names = {TOP1.name: self._fitness[0], ENERGY.name: self._fitness[1]}
        found = names.get(objective.name)
        return found or _of_objective(objective.name, objective, self.problem.price_of, self.problem.shape)

    def _limited(self, objective: Objective) -> Predictable:
        """A limited objective, under the prices that limits hold under."""
        if objective.name == TOP1.name:
            return self._fitness[0]
        price_of, shape = self.problem.limits.price_of or self.problem.price_of, self.problem.shape
        return _of_objective(f"limit of {objective.name}", objective, price_of, shape)


def _of_objective(name: str, objective: Objective, price_of: PriceOf, shape: NetworkShape) -> Predictable:
    before = objective.before
    return Predictable(
        name,
        lambda candidate: float(objective.after(candidate, price_of(candidate))),
        None if before is None else lambda subnet: float(before(subnet, shape)),
        objective.better == "less",
    )


def _top1() -> Predictable:
    return Predictable("top1", lambda candidate: candidate.measurement.top1)


def _energy(problem: Problem) -> Predictable:
    return Predictable("energy_j", lambda candidate: problem.price_of(candidate).energy_j, is_log=True)


def _one_thread() -> AbstractContextManager[object]:
    """Linear algebra by one thread: the last bits of a sum depend on how many there are, and so would the choice."""
    from threadpoolctl import threadpool_limits

    limited: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limited


def _fit(each: Predictable, x_NF: Floats, y_N: Floats) -> RidgePosterior:
    return fit_ridge(x_NF, y_N, is_log=each.is_log and bool((y_N > 0).all()))


def _listed(column: Floats) -> list[float]:
    listed: list[float] = column.tolist()
    return listed
