"""Names of what computes, and what is wrong with a text that is not one of them. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from autospikformer_cli.errors import UserError
from autospikformer_cli.wording import choice_near

EngineName = Literal["event_driven", "dense"]
PRECISIONS = ("float32", "float64")
ENGINES: tuple[EngineName, ...] = ("event_driven", "dense")


def name_faults(device: str, precision: str, engine: str | None = None) -> Iterator[UserError]:
    """What is wrong with the names of a device, a precision and an engine, each located at its option."""
    if not re.fullmatch(r"cpu|cuda(:[0-9]{1,3})?", device):
        yield UserError(f"{device!r} is not a device", "--device", "write cpu, cuda, or cuda:N, as cuda:0")
    if precision not in PRECISIONS:
        yield UserError(f"{precision!r} is not a precision", "--precision", choice_near(precision, PRECISIONS))
    if engine not in (None, *ENGINES):
        yield UserError(f"{engine!r} is not an engine", "--engine", choice_near(str(engine), ENGINES))
