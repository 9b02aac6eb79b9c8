"""How often to save a result that is still growing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

SHARE_OF_TIME = 0.05
"""Largest share of the time that saving may take."""


@dataclass
class SavingPace:
    """Decides when to save next, so that saving takes at most SHARE_OF_TIME.

    least: seconds between two saves, at least.
    """

    least: float = 0.0
    _next: float = field(init=False)

    def __post_init__(self) -> None:
        self._next = time.monotonic() + self.least

    def is_due(self) -> bool:
        """Whether to save now."""
        return time.monotonic() >= self._next

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Wrap every save in this, due or not. The duration of a save decides when the next one is due."""
        began = time.monotonic()
        yield
        ended = time.monotonic()
        self._next = ended + max(self.least, (ended - began) / SHARE_OF_TIME)
