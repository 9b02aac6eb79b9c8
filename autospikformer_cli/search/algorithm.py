"""The ask/tell protocol of a search, and its choice of algorithm. An algorithm never sees how subnets are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, Self, cast

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate
from autospikformer_cli.recipe.search_section import ALGORITHMS
from autospikformer_cli.registry import NOBODY
from autospikformer_cli.search.generations import SearchSettings, UnusableState
from autospikformer_cli.search.limits import Refusals
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.space import Subnet


class Algorithm(Protocol):
    """Asks for generations of subnets, and is told what they measured."""

    @property
    def generation(self) -> int:
        """Number of the generation that `ask` returns."""

    @property
    def note(self) -> str:
        """Why the search ends before its budget is used up; empty unless it does."""

    @property
    def total(self) -> int:
        """Number of subnets that the whole search measures."""

    @property
    def refusals(self) -> Refusals:
        """The subnets that limits refused so far, before they were measured."""

    def ask(self) -> list[Subnet]:
        """The next generation: distinct subnets that are not in the archive. Empty if the search is finished."""

    def tell(self, candidates: Sequence[Candidate]) -> None:
        """Take the measured subnets, in the order asked."""

    def state(self) -> dict[str, object]:
        """Everything besides the archive, in JSON types. It has the keys `algorithm` (the name) and `generation`."""

    def restore(self, state: Mapping[str, Any], archive: Iterable[Candidate]) -> Self:
        """Resume from a state and its archive. Returns the search itself. Raises UnusableState if it cannot."""


def make_algorithm(
    settings: SearchSettings,
    problem: Problem,
    seed: int,
    state: Mapping[str, Any] | None = None,
    archive: Iterable[Candidate] = (),
    given_by: Mapping[str, str] = NOBODY,
) -> Algorithm:
    """The search that a recipe asks for; resumed if there is a state, with its archive.

    given_by: as `Registry.get` takes it. Raises UserError for an unknown name or objective, for settings that the
    algorithm refuses, and for a state of another algorithm; UnusableState for one that the algorithm cannot go on from.
    """
    where = "search.algorithm"
    made_by = ALGORITHMS.get(settings.algorithm, where, given_by)
    problem.require_objectives()
    if not callable(made_by):
        raise UserError(
            f"the algorithm {settings.algorithm} is not callable", where, "choose another, or mend the plugin"
        )
    search = cast(Callable[[Problem, SearchSettings, int], Algorithm], made_by)(problem, settings, seed)
    if state is None:
        return search
    if state.get("algorithm", settings.algorithm) != settings.algorithm:
        raise UserError(
            f"the population was begun with {state['algorithm']!r}, not {settings.algorithm!r}",
            where,
            "search in another run, or go on with the algorithm that began",
        )
    try:
        return search.restore(state, archive)
    except Exception as error:
        giver = ALGORITHMS.giver(settings.algorithm)
        if giver is None or isinstance(error, UnusableState):
            raise
        reason = f"{giver} cannot read its state: {type(error).__name__}: {error}"
        raise UnusableState(reason) from error
