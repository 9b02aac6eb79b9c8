"""How searches went: hypervolume or fitness by evaluations, one line a search, bands over seeds."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from autospikformer_cli.errors import UserError
from autospikformer_cli.report.figures import style
from autospikformer_cli.report.figures.subject import FigureSubject
from autospikformer_cli.runs.side_by_side import (
    Course,
    CourseBand,
    bands_over_seeds,
    fitness_courses,
    hypervolume_courses,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LINES = 8
"""More lines in one picture cannot be told apart."""


def draw_hypervolume(subject: FigureSubject) -> Figure:
    """The share of the box that is dominated, after each evaluation."""
    subject.require_candidates()
    return _draw(subject, hypervolume_courses(subject.searches), "Hypervolume\n(share of the box)")


def draw_fitness(subject: FigureSubject) -> Figure:
    """The best F_AEB, or the mean of the best N, after each evaluation."""
    subject.require_candidates()
    best, alpha = subject.best or 1, subject.results.recipe.search.alpha
    what = "F_AEB of the best" if best == 1 else f"Mean F_AEB of the best {best}"
    return _draw(subject, fitness_courses(subject.searches, best), f"{what}\n(alpha {alpha:g})")


def _draw(subject: FigureSubject, courses: list[Course], label: str) -> Figure:
    from matplotlib.ticker import MaxNLocator

    bands = [band for band in bands_over_seeds(courses) if band.over_seeds(median)]
    if not bands:
        raise UserError(f"{subject.results.title} has too few candidates", "--best", "write a smaller N")
    if len(bands) > MOST_LINES:
        fix = "name one or two: --search NAME --against NAME"
        raise UserError(f"{len(bands)} lines cannot be told apart in one picture", str(subject.path), fix)
    figure = style.blank_figure(subject.width_mm, 90.0 if subject.is_wide else 68.0)
    axes = figure.add_subplot()
    for number, band in enumerate(bands):
        _draw_band(axes, band, number)
    axes.set_xlabel("Evaluations (subnets)")
    axes.set_ylabel(label)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style.light_grid(axes)
    style.legend_above(figure, style.labelled(axes), columns=2 if subject.is_wide else 1)
    return figure


def _draw_band(axes: Axes, band: CourseBand, number: int) -> None:
    """The line of a search; or of several seeds the median, and the range as a band."""
    colour, dash = style.line_of(number)
    middle = band.over_seeds(median)
    numbers, values = zip(*middle, strict=True)
    marker = "o" if len(numbers) == 1 else None
    axes.plot(
        numbers, values, color=colour, linestyle=dash, label=band.label, marker=marker, drawstyle="steps-post",
    )  # fmt: skip
    if len(band.courses) > 1:
        least, most = ([value for _, value in band.over_seeds(function)] for function in (min, max))
        axes.fill_between(numbers, least, most, step="post", color=colour, alpha=0.2, linewidth=0)
