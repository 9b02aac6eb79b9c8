"""List the hardware profiles and conventions of energy, or print one."""

from __future__ import annotations

from typing import Annotated

import typer

from autospikformer_cli.cli.completion import complete_profile_or_convention
from autospikformer_cli.cli.session import Session
from autospikformer_cli.cli.subcommands import Subcommands


def list_profiles(session: Session) -> None:
    """List the hardware profiles and the conventions of counting that come with aspk, with their constants.

    A profile says what an operation costs (energy.profile), a convention which operations count (energy.convention).

    Example: aspk profiles
    """
    from autospikformer_cli.recipe.energy.models import shipped_convention, shipped_names, shipped_profile
    from autospikformer_cli.report.profile_tables import profiles_table, rules_table

    session.console.print(profiles_table())
    session.console.print()
    session.console.print(rules_table())
    profiles = [shipped_profile(name).model_dump(exclude_none=True) for name in shipped_names("profiles")]
    conventions = [shipped_convention(name).model_dump() for name in shipped_names("conventions")]
    session.emit({"profiles": profiles, "conventions": conventions})


def show_profile(
    session: Session,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A hardware profile or a convention.", autocompletion=complete_profile_or_convention
        ),
    ],
) -> None:
    """Print the file of a profile or a convention. A copy of it is the beginning of your own.

    Example: aspk profiles show cmos45 > chip.toml
    """
    import tomli

    from autospikformer_cli.errors import UserError
    from autospikformer_cli.recipe.energy.models import Folder, shipped_names, shipped_text
    from autospikformer_cli.wording import choice_near

    folders: tuple[Folder, ...] = ("profiles", "conventions")
    found = next((folder for folder in folders if name in shipped_names(folder)), None)
    if found is None:
        every = [each for folder in folders for each in shipped_names(folder)]
        raise UserError(f"{name!r} is neither a profile nor a convention", None, choice_near(name, every))
    text = shipped_text(found, name)
    session.console.print(text, end="", markup=False, highlight=False, soft_wrap=True)
    session.emit({"name": name, "kind": found.removesuffix("s"), "file": tomli.loads(text)})


profiles = Subcommands("list", {"list": list_profiles, "show": show_profile})
