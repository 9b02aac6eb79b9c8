"""Networks that a training has destroyed: they answer, and a table shows an accuracy, but no image has a part in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.wording import counted, shortened

if TYPE_CHECKING:
    from autospikformer_cli.evaluation.evaluator import SubnetResult


def dead_notes(name: str, result: SubnetResult, recipe: Recipe, *, is_trained: bool = True) -> Iterator[str]:
    """A warning if a network gives all images the same logits, or if a layer of it never fires; and what to change.

    Layers of blocks that are silent as a whole are not named: `silence_notes` has these. is_trained: whether aspk
    trained it; an imported network has another remedy.
    """
    measured, logits = result.measurement, result.predictions.logits
    still = _never_firing(measured)
    layers = f"no neuron fires in {shortened(still)}"
    if len(logits) > 1 and bool((logits == logits[0]).all()):
        what = f"{name} is dead, all {len(logits):,} images get the same logits"
        yield f"! {what}{f', and {layers}' if still else ''}; {_remedy(recipe, is_trained)}"
    elif still:
        yield f"! {name}: {layers}, over {counted(len(logits), 'image')}; {_remedy(recipe, is_trained)}"


def _never_firing(measured: Measurement) -> list[str]:
    """The operations whose neurons fired for no image, but those of silent blocks."""
    silent = measured.silent_blocks
    return [each.operation for each in measured.spikes if each.block not in silent and not any(each.spikes)]


def _remedy(recipe: Recipe, is_trained: bool) -> str:
    if not is_trained:
        return "import it with the recipe and the thresholds that it was trained with"
    lower = f"train anew with less than {recipe.train.rates_text}, or less weight decay"
    if recipe.model.network == "transformer":
        return lower
    return f"{lower}, or with lower thresholds (model.stem_threshold, space.threshold)"
