"""List the recipes, or print one resolved."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from autospikformer_cli.cli.completion import complete_recipe
from autospikformer_cli.cli.options import SetOption
from autospikformer_cli.cli.session import Session
from autospikformer_cli.cli.subcommands import Subcommands


def list_(session: Session) -> None:
    """List the recipes that come with aspk.

    Example: aspk recipes
    """
    from autospikformer_cli.recipe import recipe_summary, shipped_recipes
    from autospikformer_cli.report.tables import WideTable

    summaries = {name: recipe_summary(path) for name, path in shipped_recipes().items()}
    table = WideTable("recipe", "what it is", box=None, pad_edge=False)
    for name, summary in summaries.items():
        table.add_row(name, summary)
    session.console.print(table)
    session.emit({"recipes": [{"name": name, "summary": summary} for name, summary in summaries.items()]})


def show(
    session: Session,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A recipe's name, or a .toml file.", autocompletion=complete_recipe)
    ],
    overrides: SetOption = [],  # noqa: B006
) -> None:
    """Print one recipe resolved: every key, without extends.

    Example: aspk recipes show quickstart --set train.epochs=5
    """
    import tomli

    from autospikformer_cli.recipe import load_recipe

    text = load_recipe(name, overrides).to_toml()
    session.console.print(text, end="", markup=False, highlight=False, soft_wrap=True)
    document: dict[str, Any] = tomli.loads(text)
    session.emit({"name": name, "recipe": document})


recipes = Subcommands("list", {"list": list_, "show": show})
