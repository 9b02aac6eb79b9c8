"""What all searches in generations share: unseen distinct subnets, the archive, and a state to resume from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from random import Random
from typing import Any, ClassVar, Protocol, Self

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.search.limits import Limits, Refusals
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.space import SearchSpace, Subnet, is_subnet_text, parse_subnet
from autospikformer_cli.units import is_count

TRIES = 100
"""Draws of subnets within the limits for one place of a generation. Then `Unseen.fill` tries its next way."""
MOST_REFUSED = 10_000
"""Draws refused by limits for one place of a generation. Then `Unseen.fill` tries its next way."""
DRAWS_A_SUBNET = 4
"""Draws for each subnet that `Unseen.gather` is to find. Then it has found what it could."""
ENUMERABLE = 20_000
"""Spaces up to this size are listed to find unseen subnets. Of larger ones the first unseen member is taken."""


class UnusableState(ValueError):
    """A stored state that an algorithm cannot go on from. Its text says why."""


class SearchSettings(Protocol):
    """The keys of a recipe's [search] that an algorithm reads."""

    @property
    def algorithm(self) -> str:
        """Name of the algorithm."""

    @property
    def population(self) -> int:
        """Subnets in a generation."""

    @property
    def parents(self) -> int:
        """Best subnets that may be parents."""

    @property
    def generations(self) -> int:
        """Number of generations, the first included."""

    @property
    def mutation(self) -> str:
        """Which genes a mutation changes: "each_gene" by chance, or "one_gene"."""

    @property
    def p_depth(self) -> float:
        """Probability of mutating depth, time step and dimension (Pd)."""

    @property
    def p_mutation(self) -> float:
        """Probability of mutating a gene of a block (Pm)."""


class GenerationalSearch(ABC):
    """Asks for generations of distinct subnets until the budget, or the space within the limits, is used up.

    It is deterministic: a function of its seed and of what it is told. `ask` repeats a generation until that is told.
    So a state taken before or after measuring resumes to the same search. generations: the first one included.
    """

    name: ClassVar[str]

    def __init__(self, problem: Problem, settings: SearchSettings, seed: int) -> None:
        self.problem = problem
        self.space = problem.space
        self.population = settings.population
        self.generations = settings.generations
        self.generation = 0
        self.archive: list[Candidate] = []
        self.refusals = Refusals()
        self._random = Random(seed)
        self._seen: set[Subnet] = set()
        self._asked: list[Subnet] = []
        self._short = self._ended = False

    @property
    def note(self) -> str:
        """Why the search ends before its budget is used up; empty unless it does."""
        size, found = self.space.size(), len(self.archive) + len(self._asked)
        if self._short and self.refusals.by_limit and found < self.total:
            return f"only {found} of {self.total} subnets were found within the limits: {self.refusals}"
        if len(self.archive) < size or size >= self.population * self.generations:
            return ""
        return f"the space has only {size} subnet{'' if size == 1 else 's'}: all were measured"

    @property
    def total(self) -> int:
        """Number of subnets that the whole search measures: the budget, or the size of the space if that is smaller."""
        return min(self.population * self.generations, self.space.size())

    def ask(self) -> list[Subnet]:
        """The next generation: distinct subnets within the limits, not in the archive; empty after the last."""
        if not self._asked and self.generation < self.generations and not self._ended:
            fresh = Unseen(self.space, self._random, self._seen, self.problem.limits, self.refusals)
            self._propose(fresh)
            self._asked = fresh.found
            self._seen.update(self._asked)
            self._short = self._short or len(self._asked) < self.population
            self._ended = not self._asked
        return list(self._asked)

    def tell(self, candidates: Sequence[Candidate]) -> None:
        """Take the measured generation, in the order asked. Raises ValueError for anything else."""
        if [candidate.subnet for candidate in candidates] != self._asked:
            raise ValueError("tell takes the candidates of the last ask, all of them, in the order asked")
        if not candidates:
            return
        self.archive.extend(candidates)
        self._asked = []
        self.generation += 1
        self._learn(candidates)

    def state(self) -> dict[str, object]:
        """Everything besides the archive, in JSON types."""
        version, internal, gauss = self._random.getstate()
        return {
            "algorithm": self.name,
            "generation": self.generation,
            "asked": [str(subnet) for subnet in self._asked],
            "random": [version, list(internal), gauss],
            "short": self._short,
            **self.refusals.state(),
        }

    def restore(self, state: Mapping[str, Any], archive: Iterable[Candidate]) -> Self:
        """Resume from a state and its archive, in the archive's order. Returns the search itself.

        Candidates of a generation that was asked for but not told are left out: `ask` returns them again.
        Raises UnusableState for a state that no search in generations has written.
        """
        wrong = [*self._faults(state), *Refusals.faults(state)]
        if wrong:
            raise UnusableState(f"its state has no usable {', '.join(wrong)}")
        self.generation = state["generation"]
        self._asked = [parse_subnet(text) for text in state["asked"]]
        version, internal, gauss = state["random"]
        self._random.setstate((version, tuple(internal), gauss))
        self._short = state.get("short", False)
        self.refusals = Refusals.restored(state)
        pending = set(self._asked)
        self.archive = [candidate for candidate in archive if candidate.subnet not in pending]
        self._seen = {candidate.subnet for candidate in self.archive} | pending
        for _, told in groupby(self.archive, key=lambda candidate: candidate.generation):
            self._learn(list(told))
        return self

    def _faults(self, state: Mapping[str, Any]) -> Iterator[str]:
        """The keys of a state that lack what this search writes there."""
        if not is_count(state.get("generation")):
            yield "generation"
        asked = state.get("asked")
        if not isinstance(asked, list) or not all(self._is_member(text) for text in asked):
            yield "asked"
        try:
            version, internal, gauss = state["random"]
            Random().setstate((version, tuple(internal), gauss))
        except (KeyError, TypeError, ValueError, OverflowError):
            yield "random"
        if not isinstance(state.get("short", False), bool):
            yield "short"

    def _is_member(self, text: object) -> bool:
        return isinstance(text, str) and is_subnet_text(text) and parse_subnet(text) in self.space

    @abstractmethod
    def _propose(self, fresh: Unseen) -> None:
        """Fill the next generation."""

    def _learn(self, told: Sequence[Candidate]) -> None:  # noqa: B027 (most keep nothing)
        """Take from a generation what the algorithm needs besides the archive; by default nothing."""


