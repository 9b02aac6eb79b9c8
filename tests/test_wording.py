"""Parts that messages share."""

from __future__ import annotations

import pytest

from autospikformer_cli.wording import did_you_mean, nearest_names, shortened


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, ""), (1, "0"), (3, "0, 1, 2"), (4, "0, 1, 2 and 1 more"), (1003, "0, 1, 2 and 1,000 more")],
)
def test_a_long_list_is_cut_and_the_rest_is_counted(count: int, text: str) -> None:
    assert shortened([str(number) for number in range(count)]) == text


def test_separator_length_and_rest_are_the_caller_s() -> None:
    assert shortened(["a", "b", "c"], "\n  ", 2, rest="\n  and {} more") == "a\n  b\n  and 1 more"
    assert shortened(["a", "b"], "; ", 2, rest=" ...") == "a; b"
    assert shortened({"{}": 1, "b": 2}, most=1, rest=" ...") == "{} ..."


def test_the_nearest_names_come_first_and_strangers_not_at_all() -> None:
    recipes = {"cifar10-small": 1, "cifar100-small": 2, "quickstart": 3}
    assert nearest_names("cifar10-smal", recipes) == ["cifar10-small"]
    assert nearest_names("cifar10-smal", recipes, most=3) == ["cifar10-small", "cifar100-small"]
    assert nearest_names("cifar10-smal", recipes, cutoff=0.99) == []
    assert nearest_names("nothing", []) == []


def test_a_question_is_asked_if_there_is_something_to_ask_for() -> None:
    assert did_you_mean(["a"]) == "did you mean a?"
    assert did_you_mean(["a", "b"]) == "did you mean a or b?"
    assert did_you_mean([]) is None
