"""Lines of keys in every form that TOML can write them."""

from decimal import Decimal
from typing import Any

import pytest
import tomli
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from autospikformer_cli.recipe.source import key_lines, key_parts

EVERY_FORM = '''\
# [no] header = 1
top = 1 # = 2
"quo.ted" . 'key' = """
[not.a.header]
not_a_key = 1
"""
date = 1979-05-27 07:32:00
tricky = "a # \\" [b" # comment

[ table . inner ]
list = [
  1, # one ]
  [2,
   3],
  {x = 1, y.z = ["}",
    4]},
]
[table]
late = \'\'\'
x = "\'\'\'
literal = 'C:\\'
[[many]]
a = 1
[many.sub]
b = 2
[[many]]
a = 1
sub.b = """two quotes """""
last = true'''


def test_every_form_of_key_has_its_line() -> None:
    tomli.loads(EVERY_FORM)
    assert key_lines(EVERY_FORM) == {
        ("top",): 2,
        ("quo.ted",): 3,
        ("quo.ted", "key"): 3,
        ("date",): 7,
        ("tricky",): 8,
        ("table",): 10,
        ("table", "inner"): 10,
        ("table", "inner", "list"): 11,
        ("table", "inner", "list", 0): 12,
        ("table", "inner", "list", 1): 13,
        ("table", "inner", "list", 1, 0): 13,
        ("table", "inner", "list", 1, 1): 14,
        ("table", "inner", "list", 2): 15,
        ("table", "inner", "list", 2, "x"): 15,
        ("table", "inner", "list", 2, "y"): 15,
        ("table", "inner", "list", 2, "y", "z"): 15,
        ("table", "inner", "list", 2, "y", "z", 0): 15,
        ("table", "inner", "list", 2, "y", "z", 1): 16,
        ("table", "late"): 19,
        ("table", "literal"): 21,
        ("many",): 22,
        ("many", 0): 22,
        ("many", 0, "a"): 23,
        ("many", 0, "sub"): 24,
        ("many", 0, "sub", "b"): 25,
        ("many", 1): 26,
        ("many", 1, "a"): 27,
        ("many", 1, "sub"): 28,
        ("many", 1, "sub", "b"): 28,
        ("many", 1, "last"): 29,
    }


KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
VALUES = st.recursive(
    st.integers(-9, 9)
    | st.booleans()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.decimals(-9, 9),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(KEYS, children, max_size=3),
    max_leaves=12,
)


def paths(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """The paths of a document's keys and elements."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path for _ in [0] if path} | {found for key, item in inside for found in paths(item, (*path, key))}


@settings(max_examples=200)
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.booleans())
def test_no_key_of_any_document_is_overlooked(document: dict[str, Any], multiline: bool) -> None:
    text = tomli_w.dumps(document, multiline_strings=multiline)
    found = key_lines(text)
    assert set(found) == paths(tomli.loads(text, parse_float=Decimal))
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


@pytest.mark.parametrize("text", ["", "a b", "a.", "[a]", "a\n", "a = 1\nb", "#a", "a..b"])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(tomli.TOMLDecodeError):
        key_parts(text)
