"""Names of what computes, and what is wrong with a text that is not one of them. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from autospikformer_cli.bounds import MOST_THREADS
from autospikformer_cli.errors import UserError
from autospikformer_cli.wording import choice_near

if TYPE_CHECKING:
    from autospikformer_cli.engine.compute import Compute

EngineName = Literal["event_driven", "dense"]
PRECISIONS = ("float32", "float64")
ENGINES: tuple[EngineName, ...] = ("event_driven", "dense")
MAX_DEPTH = 126
"""Blocks whose residual sums fit a byte of the event-driven engine: they are at most 2, and 2 more for each block."""


class Computes(Protocol):
    """What shall compute, by name. Nothing of torch is loaded until it is set up."""

    @property
    def device(self) -> str:
        """cpu, cuda or cuda:N."""
        ...

    @property
    def precision(self) -> str:
        """float32 or float64."""
        ...

    @property
    def engine(self) -> EngineName | None:
        """What runs subnets; None for the one that suits device and network."""
        ...

    def set_up(self) -> Compute:
        """Load it and check it. Raises UserError if there is no such device."""
        ...


@dataclass(frozen=True)
class OfThisProcess:
    """The CPU, with the number of threads that torch has."""

    device: str = "cpu"
    precision: str = "float32"
    engine: EngineName | None = None

    def set_up(self) -> Compute:
        """Load it."""
        from autospikformer_cli.engine.compute import make_compute

        return make_compute(self.device, self.precision, engine=self.engine)


def not_threads(threads: object) -> UserError:
    """What is wrong with a number of threads that is none, or too large."""
    what = f"{threads!r} is not a number of threads"
    return UserError(what, "--threads", f"write a whole number from 1 to {MOST_THREADS:,}")


def name_faults(device: str, precision: str, engine: str | None = None) -> Iterator[UserError]:
    """What is wrong with the names of a device, a precision and an engine, each located at its option."""
    if not re.fullmatch(r"cpu|cuda(:[0-9]{1,3})?", device):
        yield UserError(f"{device!r} is not a device", "--device", "write cpu, cuda, or cuda:N, as cuda:0")
    if precision not in PRECISIONS:
        yield UserError(f"{precision!r} is not a precision", "--precision", choice_near(precision, PRECISIONS))
    if engine not in (None, *ENGINES):
        yield UserError(f"{engine!r} is not an engine", "--engine", choice_near(str(engine), ENGINES))
