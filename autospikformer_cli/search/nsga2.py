"""NSGA-II (Deb et al. 2002): searches for the whole front of two or three objectives at once."""

from __future__ import annotations

from collections.abc import Sequence

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.search.evolution import Breeding
from autospikformer_cli.search.generations import SearchSettings
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.search.sorting import constrained_fronts, crowding
from autospikformer_cli.space import Subnet

Standing = tuple[int, float]
"""Number of the front, and minus the crowding distance in it. Less is better."""


class NSGA2(Breeding):
    """Of survivors and offspring, the best `population` survive: front by front, in the last front by crowding.

    Parents are winners of binary tournaments among survivors. Candidates that break limits rank after all others, by
    how far they break them (constraint domination). Crossover and mutation are those of `Breeding`, half and half, so
    this differs from Evolution only in its selection. `parents` is not used.
    """

    name = "nsga2"

    def __init__(self, problem: Problem, settings: SearchSettings, seed: int) -> None:
        super().__init__(problem, settings, seed)
        self._survivors: list[Candidate] = []
        self._standing: dict[Subnet, Standing] = {}

    def _learn(self, told: Sequence[Candidate]) -> None:
        together = [*self._survivors, *told]
        pairs = [(candidate, costs) for candidate in together if (costs := self.problem.costs(candidate)) is not None]
        points = [costs for _, costs in pairs]
        violations = [self.problem.limits.violation(candidate) for candidate, _ in pairs]
        ordered: list[tuple[Standing, int]] = []
        for number, front in enumerate(constrained_fronts(points, violations)):
            distances = crowding([points[place] for place in front])
            ordered += [((number, -distance), place) for distance, place in zip(distances, front, strict=True)]
        kept = sorted(ordered)[: self.population]  # of equal candidates, the one found first
        self._survivors = [pairs[place][0] for _, place in kept]
        self._standing = {pairs[place][0].subnet: standing for standing, place in kept}

    def _parents(self) -> Sequence[Candidate]:
        return self._survivors

    def _chosen(self, parents: Sequence[Candidate], count: int) -> Sequence[Candidate]:
        return [self._tournament(parents) for _ in range(count)]

    def _tournament(self, parents: Sequence[Candidate]) -> Candidate:
        """The better of two random parents; of equal ones the first drawn, which is random."""
        drawn = self._random.sample(parents, min(2, len(parents)))
        return min(drawn, key=lambda candidate: self._standing[candidate.subnet])
