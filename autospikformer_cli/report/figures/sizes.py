"""Energy, accuracy and parameters of all candidates, next to the hand-made Spikformers (the paper's Figure 1A)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autospikformer_cli.report.figures import style
from autospikformer_cli.report.figures.front import (
    FRONT_OF,
    PARETO_FRONT,
    coordinates,
    draw_steps,
    front_of,
    keep_below_100,
    plane,
)
from autospikformer_cli.report.figures.subject import FigureSubject
from autospikformer_cli.runs.family import FamilyMember, spikformer_family
from autospikformer_cli.search.fitness import Scored
from autospikformer_cli.units import EnergyUnit, format_count
from autospikformer_cli.wording import quoted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST_PT2 = 110.0
"""Area of the circle of the most parameters, in square points. Areas are in proportion to parameters."""


def draw_sizes(subject: FigureSubject) -> Figure:
    """Circles in proportion to parameters; fronts as steps; the family with its names."""
    figure = style.blank_figure(subject.width_mm, 110.0 if subject.is_wide else 80.0)
    axes = figure.add_subplot()
    unit = plane(axes, subject)
    family = _measured_family(subject)
    clouds = [subject.chosen(results) for results in subject.compared]
    params = [_params(each) for each in (*(point for cloud in clouds for point in cloud), *family.values())]
    most = max(params)
    for number, (cloud, results) in enumerate(zip(clouds, subject.compared, strict=True)):
        if not cloud:
            continue
        colour = style.SERIES[number]
        largest_first = sorted(cloud, key=_params, reverse=True)
        axes.scatter(
            *coordinates(largest_first, unit), s=_areas(largest_first, most), facecolor=(colour, 0.2),
            edgecolor=colour, linewidths=0.4, label=results.population.name,
            rasterized=len(cloud) > style.MOST_VECTORS,
        )  # fmt: skip
        draw_steps(
            axes, front_of(cloud), unit, color=style.INK, linewidth=0.9, linestyle=style.DASHES[number],
            label=PARETO_FRONT if len(clouds) == 1 else f"{FRONT_OF}{results.population.name}", zorder=4,
        )  # fmt: skip
    _draw_family(axes, family, most, unit)
    _scale(axes, min(params), most)
    axes.margins(0.09)
    keep_below_100(axes)
    style.legend_above(figure, style.labelled(axes))
    return figure


def _measured_family(subject: FigureSubject) -> dict[str, Scored]:
    """The members with numbers, by label. Remarks on those without."""
    found = spikformer_family(subject.results)
    absent = [member for member in found if member.scored is None]
    for member in absent:
        subject.say.remark(_how_to_measure(member, subject))
    return {member.label: member.scored for member in found if member.scored is not None}


def _how_to_measure(member: FamilyMember, subject: FigureSubject) -> str:
    split = subject.results.provenance.split
    command = f"aspk evaluate --run {quoted(subject.path)} --split {split} --subnet {quoted(member.subnet)}"
    return f"Spikformer {member.name} is in the space, but was not measured: {command}"


def _draw_family(axes: Axes, family: dict[str, Scored], most: float, unit: EnergyUnit) -> None:
    points = list(family.values())
    if not points:
        return
    axes.scatter(
        *coordinates(points, unit), s=_areas(points, most), facecolor=style.VERMILLION, edgecolor="black",
        linewidths=0.7, label="Hand-made Spikformers" if len(points) > 1 else "Hand-made Spikformer", zorder=5,
    )  # fmt: skip
    for (name, point), area in zip(family.items(), _areas(points, most), strict=True):
        (x,), (y,) = coordinates([point], unit)
        away = 2.5 + area**0.5 / 2
        right = x > sum(axes.get_xlim()) / 2
        axes.annotate(
            name, (x, y), (-away if right else away, 0), textcoords="offset points", va="center",
            ha="right" if right else "left", fontsize=style.SMALL_PT, zorder=6,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )  # fmt: skip


def _scale(axes: Axes, least: float, most: float) -> None:
    """Entries of the legend that say what a circle's area means."""
    for params in dict.fromkeys((least, most)):
        area = LARGEST_PT2 * params / most
        label = f"{format_count(params)} parameters"
        axes.scatter([], [], s=area, facecolor="none", edgecolor="black", linewidths=0.6, label=label)


def _params(point: Scored) -> int:
    return point.candidate.measurement.params


def _areas(points: Sequence[Scored], most: float) -> list[float]:
    return [LARGEST_PT2 * _params(point) / most for point in points]
