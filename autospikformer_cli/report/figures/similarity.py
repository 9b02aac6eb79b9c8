"""How similar the embedding's channels are (the paper's Figure 1B), as `aspk analyze channels` measured it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autospikformer_cli.analysis.redundancy import Floats, most_and_least
from autospikformer_cli.errors import UserError
from autospikformer_cli.report.figures import style
from autospikformer_cli.report.figures.subject import FigureSubject
from autospikformer_cli.store.similarity import load_similarity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

CHANNELS_SHOWN = 20
"""Most similar channels, and as many of the least similar ones (paper, Section 3)."""
LABEL_PT = 1.15 * style.SMALL_PT
"""Height of a line of labels."""


def draw_similarity(subject: FigureSubject) -> Figure:
    """What `aspk analyze channels` stored. Raises UserError if that is nothing, or of weights before more training."""
    matrix = load_similarity(subject.path).matrix
    if len(matrix) < 2:
        raise UserError("a single channel is similar to no other", str(subject.path))
    return similarity_map(matrix, subject.width_mm)


def similarity_map(matrix: Floats, width_mm: float) -> Figure:
    """SSIM of every pair of these channels, in their own order. The strips say to which of the two groups they belong.

    matrix: of all channels, at least two.
    """
    import numpy as np

    most, least = (set(map(int, group)) for group in most_and_least(matrix, min(CHANNELS_SHOWN, len(matrix) // 2)))
    channels = sorted(most | least)
    side = width_mm - 22.0
    figure = style.blank_figure(width_mm, side + 8.0)
    axes = figure.add_subplot()
    grid = matrix[np.ix_(channels, channels)]
    mesh = style.share_map(axes, grid, 1.0, min(0.0, float(grid.min())))
    axes.set_aspect("equal")
    groups = _strips(axes, channels, most)
    points = side * 72.0 / style.MM_PER_INCH / len(channels)
    every = max(1, int(-(-LABEL_PT // points)))
    marked = range(0, len(channels), every)
    places, names = [place + 0.5 for place in marked], [str(channels[place]) for place in marked]
    axes.set_xticks(places, names, rotation=90)
    axes.set_yticks(places, names)
    axes.tick_params(length=2)
    label = "Channel" if every == 1 else f"Channel (1 of {every} has its number)"
    axes.set_xlabel(label)
    axes.set_ylabel(label)
    style.colour_bar(figure, mesh, axes, "Structural similarity (SSIM)")
    style.legend_above(figure, groups)
    return figure


def _strips(axes: Axes, channels: list[int], most: set[int]) -> list[Patch]:
    """A dark or a light square at each channel, over the map and to its right. Returns what the colours mean."""
    from matplotlib.patches import Patch, Rectangle

    wide = len(channels) / 40
    for place, channel in enumerate(channels):
        colour = style.INK if channel in most else style.ORANGE
        for corner, size in (((place, -1.6 * wide), (1, wide)), ((len(channels) + 0.6 * wide, place), (wide, 1))):
            axes.add_patch(Rectangle(corner, *size, facecolor=colour, linewidth=0, clip_on=False))
    axes.set_xlim(0, len(channels) + 1.6 * wide)
    axes.set_ylim(len(channels), -1.6 * wide)
    groups = {"most similar": style.INK, "least similar": style.ORANGE}
    return [Patch(facecolor=colour, label=f"{len(channels) // 2} {name}") for name, colour in groups.items()]
