"""One network of a run, trained alone: by which recipe, from which weights, and where it is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe, SearchConfig, TrainConfig, changed, recipe_from_toml
from autospikformer_cli.recipe.whole import effects
from autospikformer_cli.runs.conditions import OF_A_SUPERNET, OF_A_TRAINING, training_identity
from autospikformer_cli.runs.kept_training import require_own_training, trained_anew_without
from autospikformer_cli.runs.trained_run import TrainedRun
from autospikformer_cli.runs.training import TrainingRun
from autospikformer_cli.say import SILENT, Interruptible, Say, uninterrupted
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.evaluations import FineTuning, tuning_label
from autospikformer_cli.store.runs import is_run
from autospikformer_cli.store.supernet import Training, read_training
from autospikformer_cli.training.paths import one_path

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet
    from autospikformer_cli.engine.compute import Compute

FOLDER = "finetuned"
"""The folder of a run that holds its retrained subnets."""
ALL_IMAGES: dict[str, object] = {"data.validation": 0}
"""The keys of a retraining on all images that are not tested; on some of them with `data.train_images`."""
NO_CHOICE: dict[str, object] = {
    "train.final": "last", "train.patience": 0, "train.ema_choice": "average", "train.measured_subnets": 4,
    "train.keep_last": 1,
}  # fmt: skip
"""A retraining has the weights of its last epoch, and is as long as it is asked to be."""
LONGEST_GENES = 120
"""Characters of a folder's name: file systems allow 255."""


@dataclass(frozen=True)
class Retraining:
    """A subnet that is trained alone. It can be sent to another process.

    recipe: of the training, whole. folder: where it is kept, a run of its own; its name stands for all that the
    weights depend on. split_seed: what cuts the data set. all_images: whether validation images are trained on, too.
    steps: of its only epoch, on some of the training images; 0: epochs of all of them. first_weights: the supernet's
    `weights_hash`; "" from scratch.
    """

    subnet: Subnet
    recipe: Recipe
    from_scratch: bool
    all_images: bool
    folder: Path
    split_seed: int
    steps: int = 0
    first_weights: str = ""

    @property
    def epochs(self) -> int:
        """Its epochs in all, those of the cool-down, too."""
        return self.recipe.train.total_epochs

    @property
    def label(self) -> str:
        """Its weights, in words."""
        return tuning_label(self.epochs, self.from_scratch, self.all_images, self.steps)

    def training(
        self, compute: Compute, first: Mapping[str, np.ndarray[Any, Any]], say: Say = SILENT,
        interruptible: Interruptible = uninterrupted, loaded: Mapping[str, ImageSet] | None = None,
    ) -> TrainingRun:  # fmt: skip
        """The training. first: the supernet's weights; not used from scratch. loaded: as `TrainingRun` takes it."""
        start = None if self.from_scratch else first
        shown = (self.subnet, self.subnet)
        return TrainingRun(
            self.recipe,
            compute,
            say,
            one_path(self.subnet),
            shown,
            interruptible,
            start,
            self.split_seed,
            loaded,
            alone=True,
        )

    def tuning(self, weights_hash: str) -> FineTuning:
        """What is stored with what its weights measure."""
        return FineTuning(
            self.epochs, self.from_scratch, weights_hash, self.all_images, self.recipe.seed, self.folder.name,
            self.steps, self.first_weights,
        )  # fmt: skip

    @property
    def begun(self) -> Training | None:
        """What its folder says of it; None if it has not begun. Raises UserError for another training's."""
        if not is_run(self.folder):
            return None
        with trained_anew_without(self.folder):
            found = read_training(self.folder)
            require_own_training(self.folder, found, alone=True)
        return found

    @property
    def seconds(self) -> float | None:
        """What it took; None if it is not finished."""
        begun = self.begun
        if begun is None:
            return None
        state = begun.state
        return sum(record.seconds for record in state.history) if state.finished else None


def retraining_of(
    run: TrainedRun, subnet: Subnet, recipe: Recipe, *, from_scratch: bool, all_images: bool = False
) -> Retraining:
    """A training of one subnet of a run. recipe: as `recipe_alone` gives it.

    Raises UserError for an ANN that is to inherit weights: no supernet of a spiking network trained them.
    """
    if recipe.model.network != run.recipe.model.network and not from_scratch:
        raise UserError("an ANN inherits no weights of a spiking supernet", str(run.path), "train it from scratch")
    first_weights = "" if from_scratch else run.weights_hash
    folder = run.path / FOLDER / _folder_name(run, subnet, recipe, first_weights)
    return Retraining(subnet, recipe, from_scratch, all_images, folder, run.split_seed, first_weights=first_weights)


