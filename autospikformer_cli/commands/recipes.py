"""List the recipes, or print one resolved."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from autospikformer_cli.cli.session import Session
from autospikformer_cli.errors import UserError


def recipes(
    session: Session,
    action: Annotated[str | None, typer.Argument(metavar="show", help="show: print one recipe.")] = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A recipe's name, or a .toml file.")] = None,
) -> None:
    """List the recipes that come with aspk, or print one resolved: every key, without extends.

    Example: aspk recipes show quickstart --set train.epochs=5
    """
    if action is None:
        _list(session)
    elif action == "show" and name is not None:
        _show(session, name)
    else:
        named = "NAME" if action == "show" else action
        what = "no recipe is named" if action == "show" else f"{action} is no action"
        raise UserError(what, None, f"write aspk recipes show {named}, or aspk recipes to list them")


def _list(session: Session) -> None:
    from rich.table import Table

    from autospikformer_cli.recipe import recipe_summary, shipped_recipes

    summaries = {name: recipe_summary(path) for name, path in shipped_recipes().items()}
    table = Table("recipe", "what it is", box=None, pad_edge=False)
    for name, summary in summaries.items():
        table.add_row(name, summary)
    session.console.print(table)
    session.emit({"recipes": [{"name": name, "summary": summary} for name, summary in summaries.items()]})


def _show(session: Session, name: str) -> None:
    import tomli

    from autospikformer_cli.recipe import load_recipe

    text = load_recipe(name, session.overrides).to_toml()
    session.console.print(text, end="", markup=False, highlight=False, soft_wrap=True)
    document: dict[str, Any] = tomli.loads(text)
    session.emit({"name": name, "recipe": document})
