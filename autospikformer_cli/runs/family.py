"""The hand-made Spikformers of a run's space, and what the run has measured of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.runs.searching.archive import stored_candidates
from autospikformer_cli.runs.selection import recipe_problem
from autospikformer_cli.runs.side_by_side import recipe_of
from autospikformer_cli.search.fitness import Scored
from autospikformer_cli.space import SearchSpace, Subnet, nearest
from autospikformer_cli.store.evaluations import load_evaluations

FAMILY = ((4, 256, 8), (2, 384, 12), (4, 384, 12))
"""Depth, dimension and heads of Spikformer 4-256, 2-384 and 4-384 (Zhou et al. 2022)."""


@dataclass(frozen=True)
class FamilyMember:
    """A hand-made Spikformer. scored: None if the run has not measured it. is_baseline: whether it is the search's."""

    subnet: Subnet
    scored: Scored | None
    is_baseline: bool = False

    @property
    def name(self) -> str:
        """Depth and dimension, as Spikformer's authors name theirs."""
        return f"{self.subnet.depth}-{self.subnet.embed_dim}"

    @property
    def label(self) -> str:
        """Its name. The baseline is called so first, as everywhere."""
        return f"Baseline, {self.name}" if self.is_baseline else self.name


def spikformer_family(results: SearchResults) -> list[FamilyMember]:
    """Those of FAMILY that the space holds, and the baseline, if it is another one; without a second measurement.

    Their numbers are from the search, or from `aspk evaluate` on the same images with the same weights.
    """
    population = results.population
    subnets = list(_in_space(results.recipe.space.search_space()))
    baseline = population.baseline
    if baseline is not None and baseline.subnet not in subnets:
        subnets.append(baseline.subnet)
    fitness = recipe_problem(results.recipe, recipe_of(population), population.objectives, results.prices).fitness
    known = _measured(results)
    return [
        FamilyMember(
            subnet,
            fitness.of_outsider(Candidate("", subnet, -1, known[subnet]), results.scores) if subnet in known else None,
            baseline is not None and subnet == baseline.subnet,
        )
        for subnet in subnets
    ]


def _in_space(space: SearchSpace) -> Iterator[Subnet]:
    for depth, dim, heads in FAMILY:
        has_shape = depth in space.depth and dim in space.embed_dim
        if has_shape and Decimal(4) in space.mlp_ratio and 4 in space.time_step:
            yield Subnet(
                mlp_ratio=(Decimal(4),) * depth,
                num_heads=(nearest(space.num_heads, heads),) * depth,
                threshold=(nearest(space.threshold, Decimal(1)),) * depth,
                tau=(nearest(space.tau, Decimal(2)),) * depth,
                time_step=4,
                embed_dim=dim,
            )


def _measured(results: SearchResults) -> dict[Subnet, Measurement]:
    known = {each.subnet: each.measurement for each in stored_candidates(results.population)}
    try:
        evaluations = load_evaluations(results.path)
    except UserError:  # a damaged file hides no search
        evaluations = ()
    here = results.provenance
    for each in evaluations:
        there = each.provenance
        same_images = (there.split_hash, there.images) == (here.split_hash, here.images)
        if each.finetuned is None and same_images and there.weights_hash == here.weights_hash:
            known.setdefault(each.subnet, each.measurement)
    return known
