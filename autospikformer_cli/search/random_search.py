"""Random search: the baseline of the other algorithms, with the same budget."""

from __future__ import annotations

from autospikformer_cli.search.generations import GenerationalSearch, Unseen


class RandomSearch(GenerationalSearch):
    """Each generation is `population` random subnets, distinct and never measured before."""

    name = "random"

    def _propose(self, fresh: Unseen) -> None:
        fresh.fill(self.population, lambda: self.space.sample(self._random))
