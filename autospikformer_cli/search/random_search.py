"""Random search: the baseline that the others are compared with, on the same budget."""

from __future__ import annotations

from autospikformer_cli.search.generations import GenerationalSearch, Unseen


class RandomSearch(GenerationalSearch):
    """Every generation is `population` random subnets, distinct and not measured before."""

    name = "random"

    def _propose(self, fresh: Unseen) -> None:
        fresh.fill(self.population, lambda: self.space.sample(self._random))
