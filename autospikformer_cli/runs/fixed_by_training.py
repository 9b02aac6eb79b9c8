"""What a trained run fixes: which keys a command may still change, and the refusal of all others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Decides, Recipe, differing_keys
from autospikformer_cli.recipe.fidelity import PROFILE_SWITCHES
from autospikformer_cli.recipe.whole import effects

OF_TRAINED_NETWORKS = Decides.NETWORK | Decides.TRAINING | Decides.MEASUREMENT
"""What a trained run may fix. Keys that decide none of this are a search's or a score's, and are not asked here."""
MOST_KEYS_SHOWN = 6


def keys_but_of_the_network() -> frozenset[str]:
    """What may change if a command measures subnets with the supernet's weights."""
    return frozenset(key for key, effect in effects().items() if not effect & Decides.NETWORK)


def keys_of_retraining() -> frozenset[str]:
    """What may change if a command retrains subnets: the training alone, its seed, and places, speeds and memory.

    Weights, space and measurement are those of the run, so that what is stored already has the same conditions.
    """
    harmless = (Decides.TRAINING, Decides.NOTHING)
    return frozenset(["seed", *(key for key, effect in effects().items() if effect in harmless)])


def require_as_trained(stored: Recipe, asked: Recipe, may_change: Collection[str], path: Path) -> None:
    """Raises UserError if a recipe changes what a trained run fixes. It names every such key with its stored value.

    stored: the recipe in the run. may_change: keys that the command may change, as the functions above return them.
    """
    keys = [key for key in differing_keys(stored, asked, OF_TRAINED_NETWORKS) if key not in may_change]
    if keys:
        values = " and ".join(f"{key} = {stored.value_toml(key)}" for key in keys)
        raise UserError(f"it was trained with {values}, which cannot change here", str(path), _remedy(
            stored, asked, keys, may_change
        ))  # fmt: skip


def _remedy(stored: Recipe, asked: Recipe, keys: Sequence[str], may_change: Collection[str]) -> str:
    by_fidelity = [switch.key for switch in PROFILE_SWITCHES] if asked.fidelity != stored.fidelity else []
    named = [key for key in keys if key not in by_fidelity]
    given = [f"--set {key}" for key in (["fidelity"] if len(named) < len(keys) else []) + named]
    sections = dict.fromkeys(key.partition(".")[0] for key in keys)
    free = [key for key in effects() if key.partition(".")[0] in sections and key in may_change]
    others = f"; of [{'] and ['.join(sections)}], only {', '.join(free)} may change" if free else ""
    shown = others if len(free) <= MOST_KEYS_SHOWN else ""
    return f"leave out {' and '.join(given)}, or train a new run with other values{shown}"
