"""What `aspk report --watch` shows while a search runs: a view on a terminal, lines in a log, or JSON Lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autospikformer_cli.cli.session import Session

if TYPE_CHECKING:
    from autospikformer_cli.runs.sight import Sight

POLL_S = 1.0
"""Seconds between two looks at the files' dates."""
SHARE_OF_READING = 0.1
"""Largest share of the time that reading and showing may take: the processor is the search's."""

ShowSight = Callable[["Sight"], None]
"""Called with each sight."""


def rests(
    tick: Callable[[], None], sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
) -> Callable[[], None]:
    """What to do between two looks: wait, the longer the longer the last one took. tick: called once a second.

    The first look imports what reads a store, so its time says nothing.
    """
    began: list[float] = []

    def rest() -> None:
        took = clock() - began[-1] if began else 0.0
        end = clock() + max(POLL_S, took * (1 / SHARE_OF_READING - 1))
        while (left := end - clock()) > 0:
            sleep(min(POLL_S, left))
            tick()
        began[:] = [clock()]

    return rest


@contextmanager
def display(session: Session) -> Iterator[tuple[ShowSight, Callable[[], None]]]:
    """A function that shows a sight, and one to call while it stays the same."""
    from autospikformer_cli.report.watch_view import watch_line

    if (
        sys.stdout.isatty()
        and session.console.is_terminal
        and not session.console.is_dumb_terminal
        and not session.json
    ):
        with _view(session) as shown:
            yield shown
        return
    said: list[object] = []

    def show(sight: Sight) -> None:
        document = sight.to_document() if session.json else None
        line = document or watch_line(sight)
        if line in said:  # only what nobody sees has changed
            return
        said[:] = [line]
        if document is None:
            session.console.print(watch_line(sight), markup=False, soft_wrap=True)
        else:
            session.emit_line(document)

    yield show, lambda: None


@contextmanager
def _view(session: Session) -> Iterator[tuple[ShowSight, Callable[[], None]]]:
    """A view in place, which gives way to the report at the end and stays after Ctrl-C."""
    from rich.live import Live

    from autospikformer_cli.report.watch_view import WatchView

    with Live("", console=session.console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        session.console.show_cursor(True)  # a signal that ends the process leaves the terminal as it was
        seen: list[Sight] = []

        def tick() -> None:
            live.update(WatchView(seen[-1], time.time()), refresh=True)

        def show(sight: Sight) -> None:
            seen[:] = [sight]
            live.transient = sight.is_last
            tick()

        yield show, tick
