"""The one place where a command's parameter annotated `Session` becomes the shared options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from autospikformer_cli.cli.session import Session, checked_session

# The names are those of `checked_session`; help texts are full sentences' worth for every command alike.
SHARED_OPTIONS: dict[str, tuple[object, object]] = {
    "run": (
        Annotated[
            Path | None,
            typer.Option(
                "--run",
                metavar="DIR",
                help="The run's folder.",
                show_default="the newest under runs/; train and import: their own",
            ),
        ],
        None,
    ),
    "overrides": (
        Annotated[
            list[str],
            typer.Option(
                "--set",
                metavar="KEY=VALUE",
                help="A recipe key and a TOML value, for example train.epochs=3; may be repeated.",
                show_default=False,
            ),
        ],
        [],
    ),
    "device": (
        Annotated[str, typer.Option("--device", metavar="DEVICE", help="cpu, cuda or cuda:N.")],
        "cpu",
    ),
    "threads": (
        Annotated[
            str | None,
            typer.Option("--threads", metavar="N", help="Threads on the CPU.", show_default="torch's own choice"),
        ],
        None,
    ),
    "precision": (
        Annotated[str, typer.Option("--precision", metavar="PRECISION", help="float32 or float64.")],
        "float32",
    ),
    "engine": (
        Annotated[
            str | None,
            typer.Option(
                "--engine",
                metavar="ENGINE",
                help="event_driven or dense: what runs subnets.",
                show_default="event_driven on the CPU, where the neurons allow it",
            ),
        ],
        None,
    ),
    "json": (
        Annotated[bool, typer.Option("--json", help="One JSON document on standard output, and nothing else there.")],
        False,
    ),
    "quiet": (
        Annotated[bool, typer.Option("--quiet", help="No progress and no remarks on standard error.")],
        False,
    ),
}


def with_shared_options(command: Callable[..., object]) -> Callable[..., None]:
    """The command with the shared options in the place of its parameter annotated `Session`, if it has one.

    Its result is dropped: a command's outcome is what it writes and raises. Raises TypeError where one of its own
    parameters has the name of a shared option.
    """
    signature = inspect.signature(command, eval_str=True)
    sessions = [name for name, parameter in signature.parameters.items() if parameter.annotation is Session]
    own = [parameter for name, parameter in signature.parameters.items() if name not in sessions]
    shared = _shared_parameters() if sessions else []
    taken = {parameter.name for parameter in own} & {parameter.name for parameter in shared}
    if taken:
        raise TypeError(f"a parameter is called as a shared option is: {', '.join(sorted(taken))}")

    @functools.wraps(command)
    def run(**values: object) -> None:
        if sessions:
            options = {parameter.name: values.pop(parameter.name) for parameter in shared}
            session = checked_session(**options)  # type: ignore[arg-type]
            values |= dict.fromkeys(sessions, session)
        command(**values)

    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *shared)]
    run.__signature__ = signature.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _shared_parameters() -> list[inspect.Parameter]:
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(name, keyword, default=default, annotation=annotation)
        for name, (annotation, default) in SHARED_OPTIONS.items()
    ]
