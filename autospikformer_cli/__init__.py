"""One-shot architecture search for spiking vision transformers."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from torch import nn

__all__ = ["load_subnet"]


def load_subnet(
    run: str | PathLike[str], subnet: str | Sequence[float] = "best", *, precision: str = "float32"
) -> nn.Module:
    """One subnet of a run, alone, as `aspk evaluate` measures it.

    run: its folder, such as runs/quickstart. subnet: best, largest, smallest, baseline, a candidate's id, or the
    paper's tuple, as text or as numbers. precision: float32 or float64.
    Returns a module: images (B, C, H, W), pixels scaled to 0..1 and normalised by its `mean` and `std`, or counts of
    events (B, F, C, H, W), to logits (B, classes). It is for inference: BatchNorm's statistics stay, no gradient flows.
    Raises autospikformer_cli.errors.UserError.
    """
    from importlib import import_module
    from pathlib import Path

    exporting = import_module(f"{__name__}.exchange.exporting")  # what is heavy is imported when a subnet is loaded
    text = subnet if isinstance(subnet, str) else str(tuple(subnet))
    return cast("nn.Module", exporting.load_subnet(Path(run), text, precision=precision))
