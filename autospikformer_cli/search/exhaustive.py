"""Exhaustive search: every subnet of a small space."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from autospikformer_cli.errors import UserError
from autospikformer_cli.search.generations import ENUMERABLE, GenerationalSearch, SearchSettings, Unseen
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.space import Subnet


class Exhaustive(GenerationalSearch):
    """Measures all members of the space within the limits, `population` in each generation, in the space's order.

    Raises UserError if their number exceeds the budget.
    """

    name = "exhaustive"

    def __init__(self, problem: Problem, settings: SearchSettings, seed: int) -> None:
        super().__init__(problem, settings, seed)
        self._members: Iterator[Subnet] | None = None
        self._size, budget, within = self.space.size(), self.population * self.generations, ""
        if problem.limits.limits and self._size <= max(budget, ENUMERABLE):
            self._size = sum(not problem.limits.before(subnet) for subnet in self.space.members())
            within = " within the limits"
        if self._size > budget:
            raise UserError(
                f"the space has {self._size:,} subnets{within}, the budget is {budget:,} "
                f"(search.population {self.population} x search.generations {self.generations})",
                'search.algorithm = "exhaustive"',
                "raise search.generations, narrow [space], or choose another algorithm",
            )

    @property
    def total(self) -> int:
        """Number of members within the limits."""
        return self._size

    def _propose(self, fresh: Unseen) -> None:
        if self._members is None:
            # A resumed search skips the members that it drew before: refusals.samples counts them all. Of an older
            # aspk it counts none, so they are drawn again, and those that were measured are not taken again.
            self._members = islice(self.space.members(), self.refusals.samples, None)
        for subnet in self._members:
            if fresh.admits(subnet) and subnet not in self._seen:
                fresh.take(subnet)
            if len(fresh.found) == self.population:
                return
