"""The choices of a gene: a list, or a range {low=, high=, step=} in exact decimals."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, GetPydanticSchema, Tag, model_validator

from autospikformer_cli.recipe.values import ExactChoice, TauChoice, WholeChoice, broken_rule
from autospikformer_cli.space import plain

LIST_TAG = "<list of choices>"
RANGE_TAG = "<range of choices>"
MOST_CHOICES = 1000

ChoiceNumber = TypeVar("ChoiceNumber", int, Decimal)


def expand_range(low: ChoiceNumber, high: ChoiceNumber, step: ChoiceNumber) -> tuple[ChoiceNumber, ...]:
    """low, low + step, ... up to and including high. Raises a broken rule if that is impossible.

    >>> expand_range(2, 4, 1)
    (2, 3, 4)
    """
    if low > high:
        raise broken_rule(f": low {plain(low)} is greater than high {plain(high)}")
    steps, rest = divmod(high - low, step)
    num_choices = int(steps) + 1
    if num_choices > MOST_CHOICES:
        raise broken_rule(f" has {num_choices} choices, it must have at most {MOST_CHOICES}")
    if rest:
        raise broken_rule(
            f": high {plain(high)} is not reached from low {plain(low)} in steps of {plain(step)}",
            f"the last value is {plain(high - rest)}: write high = {plain(high - rest)}",
        )
    return tuple(low + index * step for index in range(num_choices))


class _Range(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WholeRange(_Range):
    """Whole numbers at equal distances."""

    low: WholeChoice
    high: WholeChoice
    step: WholeChoice

    @model_validator(mode="after")
    def _reaches_high(self) -> WholeRange:
        expand_range(self.low, self.high, self.step)
        return self


class ExactRange(_Range):
    """Exact decimals at equal distances."""

    low: ExactChoice
    high: ExactChoice
    step: ExactChoice

    @model_validator(mode="after")
    def _reaches_high(self) -> ExactRange:
        expand_range(self.low, self.high, self.step)
        return self


class TauRange(ExactRange):
    """Time constants at equal distances, in time steps."""

    low: TauChoice
    high: TauChoice


def _kind(value: Any) -> str:
    return RANGE_TAG if isinstance(value, dict | _Range) else LIST_TAG


def _ascending(value: tuple[Any, ...] | WholeRange | ExactRange) -> tuple[Any, ...]:
    if isinstance(value, WholeRange):
        return expand_range(value.low, value.high, value.step)
    if isinstance(value, ExactRange):
        return expand_range(value.low, value.high, value.step)
    if not value:
        raise broken_rule(" has no choices")
    if len(value) > MOST_CHOICES:
        raise broken_rule(f" has {len(value)} choices, it must have at most {MOST_CHOICES}")
    ordered = tuple(sorted(value))
    for first, second in pairwise(ordered):
        if first == second:
            raise broken_rule(f" has {plain(first)} more than once")
    return ordered


def _list_or_range(element: Any, range_model: Any) -> GetPydanticSchema:
    """The schema of a list of elements or of a range, each with its own faults. The result is ascending."""
    accepted = Annotated[
        Annotated[tuple[element, ...], Tag(LIST_TAG)] | Annotated[range_model, Tag(RANGE_TAG)],
        Discriminator(_kind),
        AfterValidator(_ascending),
    ]
    return GetPydanticSchema(lambda _source, handler: handler(accepted))


WholeChoices = Annotated[tuple[int, ...], _list_or_range(WholeChoice, WholeRange)]
ExactChoices = Annotated[tuple[Decimal, ...], _list_or_range(ExactChoice, ExactRange)]
TauChoices = Annotated[tuple[Decimal, ...], _list_or_range(TauChoice, TauRange)]
