"""Pictures of a network's energy and of its firing rates, with a title, as large as their layers need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.energy.pricing import LayerEnergy
from autospikformer_cli.errors import UserError
from autospikformer_cli.report.energy_layout import groups_of, is_spikformer, part_of
from autospikformer_cli.report.figures import style
from autospikformer_cli.report.figures.rates import FIRING_RATE_LABEL, LayerRates, rate_map
from autospikformer_cli.units import energy_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COSTS = (("compute", "compute_j", ""), ("memory", "memory_j", "////"), ("neurons", "neurons_j", "...."))
"""The parts of a bar: name, field of LayerEnergy, hatch."""
_MOST_PRINTED_STEPS = 24
"""With more time steps, the picture would be too wide for its values."""
_MOST_STEPS = 400
"""The picture does not grow with more time steps."""
_LAYER_MM, _LETTER_MM = 5.3, 1.75
"""Height of a layer's line, and width of a letter of its name."""
_TITLE_PT = 9.0


def bar_chart(path: Path, title: str, layers: Sequence[LayerEnergy]) -> None:
    """Draw joules by layer, first layer on top: bars of compute, memory and neurons, coloured by part of the network.

    path: .png, .svg or .pdf. Raises UserError for another suffix, a missing folder, or a disk that refuses.
    """
    style.require_picture(path)
    if not layers:
        raise UserError("there is no layer to draw", str(path))
    with style.styled():
        names = [layer.name for layer in layers]
        figure = _titled_figure(title, _names_mm(names) + 125.0, 33.0 + _LAYER_MM * len(layers))
        axes = figure.add_subplot()
        unit = energy_unit(layer.energy_j for layer in layers)
        costs = [cost for cost in _COSTS if any(getattr(layer, cost[1]) for layer in layers)] or list(_COSTS[:1])
        parts = _parts(names)
        colours = dict(zip(dict.fromkeys(parts), style.BAR_COLOURS, strict=False))
        ends = [0.0] * len(layers)
        for _, field, hatch in costs:
            widths = [getattr(layer, field) / unit.joules for layer in layers]
            axes.barh(
                range(len(layers)),
                widths,
                left=ends,
                height=0.72,
                color=[colours[part] for part in parts],
                hatch=hatch,
                edgecolor="white",
                linewidth=0.0,
            )
            ends = [end + width for end, width in zip(ends, widths, strict=True)]
        total = sum(layer.energy_j for layer in layers)
        for place, (layer, end) in enumerate(zip(layers, ends, strict=True)):
            shown = _bar_text(layer, unit.number(layer.energy_j), total)
            axes.annotate(shown, (end, place), (4, 0), textcoords="offset points", va="center", fontsize=style.SMALL_PT)
        axes.set_yticks(range(len(layers)), names)
        axes.set_ylim(len(layers) - 0.4, -0.6)
        axes.set_xlim(0, 1.2 * max(ends) or 1.0)
        axes.set_xlabel(f"Energy of one image ({unit.symbol})")
        style.light_grid(axes, "x")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        _legend(axes, colours, [cost[::2] for cost in costs])
        style.save_figure(figure, path)


def heat_map(path: Path, title: str, rates: LayerRates, scale: str = FIRING_RATE_LABEL) -> None:
    """Draw firing rates, layer by time step, as `rate_map` does.

    path: .png, .svg or .pdf. scale: what the colours stand for. Raises UserError as bar_chart does, and if there is no
    rate at all.
    """
    style.require_picture(path)
    steps = max((len(values) for _, values in rates), default=0)
    if not steps:
        raise UserError("there is no firing rate to draw", str(path), "rates by time step are measured, on images")
    printed = steps <= _MOST_PRINTED_STEPS
    cell_mm = max(11.5, 61.0 / steps) if printed else max(3.0, 275.0 / steps)
    width = _names_mm([name for name, _ in rates]) + cell_mm * min(steps, _MOST_STEPS) + 38.0
    with style.styled():
        figure = _titled_figure(title, width, max(63.0, 33.0 + _LAYER_MM * len(rates)))
        rate_map(figure, rates, scale, printed=printed)
        style.save_figure(figure, path)


def _parts(names: Sequence[str]) -> list[str]:
    """Each bar's part, which decides its colour: stem, blocks or head; else its group, if there are enough colours."""
    if is_spikformer(names):
        return [part_of(name) for name in names]
    found = [group.name for group in groups_of(names) for _ in group.places]
    return found if len(set(found)) <= len(style.BAR_COLOURS) else [""] * len(names)


def _bar_text(layer: LayerEnergy, energy: str, total: float) -> str:
    if layer.unpriced:
        return "no figure"
    return f"{energy}, {100.0 * layer.energy_j / total:.1f} %" if total else energy


def _legend(axes: Axes, colours: dict[str, str], costs: Sequence[tuple[str, str]]) -> None:
    """Add a legend: parts by colour and costs by hatch, each if there are several."""
    from matplotlib.patches import Patch

    parts = [Patch(facecolor=colour, label=part or "other") for part, colour in colours.items()]
    hatches = [Patch(facecolor="0.5", edgecolor="white", linewidth=0, hatch=hatch, label=name) for name, hatch in costs]
    handles = [*(parts if len(parts) > 1 else []), *(hatches if len(hatches) > 1 else [])]
    if handles:
        axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(handles))


def _titled_figure(title: str, width_mm: float, height_mm: float) -> Figure:
    from textwrap import fill

    figure = style.blank_figure(width_mm, max(height_mm, 50.0))
    letters = int(figure.get_figwidth() * 13)
    figure.suptitle(fill(title, letters), x=0.01, ha="left", fontsize=_TITLE_PT, fontweight="bold")
    return figure


def _names_mm(names: Sequence[str]) -> float:
    """Width of the longest name, next to the axes."""
    return _LETTER_MM * max(len(name) for name in names)
