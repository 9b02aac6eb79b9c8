"""Processes that this one starts by `spawn`: signals that are not meant for them, and their end with this one."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process, resource_tracker
from multiprocessing.connection import wait
from threading import Thread


@contextmanager
def held_back(signals: Collection[signal.Signals]) -> Iterator[None]:
    """Processes that are started inside the block never get these signals; this thread gets them after it.

    A terminal sends Ctrl-C to every process, and a cluster sends SIGTERM to every process of a job. Only the one that
    started the others should answer: another that is still starting would answer with a traceback.
    Do not hold SIGTERM back from a `ProcessPoolExecutor`, which ends its processes with it.
    Other threads of this process may still take a signal inside the block, and Python then calls its handler at once.
    """
    resource_tracker.ensure_running()  # if Process.start() did it, it would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Make this process end with exit code 1 when the one that started it ends, even by kill -9.

    Called first thing in a started process; in any other it does nothing.
    """
    parent = parent_process()
    if parent is not None:
        Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
