"""How pictures look: sizes, letters, and colours that everyone can tell apart, also in grey."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate
from autospikformer_cli.report.figures import style
from autospikformer_cli.report.figures.front import draw_steps
from autospikformer_cli.search.fitness import Fitness
from autospikformer_cli.units import energy_unit

Colour = NDArray[np.float64]
DICHROMACY = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""What colour-blind readers see, in linear RGB (Machado, Oliveira and Fernandes 2009, severity 1)."""
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = XYZ @ np.ones(3)


def linear(colour: str | Sequence[float]) -> Colour:
    """A colour in linear RGB."""
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(colour))  # type: ignore[arg-type]
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: Colour) -> Colour:
    """CIELAB of linear RGB: lightness 0 to 100, and two axes of colour."""
    t = XYZ @ np.clip(rgb, 0.0, 1.0) / WHITE
    x, y, z = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def lightness(colour: str | Sequence[float]) -> float:
    return float(lab(linear(colour))[0])


def contrast(first: str | Sequence[float], second: str | Sequence[float]) -> float:
    """The ratio of two luminances, 1 to 21 (WCAG 2)."""
    dark, light = sorted(float(XYZ[1] @ linear(each)) for each in (first, second))
    return (light + 0.05) / (dark + 0.05)


def test_the_measures_are_right() -> None:
    assert lightness("white") == pytest.approx(100.0, abs=0.01)
    assert lightness("#777777") == pytest.approx(50.0, abs=0.5)
    assert contrast("white", "black") == pytest.approx(21.0)


TOGETHER = [
    *combinations(style.SERIES, 2),
    (style.BACKGROUND, style.BLUE),
    (style.BACKGROUND, style.INK),
    (style.BLUE, style.INK),
    (style.BACKGROUND, style.VERMILLION),
]
"""Colours that stand in one picture and must be told apart without names next to them."""


@pytest.mark.parametrize(("first", "second"), TOGETHER)
def test_colours_of_one_picture_differ_in_grey_and_for_the_colour_blind(first: str, second: str) -> None:
    assert abs(lightness(first) - lightness(second)) > 20
    for matrix in DICHROMACY.values():
        seen = [lab(np.array(matrix) @ linear(colour)) for colour in (first, second)]
        assert np.linalg.norm(seen[0] - seen[1]) > 20


def test_what_is_drawn_stands_out_from_the_page() -> None:
    for colour in (*style.SERIES, style.BACKGROUND, style.VERMILLION):
        assert 100 - lightness(colour) > 20
    assert contrast(style.BLUE, "white") > 4.5


def test_lines_and_marks_differ_without_any_colour() -> None:
    assert len(set(style.DASHES)) == len(style.DASHES) > len(style.SERIES)
    assert len(set(style.MARKERS)) == len(style.MARKERS) > len(style.SERIES)


def test_no_two_lines_of_a_picture_are_the_same() -> None:
    from autospikformer_cli.report.figures.courses import MOST_LINES

    lines = [style.line_of(number) for number in range(MOST_LINES)]
    assert len(set(lines)) == MOST_LINES
    assert [colour for colour, _ in lines[:3]] == list(style.SERIES)


def test_a_heat_map_grows_lighter_and_its_letters_can_be_read() -> None:
    import matplotlib as mpl

    colours = [mpl.colormaps[style.SHARES](share)[:3] for share in np.linspace(0, 1, 101)]
    grown = np.diff([lightness(colour) for colour in colours])
    assert (grown > 0).all()
    assert grown.sum() > 70
    for share, colour in zip(np.linspace(0, 1, 101), colours, strict=True):
        assert contrast(colour, style.letter_colour(float(share))) > 4.4


@pytest.mark.parametrize(("width", "height"), [(85.0, 60.0), (174.0, 100.0)])
def test_a_figure_has_its_size_in_every_format(width: float, height: float, tmp_path: Path) -> None:
    with style.styled():
        figure = style.blank_figure(width, height)
        figure.add_subplot().set_xlabel("Energy (µJ)")
        for suffix in style.PICTURE_SUFFIXES:
            style.save_figure(figure, tmp_path / f"figure{suffix}")
    pixels = struct.unpack(">II", (tmp_path / "figure.png").read_bytes()[16:24])
    assert pixels == pytest.approx((width / 25.4 * 300, height / 25.4 * 300), abs=1)
    svg = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    points = [float(number) for number in re.findall(r'(?:width|height)="([0-9.]+)pt"', svg)[:2]]
    assert points == pytest.approx([width / 25.4 * 72, height / 25.4 * 72], abs=0.01)
    box = re.search(rb"/MediaBox \[ 0 0 ([0-9.]+) ([0-9.]+) \]", (tmp_path / "figure.pdf").read_bytes())
    assert box is not None
    assert [float(side) for side in box.groups()] == pytest.approx(points, abs=0.01)


def test_a_file_says_nothing_of_the_time_or_the_program(tmp_path: Path) -> None:
    with style.styled():
        figure = style.blank_figure(85, 60)
        for suffix in style.PICTURE_SUFFIXES:
            style.save_figure(figure, tmp_path / f"figure{suffix}")
            content = (tmp_path / f"figure{suffix}").read_bytes().lower()
            for word in (b"date", b"creator", b"producer", b"software", b"matplotlib"):
                assert word not in content.replace(b"http://www.w3.org", b""), (suffix, word)


def test_two_pictures_need_two_files(tmp_path: Path) -> None:
    style.require_pictures(tmp_path / "a.png", None, tmp_path / "b.png")
    with pytest.raises(UserError, match="two pictures cannot have one file"):
        style.require_pictures(tmp_path / "a.png", tmp_path / "." / "a.png")


def test_a_front_of_one_point_has_no_line_and_no_such_entry_in_the_legend(
    archive: list[Candidate], fitness: Fitness
) -> None:
    from matplotlib.figure import Figure

    axes, unit = Figure().add_subplot(), energy_unit([1e-6])
    points = sorted(fitness.score(archive).ranked, key=lambda each: each.energy_j)
    draw_steps(axes, points[:1], unit, label="unseen")
    draw_steps(axes, points[:1], unit, label="point", marker="o")
    draw_steps(axes, points, unit, label="front", marker="o", linestyle="--")
    assert [(each.get_label(), each.get_linestyle()) for each in axes.lines] == [("point", "None"), ("front", "--")]
