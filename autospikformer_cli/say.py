"""What a long computation reports while it runs, and how it is asked to stop. The caller chooses where that goes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

Shown = float | int | str
"""A value next to a bar, as in loss=0.512."""


Stop = Callable[[], bool]
"""Asked between parts of a computation, whether it should stop."""


Interruptible = Callable[[], AbstractContextManager[Stop]]
"""Opened around work that can be saved between its parts. What it gives is asked there."""


def uninterrupted() -> AbstractContextManager[Stop]:
    """Nobody asks it to stop."""
    return nullcontext(lambda: False)


class Progress(Protocol):
    """How far one computation is."""

    def advance(self, n: int = 1, **shown: Shown) -> None:
        """n more items are done. The latest values of `shown` stand next to the bar, as loss=0.512 val=91.3."""

    def skip(self, n: int) -> None:
        """n more items need not be done. They count among all items, and not in the rate."""


class Say(Protocol):
    """All that a computation needs of a console."""

    def remark(self, text: str) -> None:
        """One line that the user should know. A text that was said before is not repeated."""

    def progress(
        self, description: str, total: int, *, unit: str = "", start: int = 0
    ) -> AbstractContextManager[Progress]:
        """The progress of a computation of `total` items, of which an earlier one did the first `start`.

        unit: what the items are, such as images.
        """


class _NoProgress:
    def advance(self, n: int = 1, **shown: Shown) -> None:
        """Says nothing."""

    def skip(self, n: int) -> None:
        """Says nothing."""


class Silent:
    """Says nothing."""

    def remark(self, text: str) -> None:
        """Nobody hears it."""

    def progress(
        self, description: str, total: int, *, unit: str = "", start: int = 0
    ) -> AbstractContextManager[Progress]:
        """Nobody sees it."""
        return nullcontext(_NoProgress())


SILENT = Silent()
