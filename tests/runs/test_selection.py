"""Which subnet a word names, and where old populations go."""

from __future__ import annotations

import pytest

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.selection import select


@pytest.mark.parametrize(
    ("text", "subnet"),
    [
        ("largest", "(2, 4, 4, 4, 4, 1, 1, 2, 2, 4, 48)"),
        ("smallest", "(1, 2, 2, 1, 2, 2, 32)"),
        ("baseline", "(2, 4, 4, 4, 4, 1, 1, 2, 2, 4, 48)"),
        ("(1, 2, 2, 0.60, 1.25, 3, 40)", "(1, 2, 2, 0.6, 1.25, 3, 40)"),
        ("[1, 2, 2, 0.6, 1.25, 3, 40]", "(1, 2, 2, 0.6, 1.25, 3, 40)"),
        (" 1, 2, 2, 0.6, 1.25, 3, 40 ", "(1, 2, 2, 0.6, 1.25, 3, 40)"),
    ],
)
def test_words_and_tuples(text: str, subnet: str) -> None:
    assert str(select(text, load_recipe("quickstart"), None).subnet) == subnet


def test_the_baseline_is_the_recipes() -> None:
    recipe = load_recipe("quickstart", ["search.baseline=[1, 3, 4, 1.4, 5, 3, 40]"])
    assert str(select("baseline", recipe, None).subnet) == "(1, 3, 4, 1.4, 5, 3, 40)"


@pytest.mark.parametrize("text", ["best", "c0001", "dense", ""])
def test_a_recipe_alone_has_no_candidates(text: str) -> None:
    with pytest.raises(UserError) as caught:
        select(text, load_recipe("quickstart"), None)
    assert str(caught.value) == (
        f"--subnet: {text!r} names no subnet of a recipe\n"
        "  choose largest, smallest, baseline, or a tuple such as '(2, 4, 4, 4, 4, 1, 1, 2, 2, 4, 48)'"
    )
