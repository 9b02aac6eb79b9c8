"""Commands under a launcher of several processes, such as torchrun: `train` uses all of them, and rank 0 reports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from autospikformer_cli.cli.session import Session
from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    from autospikformer_cli.cli.options import ComputeOptions
    from autospikformer_cli.training.launcher import Launch
    from autospikformer_cli.training.ranks import Ranks

SHARED_OTHERWISE = ("search", "finish", "analyze")
"""Commands that share their work among processes that they start themselves."""


def require_alone(command: str) -> None:
    """End a command other than `train` that a launcher started several times. Rank 0 raises UserError."""
    launch = _launch_if_whole()
    if launch is None or command == "train":
        return
    if not launch.is_first:
        raise typer.Exit(2)
    what = f"aspk {command} runs in one process, and a launcher started {launch.world}; only aspk train uses several"
    workers = "; --executor processes shares the work on this machine, --executor ray on a cluster"
    more = workers if command in SHARED_OTHERWISE else ""
    raise UserError(what, "WORLD_SIZE", f"start it without the launcher{more}")


@contextmanager
def launched(session: Session, compute: ComputeOptions) -> Iterator[tuple[Ranks, Session, ComputeOptions]]:
    """The processes that train together, and this one's output and device. Only rank 0 has an output.

    Without a launcher, it is the one process that there is.
    """
    from autospikformer_cli.training.launcher import EndedElsewhere, read_launch

    launch = read_launch()
    if launch is None:
        from autospikformer_cli.training.ranks import ONE_RANK

        yield ONE_RANK, session, compute
        return
    session = session if launch.is_first else Session(json=False, quiet=True)
    try:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # or torch warns of each rank that has ended
        from autospikformer_cli.training.together import ranks_of

        compute = replace(compute, device=launch.device(compute.device))
        with ranks_of(launch, lambda: compute.set_up().torch_device) as ranks:
            yield ranks, session, compute
    except EndedElsewhere as end:
        raise typer.Exit(end.exit_code) from None


def is_silent() -> bool:
    """Whether another rank of this command shows what is to be shown."""
    launch = _launch_if_whole()
    return launch is not None and not launch.is_first


def _launch_if_whole() -> Launch | None:
    """What a launcher says; None also if it says only a part of it. Only `train` minds that."""
    from autospikformer_cli.training.launcher import read_launch

    try:
        return read_launch()
    except UserError:
        return None
