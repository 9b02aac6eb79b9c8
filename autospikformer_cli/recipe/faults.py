"""Our wording for each kind of validation error, and the key that was probably meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from types import NoneType
from typing import Any, get_args

from pydantic_core import ErrorDetails

from autospikformer_cli.recipe.choices import LIST_TAG, RANGE_TAG
from autospikformer_cli.recipe.sections import NAME_TAG, TABLE_TAG
from autospikformer_cli.recipe.source import Path
from autospikformer_cli.recipe.toml_text import toml_key, toml_value
from autospikformer_cli.recipe.values import LARGEST_WHOLE
from autospikformer_cli.recipe.whole import SECTIONS, known_keys
from autospikformer_cli.space import plain
from autospikformer_cli.wording import did_you_mean, nearest_names

_LONGEST_VALUE = 60
_KEY_TAG = "[key]"
"""pydantic's name for a mistake in a table's key itself."""
_TAGS = {LIST_TAG, RANGE_TAG, NAME_TAG, TABLE_TAG, _KEY_TAG}

_KINDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "is_instance_of": "a number",
    "bool_type": "true or false",
    "string_type": "a string",
    "tuple_type": "a list",
    "model_type": "a table",
    "dict_type": "a table",
}

_SENTENCES = {
    "finite_number": "must be finite, not {value}",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must be one line without control characters",
    "decimal_max_places": "is {value}, it must have at most {decimal_places} decimal places",
}

_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def key_path(error: ErrorDetails) -> Path:
    """The keys and positions of an error, without pydantic's names for the kinds of a value."""
    return tuple(part for part in error["loc"] if part not in _TAGS)


def shown_key(path: Path) -> str:
    """A path as a user writes it.

    >>> shown_key(("data", "normalise", "std", 1))
    'data.normalise.std[1]'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{toml_key(part)}" for part in path).lstrip(".")


def wording(error: ErrorDetails, tree: Mapping[str, Any]) -> tuple[str, str | None]:
    """What is wrong, in a sentence that names the key, and the remedy if one is known.

    tree: the keys as written, so that a wrong value is shown as it was typed
    """
    path = key_path(error)
    key, kind, context = shown_key(path), error["type"], error.get("ctx", {})
    if kind == "missing":
        return f"{key} is missing", _remedy_for_missing(path)
    if kind == "extra_forbidden":
        return f"{key} is not a key", _nearest_key(path)
    if kind == "recipe_rule":
        return f"{key}{context['text']}", context["fix"]
    value = _shown_value(path, tree)
    if kind in _SENTENCES:
        return f"{key} {_SENTENCES[kind].format(value=value, **context)}", None
    if kind == "literal_error":
        return _literal_wording(path, context["expected"], value)
    if kind in _BOUNDS:
        limit, relation = _BOUNDS[kind]
        return f"{key} is {value}, it must be {relation} {_shown_limit(context[limit])}", None
    if kind == "tuple_type" and LIST_TAG in error["loc"]:
        fix = f"write {key} = [{value}]" if value[0].isdigit() else None
        return f"{key} must be a list of choices or a range {{low = , high = , step = }}, not {value}", fix
    expected = _KINDS.get(kind)
    if expected is None:
        return f"{key} is {value}: {error['msg']}", None
    return f"{key} must be {expected}{_or_none(path)}, not {value}", _whole_form(error)


def _whole_form(error: ErrorDetails) -> str | None:
    """How to write a whole number that TOML takes for another, such as 1e3."""
    value = error["input"]
    if error["type"] != "int_type" or not isinstance(value, Decimal) or value != value.to_integral_value():
        return None
    return f"write {int(value)}" if abs(value) <= LARGEST_WHOLE else None


def _literal_wording(path: Path, expected: str, value: str) -> tuple[str, str | None]:
    names = re.findall(r"'([^']*)'", expected)
    if len(path) == 2 and _or_none(path):
        names.append("none")
    listed = [f'"{name}"' for name in names]
    allowed = " or ".join(filter(None, [", ".join(listed[:-1]), listed[-1]]))
    near = [f'"{name}"' for name in nearest_names(value.strip('"'), names)]
    return f"{shown_key(path)} must be {allowed}, not {value}", did_you_mean(near)


def _or_none(path: Path) -> str:
    """' or "none"' for a key that may be "none"."""
    if len(path) != 2 or path[0] not in SECTIONS:
        return ""
    field = SECTIONS[str(path[0])].model_fields[str(path[1])]
    return ' or "none"' if NoneType in get_args(field.annotation) else ""


def _shown_value(path: Path, tree: Mapping[str, Any]) -> str:
    value: Any = tree
    for part in path:
        value = value[part]
    text = toml_value(value)
    if isinstance(value, Decimal) and text.lstrip("-").isdigit():
        text += ".0"  # 1e0 is no whole number, and would look like one
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _shown_limit(limit: float) -> str:
    """Without an exponent, unless that would be a line of zeros."""
    return f"{limit:g}" if limit > LARGEST_WHOLE else plain(Decimal(str(limit)))


def _remedy_for_missing(path: Path) -> str:
    if len(path) == 2:
        return f"write {path[1]} in [{path[0]}], or extend a recipe that has it"
    table = shown_key(path[:-1])
    if path[0] == "energy":
        return f"write {shown_key(path[2:])} in the {path[1]}"
    if path[0] == "space":
        return f"write {table} = {{low = , high = , step = }}"
    return f"write it in {table} = {{...}}"


def _nearest_key(path: Path) -> str | None:
    """The known key nearest to an unknown one, in its own table, else in another section."""
    *outer, last = (str(part) for part in path)
    tables = known_keys()
    own = tables.get(".".join(outer), [])
    near = [".".join([*outer, name]) for name in nearest_names(last, own)]
    if not near and len(outer) < 2:
        near = [f"{section}.{last}" for section in SECTIONS if last in tables[section]] or [
            f"{section}.{name}" for section in SECTIONS for name in nearest_names(last, tables[section], cutoff=0.8)
        ]
    if near:
        return did_you_mean(near)
    if not own:
        return None
    table = ".".join(outer)
    owner = (table if outer[1:] else f"[{table}]") if outer else "a recipe"
    return f"{owner} has the keys {', '.join(own)}"
