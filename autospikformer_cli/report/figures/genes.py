"""How often each value of each gene occurs among the best candidates, by generation."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

from autospikformer_cli.analysis.gene_shares import gene_choices, gene_shares
from autospikformer_cli.errors import UserError
from autospikformer_cli.report.figures import style
from autospikformer_cli.report.figures.subject import FigureSubject
from autospikformer_cli.space import Number, Subnet, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GENE_NAMES = {
    "depth": "Depth (blocks)", "mlp_ratio": "MLP ratio", "num_heads": "Heads", "threshold": "Threshold",
    "tau": "Tau (time steps)", "time_step": "Time steps T", "embed_dim": "Dimension",
}  # fmt: skip
MOST_LABELS = 8
"""Values of a gene that have a label each; of more, every second or third has one."""


def draw_genes(subject: FigureSubject) -> Figure:
    """A heat map for each gene that has several choices: values by generations, the shares as colours."""
    import numpy as np

    subject.require_candidates()
    choices = gene_choices(subject.results.recipe.space.search_space())
    if not choices:
        raise UserError("no gene of the space has more than one value", str(subject.path))
    best = subject.best or subject.results.recipe.search.parents
    generations, winners = _best_by_generation(subject, best)
    columns = 4 if subject.is_wide else 2
    rows = -(-len(choices) // columns)
    figure = style.blank_figure(subject.width_mm, 19.0 + 31.0 * rows)
    panels = np.atleast_1d(figure.subplots(rows, columns, squeeze=False).flat)
    shares = {
        gene: np.array([gene_shares(gene, values, subnets) for subnets in winners]).T
        for gene, values in choices.items()
    }
    mesh = None
    for axes, (gene, values) in zip(panels, choices.items(), strict=False):
        mesh = _panel(axes, gene, values, 100.0 * shares[gene], generations)
    for axes in panels[len(choices) :]:
        axes.remove()
    style.colour_bar(figure, mesh, list(panels[: len(choices)]), f"Share of the best {best} so far (%)", "top")
    figure.supxlabel("Generation", fontsize=style.TEXT_PT)
    return figure


def _best_by_generation(subject: FigureSubject, best: int) -> tuple[list[int], list[list[Subnet]]]:
    """The generations, from 1 on, and the best subnets of all up to each. Bounds of the fitness are the archive's."""
    found: dict[int, list[tuple[int, Subnet]]] = {}
    for rank, scored in enumerate(subject.results.scores.ranked):
        found.setdefault(scored.candidate.generation, []).append((rank, scored.subnet))
    so_far: list[tuple[int, Subnet]] = []
    winners = []
    for number in range(max(found) + 1):
        so_far = sorted([*so_far, *found.get(number, ())], key=itemgetter(0))[:best]
        winners.append([subnet for _, subnet in so_far])
    return list(range(1, len(winners) + 1)), winners


def _panel(axes: Axes, gene: str, values: Sequence[Number], percent: object, generations: list[int]) -> object:
    import numpy as np

    grid = np.asarray(percent)
    mesh = style.share_map(axes, grid, 100.0)
    every = -(-len(values) // MOST_LABELS)
    marked = range(0, len(values), every)
    axes.set_yticks([place + 0.5 for place in marked], [plain(values[place]) for place in marked])
    axes.set_ylim(0, len(values))  # the largest value on top
    step = -(-len(generations) // 5)
    shown = range(0, len(generations), step)
    axes.set_xticks([place + 0.5 for place in shown], [str(generations[place]) for place in shown])
    axes.set_ylabel(GENE_NAMES[gene])
    axes.tick_params(length=2)
    return mesh
