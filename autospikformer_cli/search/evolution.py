"""Evolutionary search (paper, section 5.1): the best of the whole archive are crossed and mutated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.search.generations import GenerationalSearch, Unseen
from autospikformer_cli.search.operators import crossover, mutate
from autospikformer_cli.space import SearchSpace, Subnet

Rank = Callable[[Sequence[Candidate]], Sequence[Candidate]]
"""An archive's usable candidates, best first."""


class Evolution(GenerationalSearch):
    """Generation 0 is random; each later one half crossover, half mutation of the best `parents` of the archive.

    rank is called with the whole archive before each selection, because fitness is a function of the archive; where it
    finds nothing usable the generation is random again.
    """

    name = "evolution"

    def __init__(
        self,
        space: SearchSpace,
        *,
        population: int,
        parents: int,
        generations: int,
        p_depth: float,
        p_mutation: float,
        rank: Rank,
        seed: int,
    ) -> None:
        super().__init__(space, population=population, generations=generations, seed=seed)
        self.parents = parents
        self.p_depth = p_depth
        self.p_mutation = p_mutation
        self._rank = rank

    def _propose(self, fresh: Unseen) -> None:
        best = [candidate.subnet for candidate in self._rank(self.archive)[: self.parents]] if self.archive else []
        if not best:
            fresh.fill(self.population, lambda: self.space.sample(self._random))
            return
        crossed = self.population // 2 if len(best) > 1 else 0
        fresh.fill(crossed, lambda: self._child_of_two(best))
        fresh.fill(self.population - crossed, lambda: self._mutant(best))

    def _child_of_two(self, parents: Sequence[Subnet]) -> Subnet:
        a, b = self._random.sample(parents, 2)
        return crossover(a, b, self.space, self._random)

    def _mutant(self, parents: Sequence[Subnet]) -> Subnet:
        parent = self._random.choice(parents)
        return mutate(parent, self.space, self._random, p_depth=self.p_depth, p_mutation=self.p_mutation)
