"""How far a long computation is: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autospikformer_cli.say import Progress, Shown
from autospikformer_cli.units import format_pace

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

SECONDS_BETWEEN_LINES = 5.0
WIDTH_OF_THE_BAR = 20
NARROW = 80
"""On a terminal with fewer columns, the unit stands below the bar."""


@contextmanager
def show_progress(
    console: Console, description: str, total: int, *, unit: str = "", start: int = 0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Progress]:  # fmt: skip
    """A live bar if the console is a terminal, else lines: the first, the last, and at most one every 5 s between.

    total: items in all; unit: what they are; start: of these, done before (a computation that was resumed). clock:
    seconds.
    """
    pace = Pace(total, unit, start, clock)
    if not console.is_terminal:
        lines = PlainLines(console, description, pace)
        try:
            yield lines
        finally:
            lines.close()
        return
    with _rich_bar(console) as bar:
        task = bar.add_task(description, total=total, completed=start, count="", pace="", shown="")
        yield LiveBar(bar, task, pace, console.width < NARROW)


class Pace:
    """Counts items, and knows how fast they come and how long the rest takes at the mean rate so far.

    The first items may wait for loops that compile, or for a worker that starts. So the rate is of those after them.
    """

    def __init__(self, total: int, unit: str, start: int, clock: Callable[[], float]) -> None:
        self.total = total
        self.unit = unit
        self.done = start
        self._start = start
        self._clock = clock
        self._began = clock()
        self._warm: tuple[float, int] | None = None
        """Seconds until the first items were done, and how many items were done then."""
        self._shown: dict[str, Shown] = {}

    def advance(self, n: int, shown: dict[str, Shown]) -> None:
        """n more items are done."""
        self.done += n
        self._shown |= shown
        if n > 0 and self._warm is None:
            self._warm = self.seconds, self.done

    def skip(self, n: int) -> None:
        """n more items need not be done."""
        self.done += n
        self._start += n
        if self._warm is not None:
            self._warm = self._warm[0], self._warm[1] + n

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return self._clock() - self._began

    def rate_and_time(self) -> str:
        """'12.5/s, 0:24 left', at the end '12.5/s, 0:30 in all', nothing before anything is done after the first items.

        At the end, the rate is that of all.
        """
        seconds, ended = self.seconds, self.done >= self.total
        warm_seconds, warm_done = (0.0, self._start) if ended or self._warm is None else self._warm
        new, taken = self.done - warm_done, seconds - warm_seconds
        if self._warm is None or new <= 0 or taken <= 0:
            return ""
        rate = new / taken
        if ended:
            return f"{format_pace(rate)}, {duration(seconds)} in all"
        return f"{format_pace(rate)}, {duration((self.total - self.done) / rate)} left"

    def count(self, with_unit: bool = True) -> str:
        """'120/320 images'."""
        return f"{self.done}/{self.total}" + (f" {self.unit}" if self.unit and with_unit else "")

    def shown(self) -> str:
        """'loss=0.512 val=91.3'."""
        return " ".join(
            f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in self._shown.items()
        )


class LiveBar:
    """A bar on a terminal."""

    def __init__(self, bar: RichProgress, task: TaskID, pace: Pace, narrow: bool) -> None:
        self._bar = bar
        self._task = task
        self._pace = pace
        self._narrow = narrow
        self._update()

    def advance(self, n: int = 1, **shown: Shown) -> None:
        """n more items are done."""
        self._pace.advance(n, shown)
        self._update()

    def skip(self, n: int) -> None:
        """n more items need not be done."""
        self._pace.skip(n)
        self._update()

    def _update(self) -> None:
        pace = self._pace
        below = " ".join(part for part in (pace.unit if self._narrow else "", pace.shown()) if part)
        count = pace.count(not self._narrow)
        self._bar.update(self._task, completed=pace.done, count=count, pace=pace.rate_and_time(), shown=below)


class PlainLines:
    """Lines for a log."""

    def __init__(self, console: Console, description: str, pace: Pace) -> None:
        self._console = console
        self._description = description
        self._pace = pace
        self._print()

    def advance(self, n: int = 1, **shown: Shown) -> None:
        """n more items are done; says so if the last line is old enough."""
        self._pace.advance(n, shown)
        self._print_seldom()

    def skip(self, n: int) -> None:
        """n more items need not be done."""
        self._pace.skip(n)
        self._print_seldom()

    def close(self) -> None:
        """Says how far it came, unless the last line did."""
        if (self._pace.done, self._pace.shown()) != self._last:
            self._print()

    def _print_seldom(self) -> None:
        if self._pace.seconds - self._last_line >= SECONDS_BETWEEN_LINES:
            self._print()

    def _print(self) -> None:
        counts = f"{self._description}: {self._pace.count()}"
        parts = [part for part in (counts, self._pace.rate_and_time(), self._pace.shown()) if part]
        self._console.print(", ".join(parts), markup=False, emoji=False, highlight=False, soft_wrap=True)
        self._last_line = self._pace.seconds
        self._last = self._pace.done, self._pace.shown()


def duration(seconds: float) -> str:
    """0:07, 12:30 or 3:04:05.

    >>> duration(7.4), duration(750), duration(11045)
    ('0:07', '12:30', '3:04:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _rich_bar(console: Console) -> RichProgress:
    from rich.console import RenderableType
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as RichProgress
    from rich.table import Column
    from rich.text import Text

    def text(template: str) -> TextColumn:
        return TextColumn(template, markup=False, table_column=Column(no_wrap=True))

    class ValuesBelow(RichProgress):
        """Values have a line of their own: next to the bar, a narrow terminal would cut the count and the time."""

        def get_renderables(self) -> Iterator[RenderableType]:
            yield from super().get_renderables()
            yield from (Text(task.fields["shown"]) for task in self.tasks if task.fields["shown"])

    return ValuesBelow(
        text("{task.description}"),
        BarColumn(bar_width=min(WIDTH_OF_THE_BAR, console.width // 10), table_column=Column(no_wrap=True)),
        text("{task.fields[count]}"),
        text("{task.fields[pace]}"),
        console=console,
        # Standard output is for results alone, and may be a pipe while standard error is the terminal.
        redirect_stdout=False,
    )
