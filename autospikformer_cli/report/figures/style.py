"""How every picture looks, and how it is saved: PNG, SVG or PDF. The same numbers give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from autospikformer_cli.atomic_files import explaining_refusal, try_writing, write_whole
from autospikformer_cli.errors import UserError
from autospikformer_cli.store.targets import require_parent
from autospikformer_cli.wording import choice_near

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

FigureWidth = Literal["single", "double"]
WIDTHS_MM: dict[FigureWidth, float] = {"single": 85.0, "double": 174.0}
"""Widths of one and of two columns of a journal's page."""
MM_PER_INCH = 25.4
TEXT_PT, SMALL_PT = 8.0, 7.0
"""Sizes of text: labels of axes; and ticks, legends and values."""

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILLION, YELLOW, INK = "#56B4E9", "#D55E00", "#F0E442", "#000000"
"""Okabe and Ito's palette, which colour-blind readers can distinguish."""
BACKGROUND = "#BDBDBD"
"""Of points that only say where the rest is."""
BAR_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, YELLOW)
"""Of bars, which have their names next to them."""
SERIES = (BLUE, ORANGE, INK)
"""Of lines and clouds in one picture. Their lightness differs, so they can be told apart in grey."""
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "^", "s", "D")
SHARES = "viridis"
"""The colour scale of heat maps. It grows lighter from end to end, so it can be read in grey."""
DARK = 0.43
"""Up to this share of SHARES, letters are white."""
MOST_VECTORS = 2000
"""Of more points, an SVG or PDF has one embedded image: a viewer would take seconds for so many shapes."""

