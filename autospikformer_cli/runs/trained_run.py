"""A run with a trained supernet: opened under a recipe, with its weights, its images and what measures on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autospikformer_cli.data.description import DataDescription, describe
from autospikformer_cli.energy.pricing import EnergyModel
from autospikformer_cli.engine.names import MAX_DEPTH, Computes, OfThisProcess
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Provenance
from autospikformer_cli.recipe import Decides, Overrides, Recipe, recipe_from_toml
from autospikformer_cli.recipe.idle import idle_remarks
from autospikformer_cli.recipe.load import named_keys
from autospikformer_cli.runs.building import (
    energy_model,
    first_images,
    load_arrays,
    load_images,
    make_evaluator,
    make_supernet,
    measured_by,
    versions,
    warm_engine,
)
from autospikformer_cli.runs.conditions import (
    Conditions,
    asks_for_another_search,
    idle_keys,
    require_same_images,
    with_fixed_keys,
    with_training_of,
)
from autospikformer_cli.runs.fixed_by_training import keys_but_of_the_network
from autospikformer_cli.say import SILENT, Say
from autospikformer_cli.store.population import read_search
from autospikformer_cli.store.runs import RunPath, resolve_run
from autospikformer_cli.store.searches import present_search, search_names
from autospikformer_cli.store.supernet import load_weights, read_training, weights_hash

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet, Split
    from autospikformer_cli.engine.choice import Engine
    from autospikformer_cli.engine.compute import Compute
    from autospikformer_cli.evaluation.evaluator import Evaluator
    from autospikformer_cli.evaluation.executors import Workload
    from autospikformer_cli.spiking.supernet import Supernet


@dataclass(frozen=True)
class TrainedRun:
    """A run with a trained supernet, and the recipe that it is read under.

    split_seed: the seed of its training. It cuts the data set, whatever the recipe's seed is now.
    splits: hashes of the images that it was trained with, by split. epochs: those of its weights.
    finished: whether its training is, with all epochs or early. An imported run is finished, with 0 epochs.
    search: the search whose recipe and whose best are meant; None for the present one.
    """

    path: Path
    recipe: Recipe
    split_seed: int
    splits: Mapping[str, str]
    epochs: int
    finished: bool
    computes: Computes
    say: Say
    search: str | None = None

    @classmethod
    def open(
        cls, path: Path, computes: Computes, say: Say, overrides: Overrides = (), *, searched: bool = True,
        search: str | None = None, may_change: Collection[str] | None = None,
    ) -> TrainedRun:  # fmt: skip
        """A run under its `stored_recipe`. Raises UserError if overrides change what its training fixes."""
        training = read_training(path)
        trained = recipe_from_toml(training.recipe_toml, training.recipe_name, shown=f"the recipe stored in {path}")
        recipe = stored_recipe(path, overrides, searched=searched, search=search, may_change=may_change)
        state = training.state
        return cls(
            path, recipe, trained.seed, training.splits, state.weights_epoch, state.finished, computes, say, search
        )

    @cached_property
    def compute(self) -> Compute:
        """What computes: set up when it is first needed, so that what computes nothing loads no torch."""
        return self.computes.set_up()

    def remark_idle(self, overrides: Overrides, acts: Decides = Decides.NOTHING) -> None:
        """Remark on overrides that cannot act here. acts: as `conditions.idle_keys` takes it."""
        idle = idle_keys(overrides, acts)
        if idle:
            self.say.remark(f"{', '.join(idle)} {'decides' if len(idle) == 1 else 'decide'} nothing here: not used")
        named = set(named_keys(overrides, with_profiles=False)) - set(idle)
        for remark in idle_remarks(self.recipe, named):
            self.say.remark(remark)

    @cached_property
    def description(self) -> DataDescription:
        """The data set's shape."""
        return describe(self.recipe.data)

    @cached_property
    def weights(self) -> dict[str, np.ndarray[Any, Any]]:
        """The supernet's weights as stored."""
        return load_weights(self.path)

    @cached_property
    def weights_hash(self) -> str:
        """The hash that results know these weights by."""
        return weights_hash(self.weights)

    @cached_property
    def supernet(self) -> Supernet:
        """The trained network."""
        supernet = make_supernet(self.recipe, self.compute)
        load_arrays(supernet, self.weights, str(self.path))
        return supernet

    def images(self, split: Split) -> ImageSet:
        """A split's images. Raises UserError if they are not what they were in training."""
        from autospikformer_cli.data.sources import shares_test_files

        if split == "test" and self.splits and shares_test_files(self.recipe.data):
            self.images("train")  # the rest of a data set that has changed may hold images that were trained on
        images = load_images(self.recipe, self.split_seed, split, self.say)
        require_same_images(self.path, self.splits, images)
        return images

    def first_images(self, split: Split, key: str) -> ImageSet:
        """The first images of a split, as many as a key of the recipe takes; all if there are fewer, which is said."""
        return first_images(self.images(split), self.recipe, key, self.say)

    def asked_images(self, split: Split, first: int | None) -> ImageSet:
        """The first images of a split, as --images asks for. Raises UserError if there are fewer."""
        images = self.images(split)
        if first is not None and first > len(images):
            what = f"{first:,} images cannot be taken of the {split} split, which has {len(images):,}"
            raise UserError(what, "--images", f"ask for at most {len(images)}")
        return images if first is None else images.first(first)

    @property
    def sample_split(self) -> Split:
        """Validation, or train for a run that held no images out: to measure rates on, or to compare by."""
        from autospikformer_cli.data.sources import has_validation

        return "validation" if has_validation(self.recipe.data) else "train"

    def searched_images(self) -> ImageSet:
        """The images that a search under the run's recipe measures on."""
        return self.first_images(self.recipe.search.split, "search.images")

    @cached_property
    def calibration(self) -> ImageSet:
        """The training images that recalibrate BatchNorm."""
        return self.first_images("train", "model.calibration_images")

    @cached_property
    def engine(self) -> Engine:
        """What runs the trained network's subnets."""
        return self.compute.engine_for(self.supernet)

    def evaluator(self, supernet: Supernet | None = None) -> Evaluator:
        """Measures subnets of the run's network, or of another with the same shape. Compiles loops if need be."""
        calibration = self.calibration if self.recipe.model.batchnorm == "recalibrate" else None
        supernet = supernet or self.supernet
        engine = self.engine if supernet is self.supernet else self.compute.engine_for(supernet)
        warm_engine(engine, self.say)
        return make_evaluator(engine, self.recipe, self.description, calibration, self.say)

    @cached_property
    def energy(self) -> EnergyModel:
        """How the run's subnets are priced."""
        return energy_model(self.recipe)

    def provenance(self, images: ImageSet) -> Provenance:
        """How the run's subnets are measured on some images."""
        recalibrated = self.recipe.model.batchnorm == "recalibrate"
        return measured_by(
            self.engine, self.recipe, self.compute, images, self.calibration if recalibrated else None,
            self.weights_hash, self.epochs,
        )  # fmt: skip

    @property
    def engine_name(self) -> str:
        """The name of what runs subnets. It is known without torch for LIF neurons on a CPU."""
        model, computes = self.recipe.model, self.computes
        usual = (model.network, model.neuron, computes.device) == ("spikformer", "lif", "cpu")
        if usual and computes.engine != "dense" and self.recipe.space.depth[-1] <= MAX_DEPTH:
            return "event_driven"
        return self.engine.name

    def conditions_as_stored(self, stored: Provenance) -> Conditions | None:
        """What a measurement depends on now if its images are those of a stored one. No image is read.

        None if that cannot be said without loading the engine: if last bits depend on the number of threads.
        """
        return self.conditions_on_images_of(stored) if self.engine_name == "event_driven" else None

    def conditions_on_images_of(self, stored: Provenance) -> Conditions:
        """The same, with any engine. It does not know the number of threads, in which `Conditions.differ_in` never
        differ.
        """
        model = self.recipe.model
        now = replace(
            stored,
            batchnorm=model.batchnorm,
            weights_hash=self.weights_hash,
            precision=self.computes.precision,
            device=self.computes.device,
            frames=self.description.num_frames or 0,
            engine=self.engine_name,
            computed_with=versions(),
        )
        return Conditions.of(now, self.recipe)

    def conditions(self, images: ImageSet) -> Conditions:
        """What a measurement on some images would depend on now."""
        return Conditions.of(self.provenance(images), self.recipe)

    def workload(self, images: ImageSet) -> Workload:
        """What executors measure subnets with on some images. Compiles loops now, so that workers need not."""
        from autospikformer_cli.evaluation.executors import Workload

        evaluator = self.evaluator()
        return Workload(
            config=evaluator.supernet.config,
            weights={name: tensor.cpu() for name, tensor in evaluator.supernet.state_dict().items()},
            description=evaluator.description,
            images=images,
            calibration=evaluator.calibration,
            batchnorm=evaluator.batchnorm,
            batch=evaluator.batch,
            memory=evaluator.memory,
            engine="event_driven" if evaluator.engine.name == "event_driven" else "dense",
            precision=self.compute.precision,
            device=self.compute.device,
            threads=self.compute.threads,
        )


