"""How subnets fire, next to each other: a row a layer, a group of columns a subnet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from autospikformer_cli.measurement import SILENT_RATE
from autospikformer_cli.report.energy_layout import SnugTable, groups_of
from autospikformer_cli.report.figures.rates import LayerRates
from autospikformer_cli.report.provenance import fidelity_notes
from autospikformer_cli.report.tables import MAX_WIDTH, noted, table_of
from autospikformer_cli.runs.selection import selection_notes
from autospikformer_cli.runs.spikes import DEFINITIONS, FiringSubnet, FiringSubnets, NeuronCount
from autospikformer_cli.units import ABSENT, format_share


class Column(NamedTuple):
    """A column of numbers. head: its lines. cells: of every line of the table."""

    head: str
    cells: Sequence[str]

    @property
    def width(self) -> int:
        """Of its longest text, with a blank before it."""
        return 1 + max(map(len, [*self.head.splitlines(), *self.cells]))


class LayerLine(NamedTuple):
    """A line of the table: a layer; or several together, whose sum it is. ends: whether a rule follows."""

    name: str
    layers: tuple[str, ...]
    is_sum: bool = False
    ends: bool = False


@dataclass(frozen=True)
class SpikesTable:
    """Rates, and silent and saturated neurons, of every layer, block and subnet.

    If the subnets do not fit next to each other, first the channels are left out, then a second table follows. steps:
    whether tables of rates by time step follow. verbose: list every switch.
    """

    found: FiringSubnets
    steps: bool = False
    verbose: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render in the fullest layout that fits."""
        yield from self.tables(options.max_width)

    def tables(self, width: int = MAX_WIDTH) -> Iterator[RenderableType]:
        """The tables for a console of so many columns, with the notes under the last."""
        lines = list(_lines(self.found.layers))
        room = min(width, MAX_WIDTH) - max(len(line.name) for line in lines)
        marks = subnet_marks(self.found)
        full = [list(_columns(mark, each, lines)) for mark, each in marks.items()]
        brief = [columns[:3] for columns in full]
        is_full = sum(column.width for columns in full for column in columns) <= room
        left_out = any(len(columns) > 3 for columns in full) and not is_full
        groups = full if is_full else brief
        titled = "Firing of the layers' outputs" + (": spikes a neuron and time step" if not self._measured else "")
        every = [*_tables(titled, self.found.run, lines, groups, room)]
        if self.steps:
            by_step = [[column] for mark, each in marks.items() for column in _steps(mark, each, lines)]
            every += _tables("Firing rate of the layers' outputs by time step", self.found.run, lines, by_step, room)
        yield from every[:-1]
        yield noted(every[-1], [*self._legend(marks), *self._notes(left_out)])

    @property
    def _measured(self) -> bool:
        return any(each.neurons is not None for each in self.found.subnets)

    @property
    def _recalibrated(self) -> bool:
        return self.found.recipe.model.batchnorm == "recalibrate"

    def _legend(self, marks: dict[str, FiringSubnet]) -> Iterator[str]:
        """What each mark stands for, and what is silent of it, as the report counts it."""
        for mark, each in marks.items():
            measured = each.measurement
            candidate = each.selection.candidate
            origin = "" if candidate is None else f", {candidate.id} of search {each.selection.search}"
            name = each.name if each.name == str(each.subnet) else f"{each.name} {each.subnet}"
            yield f"{mark}{': ' if mark else ''}{name}{origin}"
            silent = f"silent layers {len(measured.silent_layers)}, silent blocks {len(measured.silent_blocks)}"
            sources = f"rates {each.counts.source}"
            if each.neuron_source is not None:
                sources += f"; neurons {each.neuron_source}"
            channels = measured.silent_channels if self._recalibrated else ABSENT
            yield f"  {silent}, silent channels {channels}; {sources}, engine {each.counts.engine}"

    def _notes(self, left_out: bool) -> Iterator[str]:
        yield "Rate: of outputs, the spikes of the neurons that a layer feeds, a neuron and time step"
        if self._measured:
            yield from DEFINITIONS
            yield "Silent, Saturated: share of the neurons in percent"
            if left_out:
                yield "not shown at this width: channels; --json has them"
            else:
                yield "Channels: how many have silent neurons only, and how many have saturated neurons only"
        yield f"silent layers and blocks: with a rate below {SILENT_RATE:g}"
        if self._recalibrated:
            yield "silent channels: without variance on the calibration images, as aspk report counts them"
        else:
            yield "silent channels: not known, since BatchNorm is not recalibrated"
        depths = {each.subnet.depth for each in self.found.subnets}
        if len(depths) > 1:
            yield f"{ABSENT}: a subnet has no such layer"
        for split in sorted({each.selection.selected_on for each in self.found.subnets}):
            yield from selection_notes(split)
        yield from fidelity_notes(self.found.recipe, self.verbose)


