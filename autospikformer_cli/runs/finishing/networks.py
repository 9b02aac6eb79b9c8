"""The networks of `aspk finish`, and how each is trained: those found, what they are compared with, and ANNs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.runs.family import spikformer_family
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.search.fitness import Scored
from autospikformer_cli.space import Subnet

Way = Literal["inherited", "retrained", "from scratch"]
"""How a network got its weights: those of the supernet, these trained on alone, or trained alone from first weights."""
WAYS: tuple[Way, ...] = ("inherited", "retrained", "from scratch")
INHERITING: tuple[Way, ...] = ("inherited", "retrained")
FinishRole = Literal["found", "baseline", "family", "ann"]
"""A candidate of the search, what the search is compared with, another hand-made Spikformer, or an ANN."""


@dataclass(frozen=True)
class FinishNetwork:
    """One network. candidate: None if no search found it. ways: how it is trained. like: of an ANN, the name of the
    spiking network that has its shape.
    """

    name: str
    subnet: Subnet
    role: FinishRole
    ways: tuple[Way, ...]
    candidate: Candidate | None = None
    like: str = ""

    @property
    def is_ann(self) -> bool:
        """Whether it is the ANN of the shape of a subnet."""
        return self.role == "ann"


def networks_of(results: SearchResults, best: int | None, *, from_scratch: bool = True) -> list[FinishNetwork]:
    """The Pareto front of a search, or its best by F_AEB; the baseline, Spikformer's family in the space, and the ANNs.

    best: how many; None for the front. from_scratch: whether any network is trained from first weights; without, the
    family and the ANNs are left out. A candidate that is the baseline itself is the row of the baseline alone. ANNs
    have the shapes of the baseline and of the search's best. No ANN is added to a search of ANNs.
    """
    chosen, baseline = chosen_of(results, best), results.recipe.baseline()
    ways = WAYS if from_scratch else INHERITING
    found = [
        FinishNetwork(each.id, each.subnet, "found", ways, each.candidate) for each in chosen if each.subnet != baseline
    ]
    own = FinishNetwork("baseline", baseline, "baseline", ways)
    if not from_scratch:
        return [*found, own]
    family = [
        FinishNetwork(f"Spikformer {each.name}", each.subnet, "family", ("from scratch",))
        for each in spikformer_family(results)
        if each.subnet != baseline
    ]
    return [*found, own, *family, *_anns(results, own)]


def chosen_of(results: SearchResults, best: int | None) -> list[Scored]:
    """The candidates of the Pareto front, or the best by F_AEB. Candidates that agree in every number are one."""
    return results.front if best is None else [alike.best for alike in results.different[:best]]


def _anns(results: SearchResults, baseline: FinishNetwork) -> Iterator[FinishNetwork]:
    if results.recipe.model.network == "transformer":
        return
    best = results.best or next((each.candidate for each in results.scores.ranked), None)
    shapes = {_shape(baseline.subnet): baseline}
    if best is not None:
        shapes.setdefault(_shape(best.subnet), FinishNetwork(best.id, best.subnet, "found", WAYS))
    for each in shapes.values():
        yield FinishNetwork(f"ANN of {each.name}", each.subnet, "ann", ("from scratch",), like=each.name)


def _shape(subnet: Subnet) -> tuple[object, ...]:
    """What two subnets with the same ANN have in common."""
    return subnet.mlp_ratio, subnet.num_heads, subnet.embed_dim
