"""aspk recipes, in process."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import tomli

from autospikformer_cli.recipe import load_recipe, recipe_from_toml, shipped_recipes
from autospikformer_cli.recipe.whole import SECTIONS

Aspk = Callable[..., Any]


def test_every_recipe_is_listed_with_what_it_is(aspk: Aspk) -> None:
    lines = [line.split(maxsplit=1) for line in aspk("recipes").stdout.splitlines() if not line.startswith(" ")]
    shown = {words[0]: words[1] for words in lines if words[0] in shipped_recipes()}
    assert list(shown) == list(shipped_recipes())
    assert shown["quickstart"].startswith("The first tour: 8 x 8 digits")


def test_a_recipe_is_printed_resolved_and_loads_again(aspk: Aspk) -> None:
    shown = aspk("recipes", "show", "quickstart", "--set", "train.epochs=5").stdout
    assert recipe_from_toml(shown) == load_recipe("quickstart", ["train.epochs=5"])


def test_every_key_is_printed_whatever_the_fidelity(aspk: Aspk) -> None:
    for fidelity in ("sound", "paper", "authors"):
        option = f'fidelity="{fidelity}"'
        shown = aspk("recipes", "show", "cifar10-small-laptop", "--set", option).stdout
        recipe = recipe_from_toml(shown)
        assert recipe == load_recipe("cifar10-small-laptop", [option])
        assert (recipe.fidelity, recipe.switches()) == (fidelity, ())
        printed = tomli.loads(shown)
        for section, model in SECTIONS.items():
            assert list(printed[section]) == list(model.model_fields)


def test_json_is_one_document(aspk: Aspk) -> None:
    assert [recipe["name"] for recipe in json.loads(aspk("recipes", "--json").stdout)["recipes"]] == list(
        shipped_recipes()
    )
    shown = json.loads(aspk("recipes", "show", "quickstart", "--json").stdout)
    assert (shown["name"], shown["recipe"]["train"]["epochs"]) == ("quickstart", load_recipe("quickstart").train.epochs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show",), "aspk recipes show: missing argument 'NAME'\n  see aspk recipes show --help"),
        (("quickstart",), "'quickstart' is not a command of aspk recipes\n  its commands are list, show"),
        (("show", "quickstrat"), 'there is no recipe "quickstrat"\n  did you mean quickstart or quickstart-events?'),
        (("show", "quickstart", "--set", "sede=1"), "--set sede=1: sede is not a key\n  did you mean seed?"),
    ],
)
def test_mistakes(aspk: Aspk, arguments: tuple[str, ...], message: str) -> None:
    done = aspk("recipes", *arguments)
    assert (done.exit_code, done.stderr) == (2, f"error: {message}\n")
