"""A recipe's name or path, and --set options, become a Recipe, or every mistake in them is reported at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from autospikformer_cli.errors import Faults, UserError
from autospikformer_cli.recipe.components import givers_in, images_in, stored_components
from autospikformer_cli.recipe.faults import key_path, wording
from autospikformer_cli.recipe.keys import Context
from autospikformer_cli.recipe.layers import (
    Merged,
    Overrides,
    TomlLayer,
    extended_layers,
    file_layers,
    listed,
    merge,
    override_layer,
    profile_layers,
    text_layer,
)
from autospikformer_cli.recipe.rules import Violation, violations
from autospikformer_cli.recipe.source import Path as KeyPath
from autospikformer_cli.recipe.toml_text import toml_value
from autospikformer_cli.recipe.whole import SECTIONS, Recipe

_Located = tuple[int, int, UserError]
"""The layer and the line that a fault is sorted by, and the fault."""


def load_recipe(name_or_path: str | PathLike[str], overrides: Overrides = ()) -> Recipe:
    """A shipped recipe by name, or a .toml file by path, with values laid over it: {"train.epochs": 3}.

    Raises Faults with every mistake in the keys and its place, and UserError if a file cannot be read at all.
    """
    return _checked(file_layers(fspath(name_or_path)), overrides).named(Path(name_or_path).stem)


def recipe_from_toml(text: str, name: str = "recipe", overrides: Overrides = (), *, shown: str | None = None) -> Recipe:
    """A recipe from the text of `Recipe.to_toml`, such as a store's, with values laid over it.

    The text has every key of its time, so its fidelity sets none. A key that aspk has since then gets its default,
    which is what aspk did before. It may name components that are not installed any more. What needs one is refused.
    shown: where the text is from. Raises Faults, or UserError if it is not TOML.
    """
    layer = replace(text_layer(text, shown or name), resolved=True)
    recipe = _checked(extended_layers(layer, Path()), overrides).named(name)
    return recipe.with_givers(givers_in(text)).with_images(images_in(text))


def _checked(files: Sequence[TomlLayer], overrides: Overrides) -> Recipe:
    layers, faults = [], []
    for override in listed(overrides):
        try:
            layers.append(override_layer(override))
        except UserError as error:
            faults.append(error)
    merged = merge(files, layers)
    tree: dict[str, Any] = {**{section: {} for section in SECTIONS}, **merged.tree}
    right = Context()
    right.stored = stored_components(merged)
    """Every valid value. Rules between these keys are checked even if other keys are wrong."""
    recipe, located = None, []
    try:
        recipe = Recipe.model_validate(tree, context=right)
    except ValidationError as error:
        located = [_key_fault(detail, merged, tree) for detail in error.errors()]
    located += [_rule_fault(each, merged) for each in violations(right) if not _was_allowed(each, merged)]
    located.sort(key=lambda fault: fault[:2])
    every = [*(fault for _, _, fault in located), *faults]
    if every or recipe is None:
        raise Faults(every)
    return recipe


def _key_fault(detail: ErrorDetails, merged: Merged, tree: dict[str, Any]) -> _Located:
    path = key_path(detail)
    what, fix = wording(detail, tree)
    index = merged.layer_of(path, written=detail["type"] != "missing")
    layer = merged.layers[index]
    return index, layer.line(path), UserError(what, layer.where(path), fix)


def _was_allowed(violation: Violation, merged: Merged) -> bool:
    """Whether a store has all of the rule's keys: a rule that came later does not make it unreadable."""
    origins = [merged.origins.get(tuple(key.split("."))) for key in violation.keys]
    return all(origin is not None and merged.layers[origin].resolved for origin in origins)


def _rule_fault(violation: Violation, merged: Merged) -> _Located:
    """Blame a broken rule on the key that was set last: by --set, else in the file nearest to the user."""
    paths = [tuple(key.split(".")) for key in violation.keys]
    written = [path for path in paths if path in merged.origins]
    index = max((merged.origins[path] for path in written), default=merged.main)
    path = next((path for path in written if merged.origins[path] == index), paths[0])
    layer = merged.layers[index]
    fix = violation.fix or _keys_of_profiles(written, merged)
    return index, layer.line(path), UserError(violation.what, layer.where(path), fix)


def _keys_of_profiles(paths: Sequence[KeyPath], merged: Merged) -> str | None:
    """The remedy for the first of the keys that a fidelity set; None if a fidelity set none of them."""
    for path in paths:
        layer = merged.layers[merged.origins[path]]
        if layer.profile is not None:
            section, key = map(str, path)
            value = toml_value(merged.tree[section][key])
            remedy = (
                f"add --set {section}.{key}=VALUE" if layer.shown.startswith("--set") else "write it beside fidelity"
            )
            return f'fidelity = "{layer.profile}" sets {section}.{key} = {value}: {remedy} for another value'
    return None


def changed(recipe: Recipe, overrides: Overrides) -> Recipe:
    """The recipe with other values, every rule checked again. Raises Faults."""
    return recipe_from_toml(recipe.to_toml(), recipe.name, overrides)


def named_keys(overrides: Overrides, *, with_profiles: bool = True) -> list[str]:
    """The keys that overrides set, such as search.alpha; of a fidelity, all of its keys. Other names are skipped.

    with_profiles: False leaves out the keys that a fidelity sets.
    """
    names: list[str] = []
    for override in listed(overrides):
        try:
            layer = override_layer(override)
        except UserError:
            continue
        profiles = profile_layers(layer) if with_profiles else []
        for document in (*(profile.document for profile in profiles), layer.document):
            for section, value in document.items():
                keys = value if isinstance(value, dict) and section in SECTIONS else ()
                names += [f"{section}.{key}" for key in keys] or [section]
    return names
