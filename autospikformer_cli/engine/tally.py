"""Who is told the exact counts of a forward pass."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class Values(NamedTuple):
    """What one layer read, by time step, over all images, (T,) each: the sum of the values, and how many are not 0."""

    sums: Integers
    nonzeros: Integers


class Synapses(NamedTuple):
    """What one operation did, by time step, over all images, (T,) each.

    events: synaptic events, each input value times the outputs that it reaches (fewer at the border of a convolution).
    passes: weights visited, a value n once; of attention products the events.
    """

    events: Integers
    passes: Integers


PRODUCTS = ("q@k", "(q@k)@v", "k@v", "q@(k@v)")
"""The attention products of both orders, as in `layout.operations`."""


class Tally(Protocol):
    """Counts by layer."""

    def reads(self, layer: str, size: int, values: Values | None) -> None:
        """A layer read an input of so many elements a step, over all images; values: None for real ones."""
        ...

    def executes(self, operation: str, synapses: Synapses) -> None:
        """An operation was executed; the attention products of both orders, though one order is."""
        ...

    def emits(self, layer: str, spikes_ST: Integers, neurons: int) -> None:
        """A layer's neurons, so many an image, emitted spikes, by setting and time step, over all images."""
        ...


class Untallied:
    """Is told nothing."""

    def reads(self, layer: str, size: int, values: Values | None) -> None:
        """Nothing is kept."""

    def executes(self, operation: str, synapses: Synapses) -> None:
        """Nothing is kept."""

    def emits(self, layer: str, spikes_ST: Integers, neurons: int) -> None:
        """Nothing is kept."""