def stored_recipe(
    path: Path, overrides: Overrides = (), *, searched: bool = True, search: str | None = None,
    may_change: Collection[str] | None = None,
) -> Recipe:  # fmt: skip
    """The recipe of a run's search, or of its training if there is none, with overrides.

    search: its name; None for the present one. searched: False takes the training's recipe in any case. may_change:
    keys that overrides may change, of those that `fixed_by_training` knows; None for all but the network's. Raises
    UserError if overrides change others, or if there is no such search.
    """
    training = read_training(path)
    trained = recipe_from_toml(training.recipe_toml, training.recipe_name, shown=f"the recipe stored in {path}")
    has_search = searched and (search is not None or present_search(path) is not None)
    recipe_toml = read_search(path, search).recipe_toml if has_search else training.recipe_toml
    free = keys_but_of_the_network() if may_change is None else may_change
    return with_fixed_keys(trained, recipe_toml, overrides, path, free)


def open_run(
    run: RunPath = None, overrides: Overrides = (), *, searched: bool = True, search: str | None = None,
    compute: Computes | None = None, say: Say = SILENT, may_change: Collection[str] | None = None,
) -> TrainedRun:  # fmt: skip
    """A run under the recipe of one of its searches, with overrides.

    run: None for the newest. search: None for the present one. searched: False takes the recipe of its training.
    compute: None for the CPU, with as many threads as torch has now. may_change: as `stored_recipe` takes it. Raises
    UserError as `TrainedRun.open` does.
    """
    path, computes = resolve_run(run), compute or OfThisProcess()
    return TrainedRun.open(path, computes, say, overrides, searched=searched, search=search, may_change=may_change)


def run_to_search(
    run: RunPath = None, overrides: Overrides = (), *, name: str | None = None, fresh: bool = False,
    compute: Computes | None = None, say: Say = SILENT,
) -> TrainedRun:  # fmt: skip
    """A run under the recipe of the search that a name and overrides ask for.

    Overrides that decide nothing of a search go on with the search of that name, or without a name with the present
    one. Others are laid over the training's recipe, which is also that of a new name.
    """
    path = resolve_run(run)
    known = name is None or name in search_names(path)
    goes_on = known and not fresh and not asks_for_another_search(overrides)
    opened = open_run(path, overrides, searched=goes_on, search=name if goes_on else None, compute=compute, say=say)
    training = read_training(opened.path)
    trained = recipe_from_toml(training.recipe_toml, training.recipe_name)
    recipe, differed = with_training_of(trained, opened.recipe)
    dropped = [key for key in differed if key in named_keys(overrides)]
    if dropped:
        verb = "decides" if len(dropped) == 1 else "decide"
        say.remark(f"{', '.join(dropped)} {verb} nothing of a search: the supernet keeps the training that it had")
    return replace(opened, recipe=recipe)
