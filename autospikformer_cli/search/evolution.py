"""Evolutionary search (paper, section 5.1): crossover and mutation of the best subnets of the whole archive."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.search.generations import GenerationalSearch, SearchSettings, Unseen
from autospikformer_cli.search.operators import crossover, mutate, mutate_one
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.space import Subnet


class Breeding(GenerationalSearch):
    """Generation 0 is random. Half of each later one is crossover of two parents, half is mutation of one.

    A generation without parents is random, too.
    """

    def __init__(self, problem: Problem, settings: SearchSettings, seed: int) -> None:
        super().__init__(problem, settings, seed)
        self.mutation = settings.mutation
        self.p_depth = float(settings.p_depth)
        self.p_mutation = float(settings.p_mutation)

    @abstractmethod
    def _parents(self) -> Sequence[Candidate]:
        """Possible parents of the next generation, best first."""

    @abstractmethod
    def _chosen(self, parents: Sequence[Candidate], count: int) -> Sequence[Candidate]:
        """Choose `count` parents: one for a mutation, two for a crossover."""

    def _propose(self, fresh: Unseen) -> None:
        parents = self._parents() if self.archive else ()
        if not parents:
            fresh.fill(self.population, lambda: self.space.sample(self._random))
            return
        crossed = self.population // 2 if len(parents) > 1 else 0
        fresh.fill(crossed, lambda: self._child_of_two(parents))
        fresh.fill(self.population - crossed, lambda: self._mutant(parents))

    def _child_of_two(self, parents: Sequence[Candidate]) -> Subnet:
        a, b = self._chosen(parents, 2)
        return crossover(a.subnet, b.subnet, self.space, self._random)

    def _mutant(self, parents: Sequence[Candidate]) -> Subnet:
        (parent,) = self._chosen(parents, 1)
        if self.mutation == "one_gene":
            return mutate_one(parent.subnet, self.space, self._random)
        return mutate(parent.subnet, self.space, self._random, p_depth=self.p_depth, p_mutation=self.p_mutation)


class Evolution(Breeding):
    """Parents are the subnets with the best fitness in the whole archive. Fitness is a function of the archive.

    Candidates that break a limit have neither fitness nor children.
    """

    name = "evolution"

    def __init__(self, problem: Problem, settings: SearchSettings, seed: int) -> None:
        super().__init__(problem, settings, seed)
        self.parents = settings.parents

    def _parents(self) -> Sequence[Candidate]:
        return self.problem.rank(self.archive)[: self.parents]

    def _chosen(self, parents: Sequence[Candidate], count: int) -> Sequence[Candidate]:
        return self._random.sample(parents, 2) if count == 2 else [self._random.choice(parents)]
