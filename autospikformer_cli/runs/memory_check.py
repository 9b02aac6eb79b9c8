"""Does a network fit into the memory of its device? Asked before it is built, from its shape alone."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from autospikformer_cli.engine.machine_memory import memory_of
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe

SMALLEST: dict[str, Callable[[Any], Any]] = {
    "train.batch": lambda batch: 1,
    "data.image_size": lambda side: None if side is None else min(side, 8),
    "model.stem_dim": lambda width: None if width is None else 8,
    "space.time_step": lambda choices: (1,),
    "space.embed_dim": lambda choices: (8,),
    "space.mlp_ratio": lambda choices: (Decimal(1),),
    "space.depth": lambda choices: (1,),
}
"""The keys that decide how much memory is needed, and of each value a small one."""
CHECKPOINTING = "train.activation_checkpointing"


def require_room(what: str, recipe: Recipe, device: str, needed: Callable[[Recipe], int]) -> None:
    """Raises UserError if what a recipe needs is more than the device's memory. It names the keys to lower.

    Those are the keys of which one suffices, else all that have a part in it; the one that lowers it most comes first.
    what: what needs it, with its verb. needed: bytes, of this recipe and of those with a smaller value.
    """
    there, asked = memory_of(device), needed(recipe)
    if there is None or asked <= there:
        return
    lowered = {key: needed(_with_smallest(recipe, key)) for key in SMALLEST}
    lowered = dict(sorted(lowered.items(), key=lambda pair: pair[1]))
    keys = [key for key, left in lowered.items() if left <= there] or [key for key in lowered if lowered[key] < asked]
    where = "this machine" if device == "cpu" else device
    told = f"{what} about {asked / 1e9:,.0f} GB, {where} has {there / 1e9:,.0f} GB"
    less = "" if needed(_with(recipe, CHECKPOINTING, True)) == asked else f", or set {CHECKPOINTING} = true"
    raise UserError(told, keys[0], f"lower {' or '.join(keys)}{less}")


def _with_smallest(recipe: Recipe, key: str) -> Recipe:
    return _with(recipe, key, SMALLEST[key](recipe.value(key)))


def _with(recipe: Recipe, key: str, value: object) -> Recipe:
    section, _, name = key.partition(".")
    table = getattr(recipe, section).model_copy(update={name: value})
    return recipe.model_copy(update={section: table})
