"""What every search in generations shares: distinct unseen subnets, the archive, and a state to resume from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, ClassVar, Self

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.space import SearchSpace, Subnet, parse_subnet

TRIES = 100
"""Draws for one place in a generation before the next way of filling it."""
ENUMERABLE = 20_000
"""Spaces up to this size are listed to find what is left; of larger ones the first unseen member is taken."""


class GenerationalSearch(ABC):
    """A search that asks for generations of distinct subnets until its budget or the space is used up.

    Deterministic from its seed and what it is told. `ask` repeats a generation that was asked for and not told yet, so
    a state taken before or after measuring resumes to the same search. generations counts all, the first included.
    """

    name: ClassVar[str]

    def __init__(self, space: SearchSpace, *, population: int, generations: int, seed: int) -> None:
        self.space = space
        self.population = population
        self.generations = generations
        self.generation = 0
        self.archive: list[Candidate] = []
        self._random = Random(seed)
        self._seen: set[Subnet] = set()
        self._asked: list[Subnet] = []

    @property
    def note(self) -> str:
        """Why the search ends before its budget; empty while it does not."""
        size = self.space.size()
        if len(self.archive) < size or size >= self.population * self.generations:
            return ""
        return f"the space has only {size} subnet{'' if size == 1 else 's'}: all were measured"

    @property
    def total(self) -> int:
        """How many subnets the search measures in all: its budget, or the whole space where that is smaller."""
        return min(self.population * self.generations, self.space.size())

    def ask(self) -> list[Subnet]:
        """The next generation: distinct subnets that are not in the archive; none when the search is finished."""
        if not self._asked and self.generation < self.generations:
            fresh = Unseen(self.space, self._random, self._seen)
            self._propose(fresh)
            self._asked = fresh.found
            self._seen.update(self._asked)
        return list(self._asked)

    def tell(self, candidates: Sequence[Candidate]) -> None:
        """Take the measured generation, in the order asked. Anything else is a caller's error (ValueError)."""
        if [candidate.subnet for candidate in candidates] != self._asked:
            raise ValueError("tell takes the candidates of the last ask, all of them, in the order asked")
        if not candidates:
            return
        self.archive.extend(candidates)
        self._asked = []
        self.generation += 1

    def state(self) -> dict[str, object]:
        """Everything beside the archive, as JSON."""
        version, internal, gauss = self._random.getstate()
        return {
            "algorithm": self.name,
            "generation": self.generation,
            "asked": [str(subnet) for subnet in self._asked],
            "random": [version, list(internal), gauss],
        }

    def restore(self, state: Mapping[str, Any], archive: Iterable[Candidate]) -> Self:
        """Go on from a state and its archive, in the archive's order; returns the search itself.

        Candidates of a generation that was asked and not told are left out of the archive: they are told again.
        """
        self.generation = int(state["generation"])
        self._asked = [parse_subnet(text) for text in state["asked"]]
        version, internal, gauss = state["random"]
        self._random.setstate((version, tuple(internal), gauss))
        pending = set(self._asked)
        self.archive = [candidate for candidate in archive if candidate.subnet not in pending]
        self._seen = {candidate.subnet for candidate in self.archive} | pending
        return self

    @abstractmethod
    def _propose(self, fresh: Unseen) -> None:
        """Fill the next generation."""


class Unseen:
    """A generation being filled: distinct subnets of the space, none of them measured before."""

    def __init__(self, space: SearchSpace, random: Random, seen: set[Subnet]) -> None:
        self.found: list[Subnet] = []
        self._space = space
        self._random = random
        self._seen = seen
        self._taken: set[Subnet] = set()
        self._left: list[Subnet] | None = None

    def fill(self, count: int, draw: Callable[[], Subnet]) -> None:
        """Add subnets from `draw`; random unseen ones where it only repeats; fewer where the space has no more."""
        for _ in range(count):
            subnet = self._tried(draw) or self._tried(lambda: self._space.sample(self._random)) or self._remaining()
            if subnet is None:
                return
            self.found.append(subnet)
            self._taken.add(subnet)

    def _new(self, subnet: Subnet) -> bool:
        return subnet not in self._seen and subnet not in self._taken

    def _tried(self, draw: Callable[[], Subnet]) -> Subnet | None:
        if len(self._seen) + len(self._taken) >= self._space.size():
            return None
        return next((subnet for subnet in (draw() for _ in range(TRIES)) if self._new(subnet)), None)

    def _remaining(self) -> Subnet | None:
        """An unseen member found by listing the space; among len(seen) + 1 members at least one is unseen."""
        if self._space.size() > ENUMERABLE:
            return next((subnet for subnet in self._space.members() if self._new(subnet)), None)
        if self._left is None:
            self._left = [subnet for subnet in self._space.members() if subnet not in self._seen]
            self._random.shuffle(self._left)
        while self._left:
            subnet = self._left.pop()
            if self._new(subnet):
                return subnet
        return None
