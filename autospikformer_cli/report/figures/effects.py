"""The effects of genes on firing rate, energy and accuracy with their intervals: a forest plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autospikformer_cli.analysis.gene_effects import SMALL, GeneEffect, GeneEffects, OutcomeFit
from autospikformer_cli.analysis.gene_shares import GENES
from autospikformer_cli.report.figures import style
from autospikformer_cli.report.figures.genes import GENE_NAMES
from autospikformer_cli.runs.genes import GeneStudy

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OUTCOME_LABELS = {"firing_rate": "Firing rate", "energy_j": "Energy", "top1": "Accuracy"}
UNTOLD = "undecided"
_LINE_MM = 5.0


def draw_effects(study: GeneStudy, width_mm: float) -> Figure:
    """A panel for each outcome, a line for each gene. The grey band is where an effect is small."""
    fits, is_wide = study.effects.outcomes, width_mm > style.WIDTHS_MM["single"]
    lines_mm = _LINE_MM * len(GENES)
    figure = style.blank_figure(width_mm, 24.0 + lines_mm if is_wide else 20.0 + len(fits) * (lines_mm + 6.0))
    panels = figure.subplots(*((1, len(fits)) if is_wide else (len(fits), 1)), sharey=True, sharex=True)
    for axes, fit in zip(panels, fits, strict=True):
        _panel(axes, study.effects, fit)
    panels[0].set_yticks(range(len(GENES)), [GENE_NAMES[gene] for gene in GENES])
    panels[0].set_ylim(len(GENES) - 0.4, -0.6)  # the first gene on top
    figure.supxlabel("Standardised effect, with its 95 % interval", fontsize=style.TEXT_PT)
    style.legend_above(figure, _keys(study.effects), columns=3 if is_wide else 1)
    return figure


def _keys(effects: GeneEffects) -> list[Artist]:
    """Entries of the legend: what a hollow point is, if there is one, and the grey band."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    keys: list[Artist] = [Patch(color="0.9", label=f"small effect: below {SMALL:g}")]
    if any(effect.is_curved for effect in effects.effects.values()):
        hollow = Line2D([], [], color=style.BLUE, marker="o", markersize=4.5, linestyle="none", markerfacecolor="white")
        hollow.set_label("the mean trend of a curve")
        keys.append(hollow)
    return keys


def _panel(axes: Axes, effects: GeneEffects, fit: OutcomeFit) -> None:
    axes.axvspan(-SMALL, SMALL, color="0.9", linewidth=0, zorder=0)
    axes.axvline(0.0, color=style.INK, linewidth=0.6, zorder=1)
    for row, gene in enumerate(GENES):
        effect = effects.effects.get((gene, fit.outcome))
        if effect is None:
            axes.text(
                0.0, row, UNTOLD, color="0.35", ha="center", va="center", fontsize=style.SMALL_PT, zorder=4,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
            )  # fmt: skip
        else:
            _line(axes, row, effect)
    axes.set_title(f"{OUTCOME_LABELS[fit.outcome]}{'' if fit.r2 is None else f' (R² {fit.r2:.2f})'}", loc="left")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    style.light_grid(axes, "x")


def _line(axes: Axes, row: int, effect: GeneEffect) -> None:
    """A point with its interval; hollow if the effect is curved."""
    value, low, high = effect.standardised
    face = "white" if effect.is_curved else style.BLUE
    axes.errorbar(
        value, row, xerr=[[max(0.0, value - low)], [max(0.0, high - value)]], fmt="o", markersize=4.5,
        color=style.BLUE, markerfacecolor=face, elinewidth=1.2, capsize=2.0, zorder=3,
    )  # fmt: skip
