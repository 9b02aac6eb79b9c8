"""Parts that messages share."""

from __future__ import annotations

import pytest

from autospikformer_cli.wording import shortened


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
