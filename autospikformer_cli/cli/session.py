"""The options that every command shares, and what they decide: where results, documents and progress go.

A command, ours or a plugin's, takes a parameter annotated `Session` and has all of them.
"""

from __future__ import annotations

import json as json_text
import os
import re
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.cli.progress import show_progress
from autospikformer_cli.errors import Faults, UserError
from autospikformer_cli.say import SILENT, Progress
from autospikformer_cli.wording import did_you_mean, nearest_names

if TYPE_CHECKING:
    import torch
    from rich.console import Console

    from autospikformer_cli.engine.choice import EngineName

PRECISIONS = ("float32", "float64")
ENGINES: tuple[EngineName, ...] = ("event_driven", "dense")
COLUMNS_OF_A_FILE = 120
"""Width of tables where standard output is no terminal and COLUMNS is not set."""


@dataclass(frozen=True)
class Session:
    """The shared options of one invocation.

    run: the run's folder, None for the newest. overrides: the texts of --set. threads: None for torch's own choice.
    engine: what runs subnets; None for the one that suits device and network.
    """

    run: Path | None = None
    overrides: tuple[str, ...] = ()
    device: str = "cpu"
    threads: int | None = None
    precision: str = "float32"
    engine: EngineName | None = None
    json: bool = False
    quiet: bool = False

    @cached_property
    def console(self) -> Console:
        """Standard output, for a reader; silent with --json."""
        from rich.console import Console

        to_reader = sys.stdout.isatty() or "COLUMNS" in os.environ
        return Console(quiet=self.json, highlight=False, emoji=False, width=None if to_reader else COLUMNS_OF_A_FILE)

    @cached_property
    def _error_console(self) -> Console:
        from rich.console import Console

        return Console(stderr=True, quiet=self.quiet, highlight=False, emoji=False)

    def emit(self, document: Mapping[str, object]) -> None:
        """The one document on standard output, if --json asks for it. Not-a-number is no JSON: write None."""
        if self.json:
            sys.stdout.write(json_text.dumps(document, indent=2, allow_nan=False) + "\n")

    @cached_property
    def _said(self) -> set[str]:
        return set()

    def remark(self, text: str) -> None:
        """A line on standard error, above a live bar if there is one. Silent with --quiet; a text is said once."""
        if text not in self._said:
            self._said.add(text)
            self._error_console.print(text, markup=False, soft_wrap=True)

    def progress(self, description: str, total: int, *, start: int = 0) -> AbstractContextManager[Progress]:
        """How far a computation is, on standard error, unless --quiet; call `.advance(n, loss=..., val=...)` on it.

        total: items in all; start: of these, done before (by a computation that is resumed).
        """
        if self.quiet:
            return SILENT.progress(description, total, start=start)
        return show_progress(self._error_console, description, total, start=start)

    def torch_device(self) -> tuple[torch.device, torch.dtype]:
        """Where torch computes and in what precision; sets the number of threads, and how memory is kept.

        Raises UserError where there is no such device.
        """
        import torch

        from autospikformer_cli.engine.device import set_up

        device = set_up(self.device, self.threads)
        return device, torch.float64 if self.precision == "float64" else torch.float32


def checked_session(
    run: Path | None,
    overrides: list[str],
    device: str,
    threads: str | None,
    precision: str,
    engine: str | None,
    json: bool,
    quiet: bool,
) -> Session:
    """A session from the options' texts. Raises Faults with all that are wrong."""
    faults = []
    if not re.fullmatch(r"cpu|cuda(:[0-9]{1,3})?", device):
        faults.append(UserError(f"{device!r} is not a device", "--device", "write cpu, cuda, or cuda:N, as cuda:0"))
    if threads is not None and not re.fullmatch(r"0*[1-9][0-9]{0,4}", threads):
        faults.append(
            UserError(f"{threads!r} is not a number of threads", "--threads", "write a whole number from 1 on")
        )
    if precision not in PRECISIONS:
        faults.append(UserError(f"{precision!r} is not a precision", "--precision", f"write {' or '.join(PRECISIONS)}"))
    named = next((known for known in ENGINES if known == engine), None)
    if engine is not None and named is None:
        fix = did_you_mean(nearest_names(engine, ENGINES)) or f"write {' or '.join(ENGINES)}"
        faults.append(UserError(f"{engine!r} is not an engine", "--engine", fix))
    if faults:
        raise Faults(faults)
    return Session(
        run, tuple(overrides), device, None if threads is None else int(threads), precision, named, json, quiet
    )
