"""The ask/tell protocol of a search, and the algorithms by name. An algorithm never sees how a subnet is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate
from autospikformer_cli.search.evolution import Evolution, Rank
from autospikformer_cli.search.generations import GenerationalSearch
from autospikformer_cli.search.random_search import RandomSearch
from autospikformer_cli.space import SearchSpace, Subnet


class Algorithm(Protocol):
    """Asks for generations of subnets and is told what they measured."""

    @property
    def generation(self) -> int:
        """Number of the generation that `ask` returns."""

    @property
    def note(self) -> str:
        """Why the search ends before its budget; empty while it does not."""

    @property
    def total(self) -> int:
        """How many subnets the search measures in all."""

    def ask(self) -> list[Subnet]:
        """The next generation's subnets, all distinct and not in the archive; empty: finished."""

    def tell(self, candidates: Sequence[Candidate]) -> None:
        """The measured ones, in the order asked."""

    def state(self) -> dict[str, object]:
        """Everything beside the archive, as JSON."""


class SearchSettings(Protocol):
    """What an algorithm reads of a recipe's [search]."""

    @property
    def algorithm(self) -> str: ...
    @property
    def population(self) -> int: ...
    @property
    def parents(self) -> int: ...
    @property
    def generations(self) -> int: ...
    @property
    def p_depth(self) -> float: ...
    @property
    def p_mutation(self) -> float: ...


ALGORITHMS = (Evolution.name, RandomSearch.name)
"""Names that `search.algorithm` takes."""


def make_algorithm(
    settings: SearchSettings,
    space: SearchSpace,
    rank: Rank,
    seed: int,
    state: Mapping[str, Any] | None = None,
    archive: Iterable[Candidate] = (),
) -> Algorithm:
    """The search that a recipe asks for, new, or going on from a state and its archive.

    Raises UserError for an unknown name, and for a state that another algorithm left.
    """
    search: GenerationalSearch
    budget = {"population": settings.population, "generations": settings.generations, "seed": seed}
    if settings.algorithm == RandomSearch.name:
        search = RandomSearch(space, **budget)
    elif settings.algorithm == Evolution.name:
        search = Evolution(
            space,
            parents=settings.parents,
            p_depth=float(settings.p_depth),
            p_mutation=float(settings.p_mutation),
            rank=rank,
            **budget,
        )
    else:
        names = ", ".join(ALGORITHMS)
        raise UserError(f"{settings.algorithm!r} is not a search algorithm", "search.algorithm", f"choose of {names}")
    if state is None:
        return search
    if state["algorithm"] != settings.algorithm:
        raise UserError(
            f"the population was begun with {state['algorithm']!r}, not {settings.algorithm!r}",
            "search.algorithm",
            "search in another run, or go on with the algorithm that began",
        )
    return search.restore(state, archive)