class Unseen:
    """A generation being filled with distinct subnets of the space, within the limits and never measured before.

    refusals: counts each draw, and the limits that refused it.
    """

    def __init__(
        self, space: SearchSpace, random: Random, seen: set[Subnet], limits: Limits, refusals: Refusals
    ) -> None:
        self.found: list[Subnet] = []
        self._space = space
        self._random = random
        self._seen = seen
        self._limits = limits
        self._refusals = refusals
        self._taken: set[Subnet] = set()
        self._left: Iterator[Subnet] | None = None

    def fill(self, count: int, draw: Callable[[], Subnet]) -> None:
        """Add `count` subnets from `draw`. If it finds none, add random unseen ones; if none are left, add fewer."""
        for _ in range(count):
            subnet = self._tried(draw) or self._tried(lambda: self._space.sample(self._random)) or self._remaining()
            if subnet is None:
                return
            self.take(subnet)

    def gather(self, count: int, draw: Callable[[], Subnet]) -> list[Subnet]:
        """Up to `count` different subnets that could be taken, of at most DRAWS_A_SUBNET * `count` draws."""
        found: dict[Subnet, None] = {}
        for _ in range(DRAWS_A_SUBNET * count):
            subnet = draw()
            if self.admits(subnet) and self._new(subnet):
                found[subnet] = None
                if len(found) == count:
                    break
        return list(found)

    def take(self, subnet: Subnet) -> None:
        """Add a subnet."""
        self.found.append(subnet)
        self._taken.add(subnet)

    def admits(self, subnet: Subnet) -> bool:
        """Whether a drawn subnet is within the limits. Counts the draw."""
        refusing = self._limits.before(subnet)
        self._refusals.take(refusing)
        return not refusing

    def _new(self, subnet: Subnet) -> bool:
        return subnet not in self._seen and subnet not in self._taken

    def _tried(self, draw: Callable[[], Subnet]) -> Subnet | None:
        if len(self._seen) + len(self._taken) >= self._space.size():
            return None
        repeated = refused = 0
        while repeated < TRIES and refused < MOST_REFUSED:
            subnet = draw()
            if not self.admits(subnet):
                refused += 1
            elif self._new(subnet):
                return subnet
            else:
                repeated += 1
        return None

    def _remaining(self) -> Subnet | None:
        """An unseen member, found by listing the space, or the first members of a large one, which are its smallest.

        Without limits, at least one of any len(seen) + 1 members is unseen.
        """
        if self._left is None:
            self._left = iter(self._listed())
        return next((subnet for subnet in self._left if self._new(subnet)), None)

    def _listed(self) -> Iterable[Subnet]:
        within = (subnet for subnet in self._space.members() if not self._limits.before(subnet))
        if self._space.size() > ENUMERABLE:
            most = len(self._seen) + len(self._taken) + ENUMERABLE
            members = islice(self._space.members(), most)
            return (subnet for subnet in members if not self._limits.before(subnet))
        left = [subnet for subnet in within if subnet not in self._seen]
        self._random.shuffle(left)
        return reversed(left)
