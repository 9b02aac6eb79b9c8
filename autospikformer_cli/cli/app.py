"""The Typer app: subcommands come from entry points, are listed from metadata, and are imported when chosen."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from autospikformer_cli.cli.launched import require_alone
from autospikformer_cli.cli.subcommands import typer_command
from autospikformer_cli.cli.summaries import summary_of
from autospikformer_cli.errors import UserError
from autospikformer_cli.registry import DISTRIBUTION, REMARKS, Registry, is_ours, unusable

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter
    from typer._click.shell_completion import CompletionItem

PROGRAM = "aspk"
COMPLETE_VARIABLE = f"_{PROGRAM.upper()}_COMPLETE"
ORDER = ("train", "search", "evaluate", "finish", "energy", "analyze", "report")
"""The commands in the order of work; others follow by name."""


class CommandGroup(TyperGroup):
    """Every command that an installed distribution gives through the entry-point group `aspk.commands`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.registry = Registry("commands")

    def list_commands(self, ctx: Context) -> list[str]:
        """Names, the order of work first."""
        names = self.registry.names()
        return [name for name in ORDER if name in names] + [name for name in names if name not in ORDER]

    def summary(self, name: str) -> str:
        """One line, read without importing the command."""
        return summary_of(self.registry.providers[name][0])

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The list in `aspk --help`."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.summary(name)) for name in self.list_commands(ctx)])

    def shell_complete(self, ctx: Context, incomplete: str) -> list[CompletionItem]:
        """Names that begin so, with their summaries; the group's options otherwise."""
        from typer._click.shell_completion import CompletionItem

        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        if incomplete and not names:
            return super(TyperGroup, self).shell_complete(ctx, incomplete)
        return [CompletionItem(name, help=self.summary(name)) for name in names]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """The command, imported now. Raises UserError where there is none or its plugin is broken."""
        try:
            return self._command(cmd_name)
        except UserError:
            if ctx.resilient_parsing:  # completion: nothing to offer is better than a message in the prompt
                return None
            raise

    def _command(self, name: str) -> Command:
        found = self.registry.get(name)
        point = self.registry.providers[name][0]
        try:
            return typer_command(name, found, point.value)
        except (Exception, SystemExit) as error:
            if is_ours(point):
                raise
            raise unusable("command", point, f"{type(error).__name__}: {error}") from error


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {version(DISTRIBUTION)}")
        raise typer.Exit


def _main(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Architecture search for spiking vision transformers: train a supernet once, search it, report what it found.

    \b
      aspk train quickstart
      aspk search --front front.png
      aspk report
    """
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
    else:
        require_alone(ctx.invoked_subcommand)


def build_app() -> Command:
    """The group `aspk`, with the commands that are installed now."""
    app = typer.Typer(
        name=PROGRAM,
        cls=CommandGroup,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
        invoke_without_command=True,
    )
    app.callback()(_main)
    return get_command(app)


def run(args: Sequence[str]) -> None:
    """Run one command line; returns when it is done. Raises what the command raises, and typer's exceptions."""
    group = build_app()
    if COMPLETE_VARIABLE in os.environ:
        group.main(list(args), prog_name=PROGRAM)
    try:
        with group.make_context(PROGRAM, list(args)) as context:
            group.invoke(context)
    finally:
        _remark_on_plugins(quiet="--quiet" in args)


def _remark_on_plugins(quiet: bool) -> None:
    if not quiet:
        sys.stderr.write("".join(f"{text}\n" for text in REMARKS))
    REMARKS.clear()
