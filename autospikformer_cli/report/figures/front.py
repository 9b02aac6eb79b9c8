"""Energy against accuracy of all candidates, with the Pareto front (the paper's Figures 5 and 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.report.figures import style
from autospikformer_cli.report.figures.subject import FigureSubject
from autospikformer_cli.report.rows import accurate_share
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.search.alike import different
from autospikformer_cli.search.fitness import Scored
from autospikformer_cli.search.fronts import count_points, pareto_front
from autospikformer_cli.units import EnergyUnit, energy_unit
from autospikformer_cli.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACCURACY_LABEL = "Top-1 accuracy (%)"
PARETO_FRONT = "Pareto front"
FRONT_OF = "front of "


def draw_front(subject: FigureSubject) -> Figure:
    """One search: its most accurate 20 % stand out. Two: each has its colour, its marks and its steps."""
    searches = subject.compared
    figure = style.blank_figure(subject.width_mm, 100.0 if subject.is_wide else 72.0)
    axes = figure.add_subplot()
    unit = plane(axes, subject)
    if len(searches) == 1:
        _one(axes, subject, unit)
    else:
        for number, results in enumerate(searches):
            _cloud(axes, subject, results, number, unit)
    baseline = searches[0].baseline
    if baseline is not None:
        draw_baseline(axes, baseline, unit)
        if subject.intervals:
            _intervals(axes, [baseline], unit, style.VERMILLION)
    keep_below_100(axes)
    handles = style.labelled(axes)
    if len(searches) > 1:  # a column of searches, and next to it one of their fronts
        fronts = [handle for handle in handles if str(handle.get_label()).startswith(FRONT_OF)]
        handles = [*(handle for handle in handles if handle not in fronts), *fronts]
    style.legend_above(figure, handles)
    return figure


def plane(axes: Axes, subject: FigureSubject) -> EnergyUnit:
    """Label energy and accuracy. Returns the unit of energy. Raises UserError if there is not a single point."""
    drawn = [scored for results in subject.compared for scored in subject.chosen(results)]
    baseline = subject.results.baseline
    if baseline is None:
        subject.require_candidates()
    unit = energy_unit(scored.energy_j for scored in (*drawn, *([baseline] if baseline else [])))
    axes.set_xlabel(f"Energy of one image ({unit.symbol})")
    axes.set_ylabel(ACCURACY_LABEL)
    style.light_grid(axes)
    return unit


def keep_below_100(axes: Axes) -> None:
    """No tick at an accuracy that cannot be, if the margin over the points would have one."""
    bottom, top = axes.get_ylim()
    if top > 100.0:
        axes.set_ylim(bottom, 100.0 + 0.03 * (100.0 - bottom))


def front_of(candidates: Sequence[Scored]) -> list[Scored]:
    """The candidates that no other dominates, least energy first, one for each different result."""
    return [alike.best for alike in pareto_front(different(candidates))]


def coordinates(points: Sequence[Scored], unit: EnergyUnit) -> tuple[list[float], list[float]]:
    """Energies in `unit`, and accuracies."""
    return [point.energy_j / unit.joules for point in points], [point.top1 for point in points]


def draw_steps(axes: Axes, front: Sequence[Scored], unit: EnergyUnit, **look: Any) -> None:
    """A front as the edge of what it attains: for the energy between two points, the accuracy of the cheaper one.

    front: least energy first. A straight line would show accuracies that no candidate has. One point has no such edge:
    it has its marker alone, and without a marker there is nothing to draw, nor to have in the legend.
    """
    if len(front) == 1:
        if "marker" not in look:
            return
        look |= {"linestyle": ""}
    axes.plot(*coordinates(front, unit), drawstyle="steps-post", **look)


def draw_baseline(axes: Axes, baseline: Scored, unit: EnergyUnit) -> None:
    """A star at the baseline."""
    axes.plot(
        *coordinates([baseline], unit), marker="*", markersize=9, linestyle="", color=style.VERMILLION,
        markeredgecolor="black", markeredgewidth=0.6, label="Baseline", zorder=5,
    )  # fmt: skip


def _one(axes: Axes, subject: FigureSubject, unit: EnergyUnit) -> None:
    chosen = subject.chosen(subject.results)
    if not chosen:
        return
    results = different(chosen)
    accurate, is_exact = accurate_share(results)
    named = f"{'' if subject.best is None else 'Best '}{counted(len(chosen), 'candidate')}"
    dense = len(chosen) > style.MOST_VECTORS
    axes.scatter(*coordinates(chosen, unit), s=12, color=style.BACKGROUND, linewidths=0, label=named, rasterized=dense)
    axes.scatter(
        *coordinates([alike.best for alike in accurate], unit), s=14, color=style.BLUE, linewidths=0,
        label=f"Most accurate 20 %{'' if is_exact else ', and ties'}", rasterized=dense, zorder=3,
    )  # fmt: skip
    front = front_of(chosen)
    draw_steps(axes, front, unit, color=style.INK, marker="o", mfc="none", label=PARETO_FRONT, zorder=4)
    if subject.intervals:
        _intervals(axes, front, unit, style.INK)


def _cloud(axes: Axes, subject: FigureSubject, results: SearchResults, number: int, unit: EnergyUnit) -> None:
    """The candidates of one of two searches, and its front."""
    chosen, colour, mark = subject.chosen(results), style.SERIES[number], style.MARKERS[number]
    if not chosen:
        return
    axes.scatter(
        *coordinates(chosen, unit), s=10, color=colour, alpha=0.45, marker=mark, linewidths=0,
        label=results.population.name, rasterized=len(chosen) > style.MOST_VECTORS,
    )  # fmt: skip
    front = front_of(chosen)
    draw_steps(
        axes, front, unit, color=colour, marker=mark, markeredgecolor="black", markeredgewidth=0.6,
        linestyle=style.DASHES[number], label=f"{FRONT_OF}{results.population.name}: {count_points(front)}", zorder=4,
    )  # fmt: skip
    if subject.intervals:
        _intervals(axes, front, unit, colour)


def _intervals(axes: Axes, points: Sequence[Scored], unit: EnergyUnit, colour: str) -> None:
    """The 95 % intervals of accuracies."""
    energies, accuracies = coordinates(points, unit)
    ends = [binomial_interval(each.candidate.measurement.correct, each.candidate.measurement.images) for each in points]
    below = [top1 - low for top1, (low, _) in zip(accuracies, ends, strict=True)]
    above = [high - top1 for top1, (_, high) in zip(accuracies, ends, strict=True)]
    axes.errorbar(
        energies, accuracies, yerr=[below, above], fmt="none", ecolor=colour, elinewidth=0.6, capsize=1.5, zorder=2
    )
