"""The options of every command that prices."""

from __future__ import annotations

from typing import Annotated

import typer

ProfileOption = Annotated[
    str | None, typer.Option("--profile", help="Hardware: a name, or a .toml of yours (energy.profile).")
]
ConventionOption = Annotated[
    str | None, typer.Option("--convention", help="Rules: a name, or a .toml of yours (energy.convention).")
]
