"""Layout of energy tables and charts: operations in groups, and columns that move closer before names fold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement

from autospikformer_cli.report.tables import MAX_WIDTH, PageTable
from autospikformer_cli.units import ABSENT, EnergyUnit, energy_unit, format_count, json_number

PARTS = {"patch_embed": "stem", "block": "blocks", "head": "head"}
"""The first word of an operation's name (Spikformer's state dict) -> the part of the network."""
_SPIKFORMER = re.compile(r"(patch_embed\.|block\.\d+\.|head(\.|$))")
_LEAST_GROUPS = 2
"""With fewer groups of several members, operations are not grouped by their first words."""
_UNLIMITED = 10_000


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring operations, by their places in the network.

    name: such as "stem", "block 0" or "features"; "" for operations without a group. part: "stem", "blocks" or "head"
    of a Spikformer, else ""; groups of one part are summed.
    """

    name: str
    part: str
    places: range


def groups_of(names: Sequence[str]) -> list[Group]:
    """Operations by stem, block and head; in other networks by the first word of their names, if that makes groups.

    >>> [group.name for group in groups_of(["patch_embed.conv", "patch_embed.rpe_conv", "block.0.fc1", "head"])]
    ['stem', '']
    """
    spikformer = is_spikformer(names)
    runs = [list(run) for _, run in groupby(enumerate(names), key=lambda named: _key(named[1], spikformer))]
    if not spikformer and sum(len(run) > 1 for run in runs) < _LEAST_GROUPS:
        return [Group("", "", range(len(names)))] if names else []
    found: list[Group] = []
    for run in runs:
        places = range(run[0][0], run[-1][0] + 1)
        key = _key(names[places.start], spikformer)
        if len(places) > 1:
            name = _spoken(key) if spikformer else key
            found.append(Group(name, part_of(key) if spikformer else "", places))
        elif found and not found[-1].name:
            single = found.pop()
            found.append(Group("", "", range(single.places.start, places.stop)))
        else:
            found.append(Group("", "", places))
    return found


def is_spikformer(names: Sequence[str]) -> bool:
    """Whether all operations have names like Spikformer's: patch_embed, blocks with a number, head."""
    return all(_SPIKFORMER.match(name) for name in names)


def part_of(name: str) -> str:
    """The part of the network with an operation: stem, blocks or head; else the first word of its name."""
    word = name.split(".", 1)[0]
    return PARTS.get(word, word)


def _key(name: str, spikformer: bool) -> str:
    """The beginning that the names of a group share: the first word, and the number of a block."""
    words = name.split(".")
    return ".".join(words[:2]) if spikformer and words[0] == "block" else words[0]


def _spoken(key: str) -> str:
    return key.replace("patch_embed", "stem").replace(".", " ")


class SnugTable(PageTable):
    """A table of the reports whose columns move closer if they would not fit otherwise."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render as rich does, with two blanks between columns if they fit, else one."""
        room = min(options.max_width, MAX_WIDTH)
        self.padding = (0, 1)
        if Measurement.get(console, options.update(max_width=_UNLIMITED), self).maximum > room:
            self.padding = (0, 0)
        return super().__rich_console__(console, options)

    def add_column_of_numbers(self, head: str) -> None:
        """Add a column of numbers, aligned to the right and never folded."""
        self.add_column(head, justify="right", no_wrap=True)


def short_count(count: float | None) -> str:
    """A count without a blank before its prefix, for tables with many columns; a dash for None.

    >>> short_count(4_684_000)
    '4.684M'
    """
    return ABSENT if count is None else format_count(count).replace(" ", "")


def finer_unit(energies_j: Iterable[float]) -> EnergyUnit:
    """A unit for energies that are compared, with one more decimal than the largest needs: others are much smaller."""
    unit = energy_unit(energies_j)
    return replace(unit, decimals=unit.decimals + 1)


def share_percent(part: float | None, whole: float) -> str:
    """Percent of a whole; a dash if the part is not known or the whole is 0."""
    part = json_number(part)
    return ABSENT if part is None or not whole else f"{100.0 * part / whole:.1f}"


def times(energy_j: float | None, reference_j: float | None) -> str:
    """An energy as a multiple of a reference; a dash if either is not known."""
    energy_j, reference_j = json_number(energy_j), json_number(reference_j)
    return ABSENT if energy_j is None or not reference_j else f"{energy_j / reference_j:.2f}"
