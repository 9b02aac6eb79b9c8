"""aspk recipes, in process."""

import json

import pytest
import tomli
import typer
from typer.testing import CliRunner, Result

from autospikformer_cli.cli.options import with_shared_options
from autospikformer_cli.commands.recipes import recipes
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import load_recipe, recipe_from_toml, shipped_recipes
from autospikformer_cli.recipe.whole import SECTIONS


def run(*arguments: str) -> Result:
    """The outcome of `aspk recipes ARGUMENTS`."""
    app = typer.Typer()
    app.command("recipes")(with_shared_options(recipes))
    return CliRunner().invoke(app, arguments)


def test_every_recipe_is_listed_with_what_it_is() -> None:
    lines = [line.split(maxsplit=1) for line in run().stdout.splitlines()]
    shown = {words[0]: words[1] for words in lines if words[0] in shipped_recipes()}
    assert list(shown) == list(shipped_recipes())
    assert shown["quickstart"].startswith("The first tour: 8 x 8 digits")


def test_a_recipe_is_printed_resolved_and_loads_again() -> None:
    shown = run("show", "quickstart", "--set", "train.epochs=5").stdout
    assert recipe_from_toml(shown) == load_recipe("quickstart", ["train.epochs=5"])


def test_every_key_is_printed_whatever_the_fidelity() -> None:
    for fidelity in ("sound", "paper", "authors"):
        option = f'fidelity="{fidelity}"'
        shown = run("show", "cifar10-small-laptop", "--set", option).stdout
        recipe = recipe_from_toml(shown)
        assert recipe == load_recipe("cifar10-small-laptop", [option])
        assert (recipe.fidelity, recipe.switches()) == (fidelity, ())
        printed = tomli.loads(shown)
        for section, model in SECTIONS.items():
            assert list(printed[section]) == list(model.model_fields)


def test_json_is_one_document() -> None:
    assert [recipe["name"] for recipe in json.loads(run("--json").stdout)["recipes"]] == list(shipped_recipes())
    shown = json.loads(run("show", "quickstart", "--json").stdout)
    assert (shown["name"], shown["recipe"]["train"]["epochs"]) == ("quickstart", load_recipe("quickstart").train.epochs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show",), "no recipe is named\n  write aspk recipes show NAME, or aspk recipes to list them"),
        (
            ("quickstart",),
            "quickstart is no action\n  write aspk recipes show quickstart, or aspk recipes to list them",
        ),
        (("show", "quickstrat"), 'there is no recipe "quickstrat"\n  did you mean quickstart or quickstart-events?'),
        (("show", "quickstart", "--set", "sede=1"), "--set sede=1: sede is not a key\n  did you mean seed?"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], message: str) -> None:
    error = run(*arguments).exception
    assert isinstance(error, UserError)
    assert str(error) == message
