"""Networks that a training has destroyed: they answer, and a table shows an accuracy, but no image has a part in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.wording import counted, shortened

if TYPE_CHECKING:
    from autospikformer_cli.evaluation.evaluator import SubnetResult

TrainedBy = Literal["supernet", "alone", "imported"]
"""Who trained the weights: the training of a supernet, one of this subnet alone, or not aspk. The remedy differs."""


def dead_notes(name: str, result: SubnetResult, recipe: Recipe, origin: TrainedBy = "supernet") -> Iterator[str]:
    """A warning if a network gives all images the same logits, or if a layer of it never fires; and what to change.

    Layers of blocks that are silent as a whole are not named: `silence_notes` has these.
    """
    measured, logits = result.measurement, result.predictions.logits
    still = _never_firing(measured)
    layers = f"no neuron fires in {shortened(still)}"
    if len(logits) > 1 and bool((logits == logits[0]).all()):
        what = f"{name} is dead, all {len(logits):,} images get the same logits"
        yield f"! {what}{f', and {layers}' if still else ''}; {_remedy(recipe, origin)}"
    elif still:
        yield f"! {name}: {layers}, over {counted(len(logits), 'image')}; {_remedy(recipe, origin)}"


def _never_firing(measured: Measurement) -> list[str]:
    """The operations whose neurons fired for no image, but those of silent blocks."""
    silent = measured.silent_blocks
    return [each.operation for each in measured.spikes if each.block not in silent and not any(each.spikes)]


def _remedy(recipe: Recipe, origin: TrainedBy) -> str:
    if origin == "imported":
        return "import it with the recipe and the thresholds that it was trained with"
    anew = "train anew" if origin == "supernet" else "retrain it by --set"
    lower = f"{anew} with less than {recipe.train.rates_text}, or less weight decay"
    if recipe.model.network == "transformer" or origin == "alone":  # its thresholds are its genes and its supernet's
        return lower
    return f"{lower}, or with lower thresholds (model.stem_threshold, space.threshold)"
