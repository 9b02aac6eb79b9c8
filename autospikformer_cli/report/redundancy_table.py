"""The table of redundant channels of the embedding (paper, Figure 1B)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from rich.table import Table

from autospikformer_cli.report.provenance import fidelity_notes
from autospikformer_cli.report.tables import plain_table
from autospikformer_cli.runs.redundancy import Redundancy


def redundancy_table(found: Redundancy) -> Table:
    """The most and the least redundant channels side by side, each list from its extreme, with the mean SSIM."""
    recipe, num = found.recipe, len(found.mean_ssim)
    notes = [
        f"mean over all {num} channels: {found.mean:.3f}; {len(found.images)} {found.images.split} images",
        "SSIM: rate maps over T, data range 1, 7 x 7 uniform window or the whole map where smaller",
        f"engine: {found.engine}",
        *fidelity_notes(recipe.fidelity, recipe.switches(), recipe.resolved_switches()),
    ]
    table = plain_table(f"Redundancy of the embedding of {found.subnet}\n{found.origin}", "\n".join(notes))
    for name in ("Rank", "Most redundant\nchannel", "Mean SSIM", "Least redundant\nchannel", "Mean SSIM"):
        table.add_column(name, justify="right", no_wrap=True)
    for rank, pair in enumerate(zip_longest(found.most, found.least), 1):
        cells = [cell for channel in pair for cell in _cells(channel, found.mean_ssim)]
        table.add_row(str(rank), *cells)
    return table


def _cells(channel: int | None, mean_ssim: Sequence[float]) -> tuple[str, str]:
    return ("", "") if channel is None else (str(channel), f"{mean_ssim[channel]:.4f}")
