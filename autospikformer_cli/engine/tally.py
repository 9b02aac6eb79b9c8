"""What a forward pass counts while it computes, and who takes the counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol


class StepCounts(Protocol):
    """Whole numbers, int64: an array, or a tensor that stays on its device. Both add, multiply and slice alike."""

    def __add__(self, other: Any, /) -> Any: ...
    def __mul__(self, other: Any, /) -> Any: ...
    def __floordiv__(self, other: Any, /) -> Any: ...
    def __getitem__(self, which: Any, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def sum(self) -> Any: ...


class Values(NamedTuple):
    """What one layer read, by time step, over all images, (T,) each.

    sums: of the values.
    nonzeros: how many values are not 0.
    """

    sums: StepCounts
    nonzeros: StepCounts


class Synapses(NamedTuple):
    """What one operation did, by time step, over all images, (T,) each.

    events: synaptic events: each input value times the outputs that it reaches (fewer at a convolution's border).
    passes: weights visited: a value n visits each once. For attention products, the events.
    """

    events: StepCounts
    passes: StepCounts


PRODUCTS = ("q@k", "(q@k)@v", "k@v", "q@(k@v)")
"""The attention products of both orders, as in `layout.operations`."""


class Tally(Protocol):
    """Takes the exact counts of a forward pass, by layer."""

    def reads(self, layer: str, size: int, values: Values | None) -> None:
        """A layer read an input.

        size: elements of one time step, over all images.
        values: None for real ones.
        """
        ...

    def executes(self, operation: str, synapses: Synapses) -> None:
        """An operation was executed. Attention reports the products of both orders, though it executes one."""
        ...

    def emits(self, layer: str, spikes_ST: StepCounts, neurons: int) -> None:
        """A layer's neurons emitted spikes.

        spikes_ST: spikes by setting and time step, over all images.
        neurons: of one image.
        """
        ...


class Untallied:
    """A tally that ignores everything."""

    def reads(self, layer: str, size: int, values: Values | None) -> None:
        """Ignored."""

    def executes(self, operation: str, synapses: Synapses) -> None:
        """Ignored."""

    def emits(self, layer: str, spikes_ST: StepCounts, neurons: int) -> None:
        """Ignored."""
