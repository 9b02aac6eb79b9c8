"""Pictures of a network's energy and of its firing rates, as PNG or SVG. The same numbers give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autospikformer_cli.atomic_files import explaining_refusal, write_whole
from autospikformer_cli.energy.pricing import LayerEnergy
from autospikformer_cli.errors import UserError
from autospikformer_cli.report.energy_layout import groups_of, is_spikformer, part_of
from autospikformer_cli.units import energy_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SUFFIXES = (".png", ".svg")
_DPI = 150
_MOST_PIXELS = 60_000
"""The longest side of a picture. Matplotlib draws fewer than 2^16 pixels."""
_METADATA: dict[str, dict[str, str | None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
}
_STYLE = {
    "svg.hashsalt": "aspk",
    "svg.fonttype": "none",  # names stay text, which can be found and copied
    "text.parse_math": False,
    "font.size": 9.0,
    "hatch.linewidth": 0.6,
}
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
"""Okabe and Ito's palette, which colour-blind readers can distinguish."""
_COSTS = (("compute", "compute_j", ""), ("memory", "memory_j", "////"), ("neurons", "neurons_j", "...."))
"""The parts of a bar: name, field of LayerEnergy, hatch."""
_MOST_PRINTED_STEPS = 24
"""With more time steps, the cells of a heat map are too narrow for their values."""
FIRING_RATE_LABEL = "Firing rate\n(spikes a neuron and step)"
INPUT_RATE = "Mean input value"
"""Labels of a heat map's colour scale: of spikes, or of the inputs of a user's module."""
_DARK = 0.6
"""Up to this share of the colour scale, letters are white: viridis is dark there."""
_CENTRED: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7}


def bar_chart(path: Path, title: str, layers: Sequence[LayerEnergy]) -> None:
    """Draw joules by layer, first layer on top: bars of compute, memory and neurons, coloured by part of the network.

    path: .png or .svg. Raises UserError for another suffix, a missing folder, or a disk that refuses.
    """
    require_picture(path)
    if not layers:
        raise UserError("there is no layer to draw", str(path))
    with _style():
        names = [layer.name for layer in layers]
        figure = _figure(_inches(names) + 6.2, 1.3 + 0.21 * len(layers))
        axes = figure.add_subplot()
        unit = energy_unit(layer.energy_j for layer in layers)
        costs = [cost for cost in _COSTS if any(getattr(layer, cost[1]) for layer in layers)] or list(_COSTS[:1])
        parts = _parts(names)
        colours = dict(zip(dict.fromkeys(parts), _COLOURS, strict=False))
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
            axes.annotate(shown, (end, place), (4, 0), textcoords="offset points", va="center", fontsize=7.5)
        axes.set_yticks(range(len(layers)), names)
        axes.set_ylim(len(layers) - 0.4, -0.6)
        axes.set_xlim(0, 1.2 * max(ends) or 1.0)
        axes.set_xlabel(f"Energy of one image ({unit.symbol})")
        axes.grid(axis="x", color="0.88", linewidth=0.6)
        axes.set_axisbelow(True)
        _bare(axes)
        _legend(axes, colours, [cost[::2] for cost in costs])
        _title(figure, title)
        _save(figure, path)


