"""Several searches of one run: one for each alpha and each seed, over one archive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autospikformer_cli.bounds import MOST_SEEDS, require_at_most
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Override, Overrides
from autospikformer_cli.recipe.layers import listed
from autospikformer_cli.runs.trained_run import stored_recipe


def several_overrides(
    path: Path, overrides: Overrides, alphas: Sequence[float], seeds: int
) -> list[tuple[str, list[str | Override]]]:
    """What each search is called in remarks, and the overrides that ask for it, seed after seed for each alpha.

    They are laid over the recipe of the training. So the same call asks for the same searches, whichever of them is the
    present one. Raises UserError for less than two searches, and for a value that one of them cannot have.
    """
    require_at_most(seeds, MOST_SEEDS, "seeds", "seeds")
    recipe = stored_recipe(path, overrides, searched=False)
    wanted = [(alpha, recipe.seed + number) for alpha in alphas or (recipe.search.alpha,) for number in range(seeds)]
    if len(wanted) < 2:
        raise UserError("one search has nothing to be compared with", "seeds", "ask for two alphas, or two seeds")
    found = []
    for alpha, seed in wanted:
        own = (
            Override(("search", "alpha"), alpha, f"--alpha {alpha:g}"),
            Override(("seed",), seed, f"--seeds {seeds}"),
        )
        each = [*listed(overrides), *own]
        if seed in (recipe.seed, recipe.seed + seeds - 1):  # the others are right if these are
            stored_recipe(path, each, searched=False)  # a wrong value is said before the first search begins
        found.append((f"alpha {alpha:g}, seed {seed}", each))
    return found
