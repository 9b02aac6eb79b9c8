"""What a launcher such as torchrun says of this process in its environment. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from autospikformer_cli.errors import UserError

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun sets, and what every other launcher has to set."""


@dataclass(frozen=True)
class Launch:
    """One process of several. rank: from 0. world: how many there are. local_rank: from 0, on this machine."""

    rank: int
    world: int
    local_rank: int

    @property
    def is_first(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """The device of this process: with cuda, each has a GPU of its own. Raises UserError for one that all share."""
        if name.startswith("cuda:"):
            what = f"{name} is one GPU, and there are {self.world} processes"
            raise UserError(
                what, f"--device {name}", "write --device cuda: each process takes the GPU of its LOCAL_RANK"
            )
        return f"cuda:{self.local_rank}" if name == "cuda" else name


def read_launch(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """What a launcher says; None if it started no more than one process.

    Raises UserError if it leaves out a variable, or if one is not a number that fits.
    """
    world = environment.get("WORLD_SIZE", "")
    if world in ("", "1"):
        return None
    lacking = [name for name in VARIABLES if not environment.get(name)]
    if lacking:
        what = f"WORLD_SIZE is {world}, and {' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not set"
        raise UserError(what, "environment", f"start it by torchrun, or set {', '.join(VARIABLES)} for each process")
    numbers = [environment[name] for name in VARIABLES[:3]]
    if not all(number.isdecimal() for number in numbers) or not int(numbers[0]) < int(numbers[1]):
        what = f"RANK {numbers[0]}, WORLD_SIZE {numbers[1]} and LOCAL_RANK {numbers[2]} number no process"
        raise UserError(what, "environment", "RANK and LOCAL_RANK count from 0, and RANK is less than WORLD_SIZE")
    return Launch(*map(int, numbers))


class EndedElsewhere(Exception):
    """This process ends because of what another one reports. Nothing more is to be said. exit_code: how it ends."""

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__("another rank reports why")
