"""The kinds of value of a recipe's keys. They are strict: true is not 1, "3" is not 3, 3.0 is not a whole number."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from autospikformer_cli.bounds import MOST_CANDIDATES, MOST_EPOCHS
from autospikformer_cli.recipe.toml_text import toml_value

LARGEST_WHOLE = 2**63 - 1
"""TOML promises 64 bits, and so do the stores."""

LARGEST_CHOICE = 1_000_000
LARGEST_RATE = 1e38
"""About the largest number of float32. Many smaller rates end in a divergence, which is told when it comes."""
DECIMAL_PLACES = 9
"""A choice has at most 7 + 9 digits, so Decimal's 28 digits compute with choices exactly."""


def broken_rule(text: str, fix: str | None = None) -> PydanticCustomError:
    """A broken rule in the recipe's own words; text follows the key, so it starts with ' ' or ': '."""
    return PydanticCustomError("recipe_rule", "{text}", {"text": text, "fix": fix})


def is_number(value: object) -> bool:
    """Whether a TOML value is an integer or a float; TOML's true is neither."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _none_from_text(value: Any) -> Any:
    return None if isinstance(value, str) and value == "none" else value


def _float_from_number(value: Any) -> Any:
    if not is_number(value):
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _decimal_from_number(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(repr(value))
    return Decimal(value) if is_number(value) else value


def _share_or_number(value: Any) -> int | float:
    if is_number(value) and 0 <= (number := _float_from_number(value)) <= 1:
        return float(number)
    if isinstance(value, int) and 1 < value <= LARGEST_WHOLE:
        return value
    raise broken_rule(f" must be a share from 0 to 1, or a whole number from 2 on, not {toml_value(value)}")


def _ascending_pair(values: tuple[float, ...]) -> tuple[float, ...]:
    if len(values) != 2 or not values[0] < values[1]:
        shown = ", ".join(f"{value:g}" for value in values)
        raise broken_rule(f" must be two numbers, the lower one first, not [{shown}]")
    return values


def _three_levels(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 3:
        shown = toml_value(value)
        what = f" must be three whole numbers from 0 to 255, red, green and blue, not {shown}"
        raise broken_rule(what, "write [255, 255, 255] for white, [0, 0, 0] for black")
    return value


NoneAsText = BeforeValidator(_none_from_text)
"""TOML has no null: "none" stands for it."""

Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(strict=True, min_length=1)]
Whole = Annotated[int, Field(strict=True, ge=0, le=LARGEST_WHOLE)]
PositiveWhole = Annotated[int, Field(strict=True, ge=1, le=LARGEST_WHOLE)]
NumberOfEpochs = Annotated[PositiveWhole, Field(le=MOST_EPOCHS)]
NumberOfCandidates = Annotated[PositiveWhole, Field(le=MOST_CANDIDATES)]
WholeChoice = Annotated[int, Field(strict=True, ge=1, le=LARGEST_CHOICE)]

Real = Annotated[float, BeforeValidator(_float_from_number), Field(strict=True, allow_inf_nan=False)]
EpochsFromZero = Annotated[Real, Field(ge=0, le=MOST_EPOCHS)]
PositiveReal = Annotated[Real, Field(gt=0)]
RealFromZero = Annotated[Real, Field(ge=0)]
LearningRate = Annotated[PositiveReal, Field(le=LARGEST_RATE)]
LearningRateFromZero = Annotated[RealFromZero, Field(le=LARGEST_RATE)]
PositiveFactor = Annotated[PositiveReal, Field(le=LARGEST_CHOICE)]
FactorFromZero = Annotated[RealFromZero, Field(le=LARGEST_CHOICE)]
Single = Annotated[Real, Field(ge=-LARGEST_CHOICE, le=LARGEST_CHOICE)]
PositiveSingle = Annotated[Real, Field(ge=10**-DECIMAL_PLACES, le=LARGEST_CHOICE)]
"""What the network computes with in float32: as large, and as near 0, as a gene's choice may be."""
Share = Annotated[Real, Field(ge=0, le=1)]
ShareBetween = Annotated[Real, Field(gt=0, lt=1)]
ShareBelowOne = Annotated[Real, Field(ge=0, lt=1)]
ShareOrNumber = Annotated[int | float, BeforeValidator(_share_or_number)]
"""A float is a share, from 0 to 1. An int is a number, from 2 on. TOML's 1 is all, as 1.0 is."""
Percent = Annotated[Real, Field(ge=0, le=100)]
PercentPair = Annotated[tuple[Percent, ...], AfterValidator(_ascending_pair)]
RealPair = Annotated[tuple[RealFromZero, ...], AfterValidator(_ascending_pair)]

Level = Annotated[int, Field(strict=True, ge=0, le=255)]
Colour = Annotated[tuple[Level, Level, Level], BeforeValidator(_three_levels)]
"""Red, green and blue. A wrong level is named by its place in the list."""

ExactChoice = Annotated[
    Decimal,
    BeforeValidator(_decimal_from_number),
    Field(strict=True, allow_inf_nan=False, gt=0, le=LARGEST_CHOICE, decimal_places=DECIMAL_PLACES),
]
TauChoice = Annotated[ExactChoice, Field(ge=1)]
