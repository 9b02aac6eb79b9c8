"""Firing rates by layer and time step, as a heat map: of a run's subnet, and for `aspk energy --heatmap`."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

from autospikformer_cli.report.figures import style
from autospikformer_cli.report.figures.subject import FigureSubject
from autospikformer_cli.runs.energy import stored_rates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIRING_RATE_LABEL = "Firing rate\n(spikes a neuron and step)"
INPUT_RATE = "Mean input value"
"""Labels of a heat map's colour scale: of spikes, or of the inputs of a user's module."""
MOST_PRINTED_STEPS = {"single": 6, "double": 24}
"""With more time steps, the cells of a figure are too narrow for their values."""
MOST_MARKED_STEPS = 24

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
    import numpy as np

    steps = max(len(values) for _, values in rates)
    grid = np.full((len(rates), steps), np.nan)
    for place, (_, values) in enumerate(rates):
        grid[place, : len(values)] = values
    grid[~np.isfinite(grid)] = np.nan
    axes = figure.add_subplot()
    most = (float(np.nanmax(grid)) if np.isfinite(grid).any() else 0.0) or 1.0
    mesh = style.share_map(axes, grid, most, edges=printed)
    if printed:
        for (place, step), value in np.ndenumerate(grid):
            if isfinite(value):
                axes.text(
                    step + 0.5, place + 0.5, _rate_text(value), color=style.letter_colour(value / most),
                    ha="center", va="center", fontsize=style.SMALL_PT,
                )  # fmt: skip
    axes.set_yticks([place + 0.5 for place in range(len(rates))], [name for name, _ in rates])
    axes.tick_params(axis="y", length=0)
    marked = range(0, steps, max(1, -(-steps // MOST_MARKED_STEPS)))
    axes.set_xticks([step + 0.5 for step in marked], [str(step + 1) for step in marked])
    axes.set_xlabel("Time step")
    style.colour_bar(figure, mesh, axes, scale)


def _rate_text(rate: float) -> str:
    """A rate without the zero before its point, so that three digits fit into a narrow cell."""
    return f"{rate:.3f}".removeprefix("0") if rate < 1 else f"{rate:.2f}"
