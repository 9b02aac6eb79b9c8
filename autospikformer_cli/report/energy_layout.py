"""How tables and charts of energies are laid out: operations in groups, columns that move closer before names fold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement

from autospikformer_cli.report.tables import MAX_WIDTH, PageTable
from autospikformer_cli.units import ABSENT, EnergyUnit, energy_unit, format_count

PARTS = {"patch_embed": "stem", "block": "blocks", "head": "head"}
"""How the first word of an operation's name (Spikformer's state dict) says which part it belongs to."""
_SPIKFORMER = re.compile(r"(patch_embed\.|block\.\d+\.|head(\.|$))")
_LEAST_GROUPS = 2
"""So many groups of several members make grouping by first words worth it."""
_UNLIMITED = 10_000


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring operations, by their places in the network.

    name: "stem", "block 0", "features"; "" for operations that stand alone. part: of a Spikformer, "stem", "blocks" or
    "head", which several groups are summed to; else "". labels: the operations' names, without what `name` says.
    """

    name: str
    part: str
    places: range
    labels: tuple[str, ...]


def groups_of(names: Sequence[str]) -> list[Group]:
    """Operations by stem, each block and head; of another network by the first word of their names, where that helps.

    >>> [group.name for group in groups_of(["patch_embed.conv", "patch_embed.rpe_conv", "block.0.fc1", "head"])]
    ['stem', '']
    """
    spikformer = is_spikformer(names)
    runs = [list(run) for _, run in groupby(enumerate(names), key=lambda named: _key(named[1], spikformer))]
    if not spikformer and sum(len(run) > 1 for run in runs) < _LEAST_GROUPS:
        return [Group("", "", range(len(names)), tuple(names))] if names else []
    found: list[Group] = []
    for run in runs:
        places = range(run[0][0], run[-1][0] + 1)
        key = _key(names[places.start], spikformer)
        if len(places) > 1:
            labels = tuple(names[place][len(key) + 1 :] for place in places)
            name = _spoken(key) if spikformer else key
            found.append(Group(name, part_of(key) if spikformer else "", places, labels))
        elif found and not found[-1].name:
            single = found.pop()
            both = range(single.places.start, places.stop)
            found.append(Group("", "", both, (*single.labels, names[places.start])))
        else:
            found.append(Group("", "", places, (names[places.start],)))
    return found


def is_spikformer(names: Sequence[str]) -> bool:
    """Whether all operations are named as Spikformer's: patch_embed, blocks with a number, head."""
    return all(_SPIKFORMER.match(name) for name in names)


def part_of(name: str) -> str:
    """The part of the network that an operation belongs to: stem, blocks or head; else the first word of its name."""
    word = name.split(".", 1)[0]
    return PARTS.get(word, word)


def _key(name: str, spikformer: bool) -> str:
    """What the members of a group have in common: the first word; of a block its number too."""
    words = name.split(".")
    return ".".join(words[:2]) if spikformer and words[0] == "block" else words[0]


def _spoken(key: str) -> str:
    return key.replace("patch_embed", "stem").replace(".", " ")


class SnugTable(PageTable):
    """A table as all of the reports use it, but its columns move closer where they would not fit otherwise."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render as rich does, with two blanks between columns where there is room, else one."""
        room = min(options.max_width, MAX_WIDTH)
        self.padding = (0, 1)
        if Measurement.get(console, options.update(max_width=_UNLIMITED), self).maximum > room:
            self.padding = (0, 0)
        return super().__rich_console__(console, options)

    def add_column_of_numbers(self, head: str) -> None:
        """A column that is never folded, at the right."""
        self.add_column(head, justify="right", no_wrap=True)


def short_count(count: float | None) -> str:
    """A count without a blank before its prefix, for tables of many columns; a dash where there is none.

    >>> short_count(4_684_000)
    '4.684M'
    """
    return ABSENT if count is None else format_count(count).replace(" ", "")


def finer_unit(energies_j: Iterable[float]) -> EnergyUnit:
    """The unit of energies that are compared: one decimal more than the largest needs, since some are much smaller."""
    unit = energy_unit(energies_j)
    return replace(unit, decimals=unit.decimals + 1)


def share_percent(part: float | None, whole: float) -> str:
    """Percent of a whole; a dash where there is no part or no whole."""
    return ABSENT if part is None or not whole else f"{100.0 * part / whole:.1f}"


def times(energy_j: float | None, reference_j: float | None) -> str:
    """How many times a reference an energy is; a dash where one of them is not there."""
    return ABSENT if energy_j is None or not reference_j else f"{energy_j / reference_j:.2f}"
