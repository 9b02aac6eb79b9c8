"""Values as TOML text: for resolved recipes, and to show a user the value that is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from autospikformer_cli.space import plain

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SHORTEST_RANGE = 4


def toml_key(part: str) -> str:
    """One part of a key, quoted if TOML needs it."""
    return part if _BARE_KEY.fullmatch(part) else toml_string(part)


def toml_string(text: str) -> str:
    """A TOML basic string; JSON's escapes are TOML's, except for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_value(value: Any) -> str:
    """A value on one line. None, which TOML lacks, is "none".

    >>> print(toml_value({"low": 1, "names": ["a", None], "high": Decimal("2.50")}))
    {low = 1, names = ["a", "none"], high = 2.50}
    """
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return str(value).lower().replace("infinity", "inf")
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{toml_key(str(key))} = {toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return str(value)


def toml_choices(choices: Sequence[int | Decimal]) -> str:
    """Ascending choices, as a range if four or more lie at equal distances.

    >>> print(toml_choices((2, 4, 6, 8)))
    {low = 2, high = 8, step = 2}
    """
    distances = {after - before for before, after in pairwise(choices)}
    if len(choices) < _SHORTEST_RANGE or len(distances) > 1:
        return "[" + ", ".join(map(plain, choices)) + "]"
    return f"{{low = {plain(choices[0])}, high = {plain(choices[-1])}, step = {plain(distances.pop())}}}"