def subnet_marks(found: FiringSubnets) -> dict[str, FiringSubnet]:
    """A letter for each of several subnets; "" for a single one."""
    if len(found.subnets) == 1:
        return {"": found.subnets[0]}
    letters = (ascii_uppercase[place] if place < 26 else f"S{place + 1}" for place in range(len(found.subnets)))
    return dict(zip(letters, found.subnets, strict=True))


def panels_of(found: FiringSubnets) -> dict[str, LayerRates]:
    """The rates by layer and time step of each subnet, under its name, for a picture of all."""
    panels: dict[str, LayerRates] = {}
    for each in found.subnets:
        rates = dict(each.measurement.operation_rates)
        panels[each.name] = [(name, rates.get(name, ())) for name in found.layers]
    return panels


def _lines(layers: Sequence[str]) -> Iterator[LayerLine]:
    """Every layer; after the stem's and each block's, their sum; the sum of all at the end."""
    for group in groups_of(layers):
        members = tuple(layers[place] for place in group.places)
        yield from (LayerLine(name, (name,)) for name in members)
        yield LayerLine(f"{group.name} in all", members, is_sum=True, ends=True)
    yield LayerLine("all layers", tuple(layers), is_sum=True)


def _columns(mark: str, subnet: FiringSubnet, lines: Sequence[LayerLine]) -> Iterator[Column]:
    """The rate; if its neurons were measured, the shares of silent and saturated ones, and of how many channels all."""
    measured, layers, neurons = subnet.measurement, subnet.layers, subnet.neurons_by_layer
    present = [[name for name in line.layers if name in layers] for line in lines]
    rates = [measured.rate_of([layers[name] for name in names]) if names else None for names in present]
    yield Column(_headed(mark, "Rate"), list(map(format_share, rates)))
    if not neurons:
        return
    totals = [NeuronCount.total([neurons[name] for name in names]) if names else None for names in present]
    for head, field in (("Sil-\nent", "silent"), ("Satu-\nrated", "saturated")):
        cells = [_percent(getattr(total, field), total.neurons) if total else ABSENT for total in totals]
        yield Column(_headed(mark, head), cells)
    pairs = [f"{each.channels_all_silent}, {each.channels_all_saturated}" if each else ABSENT for each in totals]
    yield Column(_headed(mark, "Chan-\nnels"), pairs)


def _steps(mark: str, subnet: FiringSubnet, lines: Sequence[LayerLine]) -> Iterator[Column]:
    """The rate at each of its time steps."""
    images, layers = subnet.measurement.images, subnet.layers
    present = [[layers[name] for name in line.layers if name in layers] for line in lines]
    for step in range(subnet.subnet.time_step):
        cells = [
            format_share(sum(each.spikes[step] for each in found) / (images * sum(each.neurons for each in found)))
            if found
            else ABSENT
            for found in present
        ]
        yield Column(_headed(mark, f"step\n{step + 1}"), cells)


def _headed(mark: str, head: str) -> str:
    """A column's head of two lines, under the mark of its subnet."""
    two = head if "\n" in head else f"\n{head}"
    return f"{mark}\n{two}" if mark else head


def _percent(part: int, whole: int) -> str:
    """A share in percent, in at most four letters."""
    percent = 100.0 * part / whole
    return "100" if part == whole else f"{min(percent, 99.9):.1f}" if part else "0"


def _tables(
    title: str, run: str, lines: Sequence[LayerLine], groups: Sequence[Sequence[Column]], room: int
) -> Iterator[SnugTable]:
    """Tables of as many groups of columns as fit next to each other, one below the other."""
    begun: list[Column] = []
    shown = f"{title}\n{run}"
    for group in groups:
        if begun and sum(column.width for column in (*begun, *group)) > room:
            yield _table(shown, lines, begun)
            begun, shown = [], f"{title}, continued"
        begun = [*begun, *group]
    yield _table(shown, lines, begun)


def _table(title: str, lines: Sequence[LayerLine], columns: Sequence[Column]) -> SnugTable:
    table = table_of(SnugTable, title)
    table.add_column("Layer", no_wrap=True)
    for column in columns:
        table.add_column_of_numbers(column.head)
    for place, line in enumerate(lines):
        cells = [column.cells[place] for column in columns]
        table.add_row(*map(Text, (line.name, *cells)), style="italic" if line.is_sum else None)
        if line.ends:
            table.add_section()
    return table
