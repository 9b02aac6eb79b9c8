"""Can this device train in the number formats that a recipe asks for? Asked before anything is written."""

from __future__ import annotations

from collections.abc import Iterator

from autospikformer_cli.engine.names import Computes
from autospikformer_cli.errors import Faults, UserError
from autospikformer_cli.recipe import Recipe


def require_number_format(recipe: Recipe, computes: Computes) -> None:
    """Raises Faults if a training's weighted sums cannot be computed as train.mixed_precision and train.tf32 say."""
    faults = list(_faults(recipe, computes))
    if faults:
        raise Faults(faults)


def _faults(recipe: Recipe, computes: Computes) -> Iterator[UserError]:
    half, tf32 = recipe.train.mixed_precision, recipe.train.tf32
    asked = ((f'train.mixed_precision = "{half}"', half != "none"), ("train.tf32 = true", tf32))
    for setting, is_asked in asked:
        key = setting.partition(" ")[0]
        if is_asked and computes.device == "cpu":
            what = f"{setting} needs a GPU: a CPU trains by compiled loops, in float32 or float64"
            yield UserError(what, key, "leave the key out, or compute on a GPU: --device cuda")
        elif is_asked and computes.precision != "float32":
            what = f"{setting} rounds products of float32, and the training computes in {computes.precision}"
            yield UserError(what, key, "leave the key out, or --precision")
