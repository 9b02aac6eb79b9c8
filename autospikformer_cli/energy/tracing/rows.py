"""From the calls of a place to rows: one for each kind of input that they read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from autospikformer_cli.energy.tracing.modules import Place, Use
from autospikformer_cli.energy.tracing.operators import Axes, Operand
from autospikformer_cli.spiking.layout import InputKind, Kind, Stored

Content = Literal["spikes", "real"]
"""What a factor of a call holds: whole numbers, or others."""
Input = tuple[int, InputKind, Stored]
"""The index of the factor that is the input, its kind, and what it meets."""


@dataclass(frozen=True)
class Row:
    """Calls of a place that read one kind of input.

    steps: how often they run for one image, with `uses` spread evenly over them. runs_a_step: see Operation.
    """

    place: Place
    uses: tuple[Use, ...]
    read: Input
    steps: int
    runs_a_step: Fraction

    @property
    def operands(self) -> list[Operand]:
        """The input of every call."""
        return [use.call.operands[self.read[0]] for use in self.uses]

    @property
    def norm(self) -> str:
        """The BatchNorm that reads the output; "" for none."""
        return next((use.norm for use in self.uses if use.norm), "")

    @property
    def fires(self) -> bool:
        """Whether neurons read the output."""
        return any(use.fires for use in self.uses)

    @property
    def whole_sequences(self) -> bool:
        """Whether every call covers all time steps."""
        return all(use.call.order != "none" for use in self.uses)

    def total(self, part: str) -> int:
        """The sum of a number of all calls: macs, reached_macs, outputs."""
        return _total(self.uses, part)

    @property
    def inputs(self) -> int:
        """Elements that all calls read."""
        return sum(operand.elements for operand in self.operands)

    def is_alike(self, images: int) -> bool:
        """Whether the work is the same for every image."""
        return not any(size % images for size in _sizes(self.uses, self.read[0]))


def rows_of(place: Place, axes: Axes) -> list[Row]:
    """A row for each kind of input, in the order of their first calls.

    Each call on real values, or on whole numbers, belongs to a row of its own kind. Whole numbers are spikes (0 and 1)
    or sums of spikes. Only all calls of one line of code show which of them: a sum that happens to be 0 or 1 is a sum.
    An input without any value but 0 has the kind of the others.
    """
    reads = _reads(place)
    if len(set(reads)) == 1:
        uses, read = tuple(place.uses), reads[0]
        return [Row(place, uses, read, _steps(uses, read[0], axes), Fraction(1))]
    found: dict[Input, list[Use]] = {}
    for use, read in zip(place.uses, reads, strict=True):
        found.setdefault(read, []).append(use)
    whole = _steps(place.uses, 0, axes)
    return [_row(place, tuple(uses), read, whole, axes) for read, uses in found.items()]


def _row(place: Place, uses: tuple[Use, ...], read: Input, whole: int, axes: Axes) -> Row:
    """A row of several. Only together, the calls of all kinds may cover the time steps."""
    steps = _steps(uses, read[0], axes)
    if steps == whole or whole == 1:
        return Row(place, uses, read, steps, Fraction(1))
    even = not any(size % (len(uses) * axes.images) for size in _sizes(uses, read[0]))
    steps = len(uses) if even else 1
    return Row(place, uses, read, steps, Fraction(steps, axes.steps))


def _reads(place: Place) -> list[Input]:
    """The input of every call. Calls on real values are judged together, those on whole numbers by line of code."""
    loud = [any(operand.nonzeros for operand in use.call.operands) for use in place.uses]
    kinds = _values_of_calls(place.uses)
    lines = {kind: use.site for use, kind, heard in zip(place.uses, kinds, loud, strict=True) if heard}
    keys = [
        (kind, () if "real" in kind else use.site if heard else lines.get(kind, ()))
        for use, kind, heard in zip(place.uses, kinds, loud, strict=True)
    ]
    groups: dict[tuple[object, ...], list[Use]] = {}
    for key, use in zip(keys, place.uses, strict=True):
        groups.setdefault(key, []).append(use)
    reads = {key: _input(place.kind, uses) for key, uses in groups.items()}
    return [reads[key] for key in keys]


def _steps(uses: Sequence[Use], index: int, axes: Axes) -> int:
    """T for calls that run at every time step, else 1."""
    covers = all(use.call.order != "none" for use in uses) or len(uses) % axes.steps == 0
    uneven = any(size % (axes.steps * axes.images) for size in _sizes(uses, index))
    return axes.steps if covers and not uneven else 1


def _sizes(uses: Sequence[Use], index: int) -> tuple[int, ...]:
    totals = (_total(uses, part) for part in ("macs", "reached_macs", "outputs"))
    return *totals, sum(use.call.operands[index].elements for use in uses)


def _total(uses: Sequence[Use], part: str) -> int:
    return sum(getattr(use.call, part) for use in uses)


def _values_of_calls(uses: Sequence[Use]) -> list[tuple[Content, ...]]:
    """What each factor of each call holds. A factor of nothing but 0 goes with spikes, if any other call has them."""
    factors = list(zip(*(use.call.operands for use in uses), strict=True))
    silent: list[Content] = []
    for factor in factors:
        loud = [_values(operand) for operand in factor if operand.nonzeros]
        silent.append("real" if loud and "spikes" not in loud else "spikes")
    return [
        tuple(
            _values(operand) if operand.nonzeros else default
            for operand, default in zip(use.call.operands, silent, strict=True)
        )
        for use in uses
    ]


def _values(operand: Operand) -> Content:
    return "spikes" if operand.whole else "real"


def _input(kind: Kind, uses: Sequence[Use]) -> Input:
    """Of two activations, the first that holds spikes is the input."""
    factors = list(zip(*(use.call.operands for use in uses), strict=True))

    def each(test: Callable[[Sequence[Operand]], bool]) -> list[bool]:
        return [test(factor) for factor in factors]

    binary = each(lambda factor: all(operand.binary for operand in factor))
    whole = each(lambda factor: all(operand.whole for operand in factor))
    made = each(lambda factor: any(operand.product for operand in factor))
    spikes = [found and not product for found, product in zip(binary, made, strict=True)]
    # In a quiet network q k^T may hold only 0 and 1. It is a stored operand all the same.
    index = next((found.index(True) for found in (spikes, binary, whole) if any(found)), 0)
    read: InputKind = "binary" if binary[index] else "integer" if whole[index] else "real"
    if kind != "attention":
        return index, read, "weights"
    return index, read, "spikes" if all(spikes) else "sums"