def few_steps_of(run: TrainedRun, subnet: Subnet, steps: int) -> Retraining:
    """A training of one subnet from inherited weights for a few steps: an epoch of as many images as they read."""
    short = changed(recipe_alone(run, 1), _few_images(run.recipe, steps))
    return replace(retraining_of(run, subnet, short, from_scratch=False), steps=steps)


def recipe_alone(
    run: TrainedRun, epochs: int, *, all_images: bool = False, seed: int | None = None, as_ann: bool = False
) -> Recipe:
    """The recipe of a training of one subnet for so many epochs. Warm-up and cool-down are shortened in proportion.

    What no retraining depends on is as in the supernet's training. seed: None for the recipe's. as_ann: of the ANN of
    the same shape.
    """
    keys = _keys_alone(run.recipe, epochs, all_images=all_images) | ({} if seed is None else {"seed": seed})
    trained = recipe_from_toml(read_training(run.path).recipe_toml, run.recipe.name)
    recipe = changed(run.recipe.with_values_of(trained, OF_A_SUPERNET), keys)
    if as_ann:
        recipe, trained = as_transformer(recipe), as_transformer(trained)
    return recipe.model_copy(update={key: getattr(trained, key) for key in ("fidelity", "search", "energy")})


def values_of_tuning(recipe: Recipe, tuning: FineTuning) -> dict[str, object]:
    """By key, all that decides a stored retraining, but its seed and first weights. recipe: that it is stored with.

    Nothing is checked again: what a stored recipe names may be gone by now.
    """
    keys = _keys_alone(recipe, tuning.epochs, all_images=tuning.all_images)
    few = _few_images(recipe, tuning.steps) if tuning.steps else {}
    decisive = (key for key, effect in effects().items() if key != "seed" and effect & OF_A_TRAINING)
    return {key: recipe.value(key) for key in decisive} | keys | few


def _keys_alone(recipe: Recipe, epochs: int, *, all_images: bool) -> dict[str, object]:
    """What a retraining changes in the recipe of its run."""
    return {**shortened_phases(recipe.train, epochs), **NO_CHOICE, **(ALL_IMAGES if all_images else {})}


def _few_images(recipe: Recipe, steps: int) -> dict[str, object]:
    return {"data.train_images": steps * recipe.train.step_images}


def shortened_phases(train: TrainConfig, epochs: int) -> dict[str, float]:
    """The keys of a training of so many epochs in all. Its warm-up and cool-down are shortened in proportion.

    With timm's schedule the cool-down comes on top of train.epochs, in whole epochs.
    """
    if train.schedule == "timm":
        cooldown = min(round(train.cooldown_epochs * epochs / train.total_epochs), epochs - 1)
        epochs -= cooldown
        warmup = train.warmup_epochs * epochs / train.epochs
        return {"train.epochs": epochs, "train.warmup_epochs": warmup, "train.cooldown_epochs": cooldown}
    warmup = train.warmup_epochs * epochs / train.epochs
    cooldown_share = min(train.cooldown_epochs * epochs / train.epochs, epochs - warmup)
    return {"train.epochs": epochs, "train.warmup_epochs": warmup, "train.cooldown_epochs": cooldown_share}


def has_own_validation(recipe: Recipe) -> bool:
    """Whether the data set has validation images of its own, which stay out of every training."""
    from autospikformer_cli.data.sources import splits_with_files

    return "validation" in splits_with_files(recipe.data)


def as_transformer(recipe: Recipe) -> Recipe:
    """The recipe of the ANN of the same shape. It searches nothing: objectives and limits may need spikes."""
    search = SearchConfig(baseline=recipe.search.baseline)
    return changed(recipe.model_copy(update={"search": search}).named(recipe.name), {"model.network": "transformer"})


def _folder_name(run: TrainedRun, subnet: Subnet, recipe: Recipe, first_weights: str) -> str:
    """A retraining's folder: its genes, and a hash of everything that its result depends on."""
    rests_on = "\n".join([str(subnet), first_weights, run.computes.precision, *training_identity(recipe)])
    genes = "_".join(str(subnet).strip("()").split(", "))[:LONGEST_GENES]
    digest = hashlib.sha256(rests_on.encode()).hexdigest()[:8]
    return f"{genes}-{recipe.train.total_epochs}-epochs{'' if first_weights else '-from-scratch'}-{digest}"