PICTURE_SUFFIXES = (".png", ".svg", ".pdf")
_DPI = 300
_KEY_MM, _LETTER_MM, _LINE_MM = 11.0, 1.45, 3.6
"""Width of a legend's key with the space around it; of a letter of SMALL_PT; height of a line."""
_USUAL_LINES = 4
"""Lines of a legend that figures have the height for."""
_MOST_PIXELS = 60_000
"""The longest side of a picture. Matplotlib draws fewer than 2^16 pixels."""
_METADATA: dict[str, dict[str, str | None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_REMEDY = "make room or allow writing there"
_STYLE: dict[str, Any] = {
    "svg.hashsalt": "aspk",
    "svg.fonttype": "none",  # names stay text, which can be found and copied
    "pdf.fonttype": 42,  # TrueType, which journals ask for
    "text.parse_math": False,
    "font.size": TEXT_PT,
    "axes.titlesize": TEXT_PT,
    "axes.labelsize": TEXT_PT,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "legend.fontsize": SMALL_PT,
    "legend.frameon": False,
    "legend.borderpad": 0.0,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.2,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.6,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save with matplotlib's defaults and ours, whatever the user's matplotlibrc says. Restores the style."""
    from matplotlib import style

    with style.context(["default", _STYLE]):
        yield


def blank_figure(width_mm: float, height_mm: float) -> Figure:
    """A figure of exactly that size. What is drawn fills it to its edges, and nothing is cut off."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH), layout="constrained")


def light_grid(axes: Axes, which: Literal["both", "x", "y"] = "both") -> None:
    """Thin grey lines under the data, at the ticks."""
    axes.grid(axis=which, color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)


def legend_above(figure: Figure, handles: Sequence[Artist], columns: int = 2) -> None:
    """A legend over the axes, where it hides no data, filled column by column.

    Names too long for that share one column, and are wrapped. With many lines the figure grows, and its axes do not
    shrink.
    """
    from textwrap import fill

    names = [str(handle.get_label()) for handle in handles]
    width_mm = figure.get_figwidth() * MM_PER_INCH
    parts = _columns(names, columns)
    if sum(_KEY_MM + _LETTER_MM * max(map(len, part)) for part in parts) > width_mm:
        names = [fill(name, int((width_mm - _KEY_MM) / _LETTER_MM)) for name in names]
        columns, parts = 1, [names]
    lines = max(sum(name.count("\n") + 1 for name in part) for part in parts)
    figure.set_figheight(figure.get_figheight() + max(0, lines - _USUAL_LINES) * _LINE_MM / MM_PER_INCH)
    figure.legend(handles=handles, labels=names, loc="outside upper left", ncols=columns)


def _columns(names: list[str], columns: int) -> list[list[str]]:
    """The names as a legend divides them into columns."""
    rows = -(-len(names) // columns)
    return [names[at : at + rows] for at in range(0, len(names), rows)]


def line_of(number: int) -> tuple[str, str]:
    """Colour and dash of a line in one picture, numbered from 0: no two of the first 12 are the same."""
    turn, place = divmod(number, len(SERIES))
    return SERIES[place], DASHES[(place + turn) % len(DASHES)]


def labelled(axes: Axes) -> list[Artist]:
    """What was drawn with a label, for a legend."""
    return list(axes.get_legend_handles_labels()[0])


def letter_colour(share: float) -> str:
    """Black or white, whichever can be read on SHARES at `share` of it, 0 to 1."""
    return "white" if share <= DARK else "black"


def share_map(
    axes: Axes, grid: NDArray[Any], most: float, least: float = 0.0, *, edges: bool = False
) -> Any:  # matplotlib's QuadMesh
    """A heat map of `grid`, its first row on top. Cells that are not finite stay empty."""
    import numpy as np

    mesh = axes.pcolormesh(np.ma.masked_invalid(grid), cmap=SHARES, vmin=least, vmax=most)
    mesh.set_rasterized(grid.size > MOST_VECTORS)
    if edges:
        mesh.set(edgecolor="white", linewidth=0.5)
    else:
        mesh.set(edgecolor="face", linewidth=0.2)  # without it, viewers of SVG show white lines between cells
    axes.set_ylim(grid.shape[0], 0)
    axes.spines[:].set_visible(False)
    return mesh


def colour_bar(figure: Figure, mesh: Any, axes: Any, label: str, location: Literal["right", "top"] = "right") -> None:
    """The scale of heat maps, next to them or over them."""
    bar = figure.colorbar(mesh, ax=axes, location=location, fraction=0.05, pad=0.02, aspect=30)
    bar.set_label(label)
    bar.outline.set_visible(False)


def require_pictures(*paths: Path | None) -> None:
    """Raises UserError for a path that cannot hold a picture, and for two equal paths."""
    given = [path for path in paths if path is not None]
    for path in given:
        require_picture(path)
    if len({path.resolve() for path in given}) < len(given):
        raise UserError("two pictures cannot have one file", str(given[0]), "name another file for one of them")


def require_picture(path: Path) -> None:
    """Raises UserError for a path that cannot hold a picture, before anything is computed for it."""
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        known = f"{', '.join(PICTURE_SUFFIXES[:-1])} or {PICTURE_SUFFIXES[-1]}"
        what = f"a picture is written as {known}, not as {path.suffix or 'a file without a suffix'}"
        named = path if path.name.strip(".") else path / "picture"
        written = [str(named.with_suffix(suffix)) for suffix in PICTURE_SUFFIXES]
        raise UserError(what, str(path), f"write {', '.join(written[:-1])} or {written[-1]}")
    require_parent(path, str(path))
    if path.is_dir():
        raise UserError("a folder of this name is there", str(path), "name another file")
    with explaining_refusal(path, _REMEDY):
        try_writing(path)


def width_named(name: str | None) -> FigureWidth:
    """The width that --width names, single by default. Raises UserError if there is none."""
    found = next((width for width in WIDTHS_MM if width == (name or "single")), None)
    if found is None:
        raise UserError(f"{name!r} is no width", "--width", choice_near(str(name), WIDTHS_MM))
    return found


def size_mm(figure: Figure) -> tuple[float, float]:
    """Width and height of a figure."""
    width, height = (round(MM_PER_INCH * float(side), 1) for side in figure.get_size_inches())
    return width, height


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all. Raises UserError if the disk refuses.

    Saving lays a figure out for its format, and a second layout begins where the first one ended. So a copy is saved:
    each file is the same, whatever was written before.
    """
    figure = deepcopy(figure)
    suffix = path.suffix.lower()
    picture = BytesIO()
    dpi = min(_DPI, int(_MOST_PIXELS / max(figure.get_size_inches())))
    figure.savefig(picture, format=suffix.removeprefix("."), dpi=dpi, metadata=_METADATA[suffix])
    with explaining_refusal(path, _REMEDY):
        write_whole(path, picture.getvalue())
