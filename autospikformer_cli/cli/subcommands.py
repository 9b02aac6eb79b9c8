"""A command with commands of its own, as `aspk energy module`. One of them runs if none is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from autospikformer_cli.cli.options import with_option_groups
from autospikformer_cli.errors import UserError
from autospikformer_cli.say import Say
from autospikformer_cli.wording import did_you_mean, nearest_names

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter
    from typer._click.shell_completion import CompletionItem

HELP = ("--help", "-h")
UNNAMED = "aspk.unnamed"


@dataclass(frozen=True)
class Subcommands:
    """Functions by name, each a command. default: the name of the one that runs if none is named."""

    default: str
    commands: Mapping[str, Callable[..., object]]


class CommandOfOptions(TyperCommand):
    """A command that refuses an option that is given twice and takes one value: one of the two would be dropped."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Raises UserError for such an option. A flag says the same twice, and is taken."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        single = [each for each in order if each.param_type_name == "option" and not self._may_repeat(each)]
        twice = next((each for each in single if single.count(each) > 1), None)
        if twice is not None and not ctx.resilient_parsing:
            option = max(twice.opts, key=len)
            raise UserError(
                f"{option} is given {_times(single.count(twice))}", option, "it takes one value, leave out the rest"
            )
        return super().parse_args(ctx, args)

    @staticmethod
    def _may_repeat(option: Any) -> bool:
        return bool(option.multiple or option.is_flag or option.count)


def _times(number: int) -> str:
    return "twice" if number == 2 else f"{number} times"


class DefaultGroup(TyperGroup):
    """A group that runs its default command unless another one is named first."""

    default: str

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Names the default command if no command is named. The group itself has no option but --help."""
        if ctx.resilient_parsing and not args:  # completion: both the commands and the default one's values are offered
            return super().parse_args(ctx, args)
        if not args or args[0] not in (*self.commands, *HELP):
            self._require_no_stray_word(args)
            args = [self.default, *args]
            ctx.meta[UNNAMED] = True
        return super().parse_args(ctx, args)

    def _require_no_stray_word(self, args: list[str]) -> None:
        """Raises UserError for a word that is neither a command nor an argument of the default one."""
        takes_words = any(each.param_type_name == "argument" for each in self.commands[self.default].params)
        words = [each for each in args if not each.startswith("-")]
        misspelled = takes_words and len(words) > 1 and nearest_names(words[0], self.commands, cutoff=0.75)
        if args and not args[0].startswith("-") and (misspelled or not takes_words):
            fix = did_you_mean(nearest_names(args[0], self.commands)) or f"its commands are {', '.join(self.commands)}"
            raise UserError(f"{args[0]!r} is not a command of aspk {self.name}", None, fix)

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """The default command is called as the group is, unless it was named."""
        name, command, rest = super().resolve_command(ctx, args)
        return ("" if ctx.meta.pop(UNNAMED, False) else name), command, rest

    def shell_complete(self, ctx: Context, incomplete: str) -> list[CompletionItem]:
        """The commands, and what may follow the default command: its options, or the values of its first argument."""
        default = self.commands[self.default]
        inner = type(ctx)(default, info_name=ctx.info_name, parent=ctx, resilient_parsing=True)
        arguments = [each for each in default.params if each.param_type_name == "argument"]
        found = [*super().shell_complete(ctx, incomplete), *default.shell_complete(inner, incomplete)]
        if arguments and not incomplete.startswith("-"):
            found += arguments[0].shell_complete(inner, incomplete)
        return list({item.value: item for item in found}.values())

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The default command's page, and the names of the others."""
        default = self.commands[self.default]
        page = type(ctx)(default, info_name=ctx.info_name, parent=ctx.parent)
        default.format_help(page, formatter)
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(80)) for name, each in self.commands.items()])


def say_default(say: Say, ctx: typer.Context) -> None:
    """What runs, and what else there is, if the command runs because none was named."""
    if ctx.info_name == "" and ctx.parent is not None and isinstance(ctx.parent.command, DefaultGroup):
        group = ctx.parent.command
        others = ", ".join(name for name in group.commands if name != group.default)
        say.remark(f"no analysis is named, so this is aspk {group.name} {group.default}; others: {others}")


def typer_command(name: str, found: object, value: str) -> Command:
    """What Typer runs for a function, or for several. value: where it is. Raises TypeError for anything else."""
    app = typer.Typer(rich_markup_mode=None, add_completion=False, cls=DefaultGroup)
    if isinstance(found, Subcommands):
        for each, function in found.commands.items():
            app.command(each, cls=CommandOfOptions)(with_option_groups(function))
        group: Any = get_command(app)
        group.default, group.name = found.default, name
        return group  # type: ignore[no-any-return]
    if not callable(found):
        raise TypeError(f"{value} is not a function")
    app.command(name, cls=CommandOfOptions)(with_option_groups(found))
    return get_command(app)
