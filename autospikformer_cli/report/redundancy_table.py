"""The table of redundant channels of the embedding (paper, Figure 1B)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from rich.console import Group

from autospikformer_cli.analysis.paired import p_text
from autospikformer_cli.report.provenance import fidelity_notes
from autospikformer_cli.report.tables import noted, plain_table
from autospikformer_cli.runs.redundancy import Redundancy

LEAST_SHOWN = 1e-6


def redundancy_table(found: Redundancy, verbose: bool = False) -> Group:
    """The most and the least redundant channels side by side, each list from its extreme, with the mean SSIM.

    verbose: list every switch.
    """
    recipe, num = found.recipe, len(found.mean_ssim)
    notes = [
        *_order_notes(found),
        f"mean over all {num} channels: {found.mean:.3f}; {len(found.images)} {found.images.split} images",
        "SSIM: rate maps over T, data range 1, 7 x 7 uniform window or the whole map where smaller",
        f"engine: {found.engine}",
        *fidelity_notes(recipe, verbose),
    ]
    table = plain_table(f"Redundancy of the embedding of {found.subnet}\n{found.origin}")
    for name in ("Rank", "Most redundant\nchannel", "Mean SSIM", "Least redundant\nchannel", "Mean SSIM"):
        table.add_column(name, justify="right", no_wrap=True)
    for rank, pair in enumerate(zip_longest(found.most, found.least), 1):
        cells = [cell for channel in pair for cell in _cells(channel, found.mean_ssim)]
        table.add_row(str(rank), *cells)
    return noted(table, notes)


def _order_notes(found: Redundancy) -> list[str]:
    """What the order of the channels says of the paper's claim."""
    order = found.order
    halves = f"mean SSIM {order.lower_half:.3f} in the lower half of the channels, {order.upper_half:.3f} in the upper"
    if order.tau is None or order.p_higher is None or order.p_lower is None:
        return [order.meaning, f"Kendall's tau-b of channel and mean SSIM is undefined; {halves}"]
    tau = f"Kendall's tau-b of channel and mean SSIM {order.tau:.3f}"
    higher, lower = _shown_p(order.p_higher), _shown_p(order.p_lower)
    tests = f"{higher} that higher channels are more redundant, {lower} that lower ones are"
    lines = [order.meaning, f"{tau}: {tests} (exact permutation tests, one-sided)", halves]
    if found.shares_channels:
        lines.append("subnets share their first channels, so the supernet trains lower channels more often")
    return lines


def _shown_p(p: float) -> str:
    """A p-value in two digits, unless it is tiny.

    >>> _shown_p(0.0312), _shown_p(3e-9)
    ('p = 0.031', 'p < 1e-06')
    """
    return f"p = {p_text(p)}" if p >= LEAST_SHOWN else f"p < {LEAST_SHOWN:.0e}"


def _cells(channel: int | None, mean_ssim: Sequence[float]) -> tuple[str, str]:
    return ("", "") if channel is None else (str(channel), f"{mean_ssim[channel]:.4f}")
