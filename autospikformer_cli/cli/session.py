"""Where one invocation's results, documents, remarks and progress go.

A command, ours or a plugin's, takes a parameter annotated `Session`, and has --json and --quiet. It is a `Say`.
"""

from __future__ import annotations

import json as json_text
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from typing import TYPE_CHECKING, Any

from autospikformer_cli.cli.interruption import Interruption
from autospikformer_cli.cli.progress import show_progress
from autospikformer_cli.say import SILENT, Progress, Stop

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

COLUMNS_OF_A_FILE = 120
"""Width of tables if standard output is not a terminal and COLUMNS is not set, or says no size (COLUMNS=0)."""

SIZES = ("COLUMNS", "LINES")
"""What a shell says of its terminal."""

JSON_SCHEMA = 1
"""`schema_version` of every document: a larger number is a document that a reader of the smaller one would misread."""


def document_text(document: Mapping[str, object], *, one_line: bool = False) -> str:
    """A document as it is written, `schema_version` first. Raises ValueError for a number that is not finite."""
    text = StringIO()  # `dumps` would hold every part of a large text at once
    indent = None if one_line else 2
    json_text.dump({"schema_version": JSON_SCHEMA, **document}, text, indent=indent, allow_nan=False)
    return text.getvalue() + "\n"


def _console(**settings: Any) -> Console:
    """A console that prints text as it is. A reader who has gone is a BrokenPipeError, as for every other output."""
    from rich.console import Console

    class PlainConsole(Console):
        """rich would end the process with exit code 1."""

        def on_broken_pipe(self) -> None:
            """Called while a BrokenPipeError is handled."""
            raise

    # COLUMNS=0 means no size, as for other programs; rich would show tables of no columns.
    environment = {name: value for name, value in os.environ.items() if name not in SIZES or _is_a_size(value)}
    return PlainConsole(highlight=False, emoji=False, _environ=environment, **settings)


def _is_a_size(text: str) -> bool:
    return text.isdecimal() and int(text) > 0


def plain_text(shown: RenderableType, width: int) -> str:
    """What a console of so many columns shows, without colours, for a file."""
    console = _console(file=StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(shown)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


@dataclass(frozen=True)
class Session:
    """One invocation's output. json: one document on standard output. quiet: nothing on standard error."""

    json: bool = False
    quiet: bool = False

    @cached_property
    def console(self) -> Console:
        """Standard output, for a reader; silent with --json."""
        to_reader = sys.stdout.isatty() or _is_a_size(os.environ.get("COLUMNS", ""))
        return _console(quiet=self.json, width=None if to_reader else COLUMNS_OF_A_FILE)

    @cached_property
    def _error_console(self) -> Console:
        return _console(stderr=True, quiet=self.quiet)

    def emit(self, document: Mapping[str, object] | Callable[[], Mapping[str, object]]) -> None:
        """Write the one document to standard output, if --json asks for it. It is the last thing that a command does.

        document: or a function that makes it, which is called if it is asked for. JSON has no not-a-number: write None.
        """
        if self.json:
            sys.stdout.write(document_text(document() if callable(document) else document))

    def emit_line(self, document: Mapping[str, object]) -> None:
        """Write one of several documents, each a line of its own, to standard output at once, if --json asks for them.

        A command that does so writes nothing with `emit`.
        """
        if self.json:
            sys.stdout.write(document_text(document, one_line=True))
            sys.stdout.flush()

    @cached_property
    def _said(self) -> set[str]:
        return set()

    def remark(self, text: str) -> None:
        """A line on standard error, above a live bar if there is one. Silent with --quiet; a text is said once."""
        if text not in self._said:
            self._said.add(text)
            self._error_console.print(text, markup=False, soft_wrap=True)

    def progress(
        self, description: str, total: int, *, unit: str = "", start: int = 0
    ) -> AbstractContextManager[Progress]:
        """How far a computation is, on standard error, unless --quiet; call `.advance(n, loss=..., val=...)` on it.

        total: items in all; unit: what they are, such as images; start: of these, done before (by a computation that
        is resumed).
        """
        if self.quiet:
            return SILENT.progress(description, total, unit=unit, start=start)
        return show_progress(self._error_console, description, total, unit=unit, start=start)

    def interruptible(self) -> AbstractContextManager[Stop]:
        """Inside this context Ctrl-C asks the work to stop at the next point where it can be saved."""
        return Interruption(self.remark)
