"""Names of searches that the user has not named: made from what distinguishes them."""

from __future__ import annotations

import hashlib
import re
from itertools import chain, count
from pathlib import Path
from typing import Any

from autospikformer_cli.recipe import Recipe
from autospikformer_cli.recipe.toml_text import toml_value
from autospikformer_cli.runs.conditions import other_search_keys
from autospikformer_cli.store.searches import search_names

NAMED_ALWAYS = ("search.algorithm", "search.alpha", "seed", "search.limits")
LONGEST_VALUE = 24
LONGEST_NAME = 80


def made_name(recipe: Recipe, trained: Recipe) -> str:
    """A search's name: algorithm, alpha, seed, limits, and every other key in which it differs from the training's.

    It is a function of the two recipes alone. For example evolution-alpha0.5-seed0-params60000-images1000.
    """
    search = recipe.search
    parts = [_plain(search.algorithm).lstrip("._+") or "search", f"alpha{search.alpha:g}", f"seed{recipe.seed}"]
    parts += [_plain(f"{objective}{bound:g}") for objective, bound in search.limits.items()]
    others = [key for key in other_search_keys(trained, recipe) if key not in NAMED_ALWAYS]
    parts += [_plain(key.rpartition(".")[2]) + _value(recipe.value(key)) for key in others]
    return _cut("-".join(parts), LONGEST_NAME)


def without_seed(name: str, seed: int) -> str:
    """A search's name without the seed that it was made with, for several searches that differ in nothing else.

    >>> without_seed("evolution-alpha0.5-seed1", 1), without_seed("mine-seed10", 1)
    ('evolution-alpha0.5', 'mine-seed10')
    """
    return re.sub(rf"-seed{seed}(?!\d)", "", name, count=1)


def free_name(run: Path, name: str) -> str:
    """The name, or NAME-2, NAME-3 and so on, if a search of the run has it: one that was measured otherwise."""
    taken = search_names(run)
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(each for each in names if each not in taken)


def _value(value: Any) -> str:
    named = getattr(value, "name", value)
    text = toml_value(named) if isinstance(named, str | int | float | bool) else repr(named)
    plain = _plain(text) if isinstance(named, int | float) and not isinstance(named, bool) else f"_{_plain(text)}"
    return plain if isinstance(named, str | int | float | bool) and len(plain) <= LONGEST_VALUE else _digest(text)


def _plain(text: str) -> str:
    """Only characters that a search's name may have."""
    return re.sub(r"[^A-Za-z0-9._+]+", "_", text.strip('"'))


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 9]}-{_digest(name)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
