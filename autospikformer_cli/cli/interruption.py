"""Ctrl-C as a request: the work under way stops at the next point where it can be saved."""

from __future__ import annotations

import signal
from collections.abc import Callable
from threading import Thread, current_thread, main_thread
from types import FrameType, TracebackType

from autospikformer_cli.say import Stop

STOPPING = "stopping as soon as this can be saved (Ctrl-C again: at once, without what is being computed)"


class Interruption:
    """Inside this context the first Ctrl-C (or SIGTERM) only asks to stop, and says so. A second one interrupts.

    What the context gives is a function that tells whether to stop. Only the main thread may handle signals (Python),
    so in any other thread nothing is handled.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.requested = False
        # A handler may come in the middle of a print, and two prints of one thread cannot overlap.
        self._acknowledgement = Thread(target=say, args=(STOPPING,))

    def __enter__(self) -> Stop:
        numbers = (signal.SIGINT, signal.SIGTERM) if current_thread() is main_thread() else ()
        self._before = {number: signal.getsignal(number) for number in numbers}
        for number in self._before:
            signal.signal(number, self._note)
        return lambda: self.requested

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._acknowledgement.ident is not None:
            self._acknowledgement.join()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self._acknowledgement.start()
