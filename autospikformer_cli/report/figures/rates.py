"""Firing rates by layer and time step, as a heat map: of a run's subnet, and for `aspk energy --heatmap`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, isfinite
from string import ascii_uppercase
from textwrap import fill
from typing import TYPE_CHECKING, Any

from autospikformer_cli.errors import UserError
from autospikformer_cli.report.figures import style
from autospikformer_cli.report.figures.subject import FigureSubject
from autospikformer_cli.runs.energy import stored_rates

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

FIRING_RATE_LABEL = "Output firing rate\n(spikes a neuron and step)"
INPUT_RATE = "Mean input value"
"""Labels of a heat map's colour scale: of the neurons that a layer feeds, or of the inputs of a user's module.

The tables of `aspk energy` have input rates. A layer's input is not always one layer's output: it may be a sum.
"""
MOST_PRINTED_STEPS = {"single": 6, "double": 24}
"""With more time steps, the cells of a figure are too narrow for their values."""
MOST_MARKED_STEPS = 24
PRINTED_MM, LETTER_MM, COLOUR_BAR_MM = 6.0, 1.6, 20.0
"""Of panels side by side: width of a cell that has room for its value, of a letter, and of the colour scale."""
LEAST_STEP_MM = 0.2

LayerRates = Sequence[tuple[str, tuple[float, ...]]]
"""Each layer's name, and its rate at each time step."""


def draw_rates(subject: FigureSubject) -> Figure:
    """Of the subnet that was asked for, from the counts that a search stored. Raises UserError if none did."""
    rates = stored_rates(subject.path, subject.subnet, subject.search)
    figure = style.blank_figure(subject.width_mm, max(50.0, 14.0 + 3.4 * len(rates)))
    steps = max(len(values) for _, values in rates)
    rate_map(figure, rates, FIRING_RATE_LABEL, printed=steps <= MOST_PRINTED_STEPS[subject.width])
    return figure


def rate_map(figure: Figure, rates: LayerRates, scale: str, *, printed: bool) -> None:
    """Draw layers by time steps, first layer on top. Steps that a layer does not have stay empty.

    scale: what the colours stand for. printed: whether the values stand in their cells.
    """
    rate_maps(figure, {"": rates}, scale, printed=printed)


def draw_firing(panels: Mapping[str, LayerRates], width_mm: float) -> Figure:
    """Several subnets side by side, by name. All have the same layers; those that one lacks are empty.

    Names stand over the panels. If one is too long for its panel, letters stand there, and the names above them. Raises
    UserError for more subnets than there is room for.
    """
    rates = list(panels.values())
    steps = list(map(_num_steps, rates))
    figure = style.blank_figure(width_mm, max(50.0, 20.0 + 3.4 * len(rates[0])))
    titles = [""] if len(panels) == 1 else list(panels)
    step_mm = _step_mm(width_mm, rates)
    if step_mm < LEAST_STEP_MM:
        what = f"{len(rates)} subnets with {sum(steps)} time steps do not fit into {width_mm:g} mm"
        raise UserError(what, "--figure", "name fewer subnets, or add --width double")
    if any(LETTER_MM * len(title) > step_mm * num for title, num in zip(titles, steps, strict=True)):
        titles = [f"{ascii_uppercase[place % 26]}{place // 26 or ''}" for place in range(len(panels))]
        named = ", ".join(f"{letter}: {name}" for letter, name in zip(titles, panels, strict=True))
        lines = fill(named, int(width_mm / LETTER_MM))
        figure.set_figheight(figure.get_figheight() + 3.6 * (lines.count("\n") + 1) / style.MM_PER_INCH)
        figure.suptitle(lines, x=0.01, ha="left", fontsize=style.SMALL_PT)
    printed = step_mm >= PRINTED_MM
    rate_maps(figure, dict(zip(titles, rates, strict=True)), FIRING_RATE_LABEL, printed=printed)
    return figure


def rate_maps(figure: Figure, panels: Mapping[str, LayerRates], scale: str, *, printed: bool) -> None:
    """Heat maps by name, as `rate_map`, next to each other: the same layers, and one scale of colours.

    A panel is as wide as it has steps.
    """
    import numpy as np

    grids = {name: _grid(rates) for name, rates in panels.items()}
    finite = np.concatenate([grid[np.isfinite(grid)] for grid in grids.values()])
    most = (float(finite.max()) if finite.size else 0.0) or 1.0
    every = figure.subplots(
        1, len(grids), sharey=True, squeeze=False, width_ratios=[g.shape[1] for g in grids.values()]
    )
    step_mm = _step_mm(style.MM_PER_INCH * figure.get_figwidth(), list(panels.values()))
    mesh = None
    for axes, (name, grid) in zip(every.flat, grids.items(), strict=True):
        mesh = _panel(axes, grid, most, printed)
        steps = grid.shape[1]
        every_step = max(1, -(-steps // MOST_MARKED_STEPS), ceil((1.0 + LETTER_MM * len(str(steps))) / step_mm))
        marked = range(0, steps, every_step)
        axes.set_xticks([step + 0.5 for step in marked], [str(step + 1) for step in marked])
        if name:
            axes.set_title(name, loc="left")
    first, names = every.flat[0], [name for name, _ in next(iter(panels.values()))]
    first.set_yticks([place + 0.5 for place in range(len(names))], names)
    if len(grids) > 1:
        figure.supxlabel("Time step", fontsize=style.TEXT_PT)
    else:
        first.set_xlabel("Time step")
    style.colour_bar(figure, mesh, list(every.flat), scale)


def _step_mm(width_mm: float, panels: Sequence[LayerRates]) -> float:
    """The width that a time step has, next to the layers' names and the colour scale."""
    longest = max(len(name) for name, _ in panels[0])
    room_mm = width_mm - LETTER_MM * longest - COLOUR_BAR_MM - 2.0 * len(panels)
    return max(room_mm, 1.0) / sum(map(_num_steps, panels))


def _num_steps(rates: LayerRates) -> int:
    return max(len(values) for _, values in rates)


def _grid(rates: LayerRates) -> NDArray[np.float64]:
    """Layers by time steps; not a number where there is no rate."""
    import numpy as np

    grid = np.full((len(rates), _num_steps(rates)), np.nan)
    for place, (_, values) in enumerate(rates):
        grid[place, : len(values)] = values
    grid[~np.isfinite(grid)] = np.nan
    return grid


def _panel(axes: Axes, grid: NDArray[np.float64], most: float, printed: bool) -> Any:  # matplotlib's QuadMesh
    import numpy as np

    mesh = style.share_map(axes, grid, most, edges=printed)
    if printed:
        for (place, step), value in np.ndenumerate(grid):
            if isfinite(value):
                axes.text(
                    step + 0.5, place + 0.5, _rate_text(value), color=style.letter_colour(value / most),
                    ha="center", va="center", fontsize=style.SMALL_PT,
                )  # fmt: skip
    axes.tick_params(axis="y", length=0)
    return mesh


def _rate_text(rate: float) -> str:
    """A rate without the zero before its point, so that three digits fit into a narrow cell. 0: never, not rounded."""
    if rate == 0:
        return "0"
    return f"{rate:.3f}".removeprefix("0") if rate < 1 else f"{rate:.2f}"
