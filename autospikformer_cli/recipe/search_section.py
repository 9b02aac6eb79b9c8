"""The section [search] of a recipe, and the names that it takes: ours and plugins'."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from autospikformer_cli.recipe.effects import IMAGES, SCORE, SEARCH
from autospikformer_cli.recipe.keys import Keys, component
from autospikformer_cli.recipe.toml_text import toml_value
from autospikformer_cli.recipe.values import (
    ExactChoice,
    NoneAsText,
    NumberOfCandidates,
    PercentPair,
    PositiveReal,
    PositiveWhole,
    RealPair,
    Share,
    Text,
    broken_rule,
)
from autospikformer_cli.registry import Registry
from autospikformer_cli.units import parse_quantity

ALGORITHMS = Registry("algorithms")
"""Each a Callable[[Problem, SearchSettings, int], Algorithm], the number being the seed."""

OBJECTIVES = Registry("objectives")
"""Each an `Objective`: what may be searched for, and limited."""


def _two_or_three(names: tuple[str, ...]) -> tuple[str, ...]:
    if not 2 <= len(names) <= 3 or len(set(names)) < len(names):
        raise broken_rule(f" must be two or three different objectives, not {toml_value(names)}")
    return names


UNIT_OF_LIMIT: dict[str, Literal["J", ""]] = {"energy": "J", "params": "", "sops": "", "time_step": ""}
"""Objectives whose limit may be a text with a unit or a prefix."""


def _in_numbers(limits: Any) -> Any:
    """A limit that is "none" is none, and so are all of them. One that is a text is read as a quantity."""
    if limits == "none":
        return {}
    if not isinstance(limits, dict):
        return limits
    return {key: _number_or_fault(key, value) for key, value in limits.items() if value != "none"}


def _number_or_fault(objective: Any, value: Any) -> Any:
    """A quantity as a number. If it is none, the fault, which is raised where the place of the value is known."""
    if not isinstance(value, str) or objective not in UNIT_OF_LIMIT:
        return value
    unit = UNIT_OF_LIMIT[objective]
    try:
        return parse_quantity(value, unit)
    except ValueError as error:
        return broken_rule(f": {toml_value(value)} is not {'an energy' if unit else 'a count'}", str(error))


def _raised(value: Any) -> Any:
    if isinstance(value, PydanticCustomError):
        raise value
    return value


Bound = Annotated[PositiveReal, BeforeValidator(_raised)]


class FixedBounds(BaseModel):
    """What counts as 0 and as 1 in the fitness: top1 in percent, energy_j in joules an inference."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top1: PercentPair
    energy_j: RealPair


ObjectiveName = Annotated[Text, component(OBJECTIVES)]


class SearchConfig(Keys):
    """The search for subnets, by accuracy and energy."""

    prefix = "search."

    algorithm: Annotated[Text, component(ALGORITHMS), SEARCH] = "evolution"
    """The paper's evolution; random search as the baseline; nsga2, which seeks the whole front of the objectives;
    predictor, which fits ridge regression to the genes of what was measured, and measures what that predicts to be
    good; exhaustive, for spaces no larger than the budget; or one that a plugin adds."""
    population: Annotated[NumberOfCandidates, SEARCH] = 50
    """Candidates a generation, at most 100,000."""
    parents: Annotated[NumberOfCandidates, SEARCH] = 20
    """Best candidates that the next generation of the evolution descends from; and next to the front, some of what the
    predictor chooses from."""
    generations: Annotated[PositiveWhole, SEARCH] = 20
    """Generations."""
    mutation: Annotated[Literal["each_gene", "one_gene"], SEARCH] = "each_gene"
    """A mutation draws each gene anew by chance, with p_depth and p_mutation; or gives one gene another value."""
    p_depth: Annotated[Share, SEARCH] = 0.3
    """Probability of mutating depth, embed_dim and time_step, each; with mutation = "one_gene" it does nothing."""
    p_mutation: Annotated[Share, SEARCH] = 0.4
    """Probability of mutating each other gene; with mutation = "one_gene" it does nothing."""
    objectives: Annotated[tuple[ObjectiveName, ...], AfterValidator(_two_or_three), SEARCH | SCORE] = ("top1", "energy")
    """What nsga2 and half of the predictor's choices select by, and what hypervolume is of: two or three of top1,
    energy, params, sops, time_step, firing_rate, min_block_rate, or what a plugin adds."""
    limits: Annotated[dict[ObjectiveName, Bound], BeforeValidator(_in_numbers), SEARCH | SCORE] = Field(default={})
    """What a subnet must keep to, by objective: at least so much top1 (percent) or min_block_rate (the firing rate of
    the quietest block), at most so much of energy (joules an image), params, sops (an image), time_step or firing_rate:
    {params = 5e6, energy = 1e-3}, or with prefixes and units {params = "5M", energy = "1mJ"}. They are laid over those
    of the recipe that is extended; "none": no such limit."""
    alpha: Annotated[Share, SEARCH | SCORE] = 0.5
    """Weight of energy in the fitness: 0 is accuracy alone, 1 energy alone."""
    split: Annotated[Literal["validation", "test"], SEARCH | IMAGES] = "validation"
    """Images that candidates are measured on; "test" makes the final test worthless."""
    images: Annotated[PositiveWhole | None, NoneAsText, SEARCH | IMAGES] = None
    """The first N images of the split; "none": all."""
    normalise: Annotated[Literal["archive", "generation", "fixed", "percentile"], SEARCH | SCORE] = "archive"
    """What accuracy and energy are scaled by: extremes of all candidates, of a generation's, bounds, or percentiles."""
    bounds: Annotated[FixedBounds | None, NoneAsText, SEARCH | SCORE] = None
    """Bounds of the scaling with normalise = "fixed": {top1 = [lo, hi], energy_j = [lo, hi]}."""
    percentile: Annotated[PercentPair, SEARCH | SCORE] = (5.0, 95.0)
    """Percentiles of the scaling with normalise = "percentile"."""
    baseline: Annotated[tuple[ExactChoice, ...] | None, NoneAsText, SEARCH] = None
    """The subnet to compare with, the paper's tuple as a list; "none": the space's nearest to Spikformer 4-384."""