def heat_map(
    path: Path, title: str, rates: Sequence[tuple[str, tuple[float, ...]]], scale: str = FIRING_RATE_LABEL
) -> None:
    """Draw firing rates, layer by time step, first layer on top. Steps that a layer does not have stay empty.

    Values are printed in the cells, if they fit. path: .png or .svg. rates: each layer's name, and its rate at each
    step. scale: what the colours stand for. Raises UserError as bar_chart does, and if there is no rate at all.
    """
    import numpy as np

    require_picture(path)
    steps = max((len(values) for _, values in rates), default=0)
    if not steps:
        raise UserError("there is no firing rate to draw", str(path), "rates by time step are measured, on images")
    grid = np.full((len(rates), steps), np.nan)
    for place, (_, values) in enumerate(rates):
        grid[place, : len(values)] = values
    grid[~np.isfinite(grid)] = np.nan
    with _style():
        names = [name for name, _ in rates]
        printed = steps <= _MOST_PRINTED_STEPS
        cell = max(0.45, 2.4 / steps) if printed else max(0.12, 10.8 / steps)
        figure = _figure(_inches(names) + cell * min(steps, 400) + 1.5, max(2.5, 1.3 + 0.21 * len(rates)))
        axes = figure.add_subplot()
        most = float(np.nanmax(grid)) if np.isfinite(grid).any() else 0.0
        mesh = axes.pcolormesh(np.ma.masked_invalid(grid), cmap="viridis", vmin=0.0, vmax=most or 1.0)
        if printed:
            mesh.set(edgecolor="white", linewidth=0.5)
            for (place, step), value in np.ndenumerate(grid):
                if isfinite(value):
                    colour = "white" if value <= _DARK * (most or 1.0) else "black"
                    axes.text(step + 0.5, place + 0.5, _rate_text(value), color=colour, **_CENTRED)
        axes.set_ylim(len(rates), 0)
        axes.set_yticks([place + 0.5 for place in range(len(rates))], names)
        every = max(1, -(-steps // _MOST_PRINTED_STEPS))
        marked = range(0, steps, every)
        axes.set_xticks([step + 0.5 for step in marked], [str(step + 1) for step in marked])
        axes.set_xlabel("Time step")
        _bare(axes)
        bar = figure.colorbar(mesh, ax=axes, fraction=0.05, pad=0.02, aspect=30)
        bar.set_label(scale)
        bar.outline.set_visible(False)
        _title(figure, title)
        _save(figure, path)


def _parts(names: Sequence[str]) -> list[str]:
    """Each bar's part, which decides its colour: stem, blocks or head; else its group, if there are enough colours."""
    if is_spikformer(names):
        return [part_of(name) for name in names]
    found = [group.name for group in groups_of(names) for _ in group.places]
    return found if len(set(found)) <= len(_COLOURS) else [""] * len(names)


def _bar_text(layer: LayerEnergy, energy: str, total: float) -> str:
    if layer.unpriced:
        return "no figure"
    return f"{energy}, {100.0 * layer.energy_j / total:.1f} %" if total else energy


def _rate_text(rate: float) -> str:
    """A rate without the zero before its point, so that three digits fit into a narrow cell."""
    return f"{rate:.3f}".removeprefix("0") if rate < 1 else f"{rate:.2f}"


def _legend(axes: Axes, colours: dict[str, str], costs: Sequence[tuple[str, str]]) -> None:
    """Add a legend: parts by colour and costs by hatch, each if there are several."""
    from matplotlib.patches import Patch

    parts = [Patch(facecolor=colour, label=part or "other") for part, colour in colours.items()]
    hatches = [Patch(facecolor="0.5", edgecolor="white", linewidth=0, hatch=hatch, label=name) for name, hatch in costs]
    handles = [*(parts if len(parts) > 1 else []), *(hatches if len(hatches) > 1 else [])]
    if handles:
        axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(handles), frameon=False)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, max(height, 2.0)), layout="constrained")


def _inches(names: Sequence[str]) -> float:
    """Width of the longest name, next to the axes."""
    return 0.085 * max(len(name) for name in names)


def _title(figure: Figure, title: str) -> None:
    from textwrap import fill

    letters = int(figure.get_figwidth() * 11)
    figure.suptitle(fill(title, letters), x=0.01, ha="left", fontsize=10.5, fontweight="bold")


def _bare(axes: Axes) -> None:
    """Remove the frame, and the marks at the layers."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


@contextmanager
def _style() -> Iterator[None]:
    """Draw with matplotlib's defaults and ours, whatever the user's matplotlibrc says. Restores the style."""
    from matplotlib import style

    with style.context(["default", _STYLE]):
        yield


def require_pictures(*paths: Path | None) -> None:
    """Raises UserError for a path that cannot hold a picture, and for two equal paths."""
    given = [path for path in paths if path is not None]
    for path in given:
        require_picture(path)
    if len({path.resolve() for path in given}) < len(given):
        raise UserError("two pictures cannot have one file", str(given[0]), "name another file for one of them")


def require_picture(path: Path) -> None:
    """Raises UserError for a path that cannot hold a picture."""
    if path.suffix.lower() not in _SUFFIXES:
        what = f"a picture is written as {' or '.join(_SUFFIXES)}, not as {path.suffix or 'a file without a suffix'}"
        raise UserError(what, str(path), f"write {path.with_suffix('.png')} or {path.with_suffix('.svg')}")
    if not path.parent.is_dir():
        raise UserError(f"there is no folder {path.parent}", str(path), f"make it first: mkdir -p {path.parent}")


def _save(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all. Raises UserError if the disk refuses."""
    suffix = path.suffix.lower()
    picture = BytesIO()
    dpi = min(_DPI, int(_MOST_PIXELS / max(figure.get_size_inches())))
    figure.savefig(picture, format=suffix.removeprefix("."), dpi=dpi, metadata=_METADATA[suffix])
    with explaining_refusal(path, "make room or allow writing there"):
        write_whole(path, picture.getvalue())
