"""How often a file is written of what is still growing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

SHARE_OF_TIME = 0.05
"""That saving takes at most."""


@dataclass
class SavingPace:
    """Says when to save: when it has cost SHARE_OF_TIME at most, and so many seconds have passed since the last."""

    least: float = 0.0
    _next: float = field(init=False)

    def __post_init__(self) -> None:
        self._next = time.monotonic() + self.least

    def is_due(self) -> bool:
        """Whether the time has come."""
        return time.monotonic() >= self._next

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Around every save, a due one or not: what it takes sets when the next is due."""
        began = time.monotonic()
        yield
        ended = time.monotonic()
        self._next = ended + max(self.least, (ended - began) / SHARE_OF_TIME)
