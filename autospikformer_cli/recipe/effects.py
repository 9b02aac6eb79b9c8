"""What a recipe key decides. Every key declares it next to its type, so no other list of keys is needed.

    population: Annotated[PositiveWhole, SEARCH] = 50

`runs.conditions` asks here whether a stored result may be used under another recipe.
"""

from __future__ import annotations

from enum import Flag, auto

from pydantic.fields import FieldInfo


class Decides(Flag):
    """A result that depends on a key's value. A key may decide several, or nothing."""

    NOTHING = 0
    """A place, a speed, an amount of memory, or the name of a set of keys."""
    NETWORK = auto()
    """What the weights are, and how the data set is cut. A trained run has one value for ever."""
    TRAINING = auto()
    """The weights that a training gives, and its history."""
    IMAGES = auto()
    """Which images a measurement reads. A store knows these by their hash, whatever chose them."""
    MEASUREMENT = auto()
    """What a subnet measures on given images with given weights."""
    SEARCH = auto()
    """The course of a search."""
    SCORE = auto()
    """How stored measurements are scored: energy, limits, fitness."""


NOTHING, NETWORK, TRAINING, IMAGES, MEASUREMENT, SEARCH, SCORE = (
    Decides.NOTHING, Decides.NETWORK, Decides.TRAINING, Decides.IMAGES, Decides.MEASUREMENT, Decides.SEARCH,
    Decides.SCORE,
)  # fmt: skip


def declared(field: FieldInfo) -> Decides | None:
    """What a key's declaration says that it decides. None: it says nothing, which a test refuses."""
    return next((mark for mark in field.metadata if isinstance(mark, Decides)), None)
