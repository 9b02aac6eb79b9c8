"""Redundant channels of the embedding (paper, Figure 1B)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from rich.table import Table

from autospikformer_cli.report.tables import plain_table

Channel = tuple[int, float]
"""A channel, numbered from 0, and its mean SSIM with the others."""


def redundancy_table(title: str, most: Sequence[Channel], least: Sequence[Channel], notes: Sequence[str] = ()) -> Table:
    """The most and the least redundant channels side by side, each from its extreme, with its mean SSIM."""
    most = sorted(most, key=lambda channel: -channel[1])
    least = sorted(least, key=lambda channel: channel[1])
    table = plain_table(title, "\n".join(notes) or None)
    for name in ("Rank", "Most redundant\nchannel", "Mean SSIM", "Least redundant\nchannel", "Mean SSIM"):
        table.add_column(name, justify="right", no_wrap=True)
    for rank, pair in enumerate(zip_longest(most, least), 1):
        cells = [cell for channel in pair for cell in _cells(channel)]
        table.add_row(str(rank), *cells)
    return table


def _cells(channel: Channel | None) -> tuple[str, str]:
    return ("", "") if channel is None else (str(channel[0]), f"{channel[1]:.4f}")
