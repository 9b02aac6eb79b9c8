"""From a recipe and a run to the objects that compute: the network's shape, its weights, its data, its evaluator."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from inspect import isabstract
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autospikformer_cli.cli.session import Session
from autospikformer_cli.data.description import DataDescription, describe
from autospikformer_cli.energy.pricing import EnergyModel
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe, differing_keys, recipe_from_toml
from autospikformer_cli.recipe.sections import NEURONS
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.store import population
from autospikformer_cli.store.supernet import load_weights, read_training
from autospikformer_cli.wording import shortened

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet, Split
    from autospikformer_cli.engine.choice import Engine
    from autospikformer_cli.evaluation.evaluator import Evaluator
    from autospikformer_cli.evaluation.executors import Workload
    from autospikformer_cli.spiking.neuron_kinds import NeuronKind
    from autospikformer_cli.spiking.supernet import Supernet


FIXED_MODEL_KEYS = ("model.network", "model.neuron", "model.pooled_stages", "model.qkv_bias", "model.stem_dim")
"""Keys of [model] that decide what the weights are."""
BYTES_A_MEGABYTE = 10**6
MOVABLE_KEYS = ("data.root", "data.download", "data.cache")
"""Keys of [data] that say where images are, not which."""


def network_shape(recipe: Recipe, description: DataDescription) -> NetworkShape:
    """The shape that all subnets of a recipe share."""
    return NetworkShape(
        image_size=description.image_size,
        in_channels=description.in_channels,
        num_classes=description.num_classes,
        widest_dim=recipe.space.embed_dim[-1],
        pooled_stages=recipe.model.pooled_stages,
        fixed_heads=None if recipe.model.searched_heads else recipe.space.num_heads[-1],
        qkv_bias=recipe.model.qkv_bias,
        reads_events=description.num_frames is not None,
        network=recipe.model.network,
        neuron_params=_neuron_params(recipe),
        stem_dim=recipe.model.stem_dim or 0,
    )


def _neuron_params(recipe: Recipe) -> int:
    """Learned numbers of one layer's neurons; our LIF's are none, known without torch."""
    if recipe.model.neuron == "lif" or recipe.model.network == "transformer":
        return 0
    from autospikformer_cli.spiking.neuron import Dynamics

    node = neuron_kind(recipe.model.neuron)(Dynamics())
    return sum(parameter.numel() for parameter in node.parameters())


def energy_model(recipe: Recipe, description: DataDescription | None = None) -> EnergyModel:
    """How a recipe prices its subnets."""
    shape = network_shape(recipe, description or describe(recipe.data))
    return EnergyModel(shape, recipe.energy.rules, recipe.energy.hardware)


def make_supernet(recipe: Recipe, description: DataDescription, session: Session) -> Supernet:
    """The recipe's network with its first weights, on the session's device and in its precision."""
    from autospikformer_cli.spiking.neuron import Dynamics
    from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

    device, dtype = session.torch_device()
    model = recipe.model
    config = NetworkConfig(
        shape=network_shape(recipe, description),
        space=recipe.space.search_space(),
        dynamics=Dynamics(model.decay_input, model.fires_at, model.reset, model.detach_reset, model.surrogate),
        threshold_scope=model.threshold_scope,
        attention_scale=model.attention_scale,
        stem_threshold=model.stem_threshold,
        attention_threshold=model.attention_threshold,
        neuron=neuron_kind(model.neuron),
    )
    return Supernet(config, recipe.seed).to(device, dtype)


def neuron_kind(name: str) -> type[NeuronKind]:
    """A kind of neuron by its name. Raises UserError where a plugin gives something else."""
    from autospikformer_cli.spiking.neuron_kinds import NeuronKind

    kind = NEURONS.get(name, "model.neuron")
    if not (isinstance(kind, type) and issubclass(kind, NeuronKind)) or isabstract(kind):
        raise UserError(
            f"the neuron {name} is no subclass of {NeuronKind.__module__}.NeuronKind with a forward pass",
            "model.neuron",
            "choose another, or mend the plugin that adds it",
        )
    return kind


def load_images(recipe: Recipe, seed: int, split: Split, session: Session) -> ImageSet:
    """A split of a recipe's data set, cut by the seed; what the user should know of it is said."""
    from autospikformer_cli.data.images import load_split

    images = load_split(recipe.data, seed, split, progress=session.progress)
    for note in images.notes:
        session.remark(note)
    return images


def engine_of(supernet: Supernet, session: Session) -> Engine:
    """What runs a network's subnets. Raises UserError where the session's choice cannot."""
    import torch

    from autospikformer_cli.engine.choice import make_engine

    return make_engine(supernet, torch.get_num_threads(), session.engine)


def warm_engine(engine: Engine, session: Session) -> None:
    """Make the engine's compiled loops ready, and say so where they have to be compiled; not beside other progress."""
    if engine.name != "event_driven":
        return
    from autospikformer_cli.engine.warming import warm

    warm(engine, lambda total: session.progress("compiling the engine, once", total))


def make_evaluator(
    engine: Engine, recipe: Recipe, description: DataDescription, calibration: ImageSet | None, session: Session
) -> Evaluator:
    """Measures subnets as a recipe asks for it; a warning where the results depend on the batch size."""
    from autospikformer_cli.evaluation.evaluator import Evaluator

    batch = recipe.model.evaluation_batch
    if recipe.model.batchnorm == "batch":
        session.remark(f'warning: model.batchnorm = "batch": results depend on the batches, of at most {batch} images')
    memory = recipe.model.evaluation_memory * BYTES_A_MEGABYTE
    return Evaluator(engine, description, calibration, recipe.model.batchnorm, batch, memory)


def load_arrays(supernet: Supernet, weights: Mapping[str, np.ndarray[Any, Any]], where: str) -> None:
    """Put a store's weights into a network. Raises UserError where the recipe's network has another shape."""
    import torch

    state = supernet.state_dict()
    wrong = [name for name in state if name not in weights or tuple(state[name].shape) != weights[name].shape]
    if wrong:
        raise UserError(
            f"its weights do not fit the recipe's network: {shortened(wrong, rest=' ...')}",
            where,
            "leave --set space.* and model.pooled_stages as they were when the supernet was trained",
        )
    supernet.load_state_dict({name: torch.from_numpy(weights[name].copy()) for name in state})


def weight_arrays(supernet: Supernet) -> dict[str, np.ndarray[Any, Any]]:
    """A network's weights as arrays, by name."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in supernet.state_dict().items()}


def versions() -> dict[str, str]:
    """Of what the last bits of a result depend on."""
    packages = {name: version(name) for name in ("autospikformer-cli", "torch", "numpy", "numba")}
    return {"python": platform.python_version(), **packages}


def environment(session: Session) -> dict[str, str]:
    """The versions, device and threads that a training was computed with: its last bits depend on all of them."""
    import torch

    computed = {"device": session.device, "precision": session.precision, "threads": str(torch.get_num_threads())}
    return {**versions(), **computed}


def require_same_images(path: Path, splits: Mapping[str, str], images: ImageSet) -> None:
    """Raises UserError where a split has other images than the run was trained with: they may have been mixed."""
    if splits.get(images.split, images.hash) != images.hash:
        raise UserError(
            f"the {images.split} images are not those that this run was trained with",
            str(path),
            "bring the data set back to what it was, or train a new run with --fresh",
        )


@dataclass(frozen=True)
class TrainedRun:
    """A run with a trained supernet, and the recipe that it is read under.

    split_seed: the seed of its training, by which the data set stays cut whatever the recipe's seed is now.
    splits: hashes of the images that it was trained with, by split. epochs: those it was trained for.
    finished: whether that was all of its recipe's; an imported run is, with 0 epochs.
    """

    path: Path
    recipe: Recipe
    split_seed: int
    splits: Mapping[str, str]
    epochs: int
    finished: bool
    session: Session

    @cached_property
    def description(self) -> DataDescription:
        """The data set's shape."""
        return describe(self.recipe.data)

    @cached_property
    def weights(self) -> dict[str, np.ndarray[Any, Any]]:
        """The supernet's weights as stored."""
        return load_weights(self.path)

    @cached_property
    def supernet(self) -> Supernet:
        """The trained network."""
        supernet = make_supernet(self.recipe, self.description, self.session)
        load_arrays(supernet, self.weights, str(self.path))
        return supernet

    def images(self, split: Split, first: int | None = None) -> ImageSet:
        """A split's images, or the first of them. Raises UserError where they are not what they were in training."""
        from autospikformer_cli.data.sources import shares_test_files

        if split == "test" and self.splits and shares_test_files(self.recipe.data):
            self.images("train", 1)  # the rest of a data set that has changed may hold images that were trained on
        images = load_images(self.recipe, self.split_seed, split, self.session)
        require_same_images(self.path, self.splits, images)
        return images if first is None else images.first(first)

    @cached_property
    def calibration(self) -> ImageSet:
        """The training images that recalibrate BatchNorm."""
        return self.images("train", self.recipe.model.calibration_images)

    @cached_property
    def engine(self) -> Engine:
        """What runs the trained network's subnets."""
        return engine_of(self.supernet, self.session)

    def evaluator(self, supernet: Supernet | None = None) -> Evaluator:
        """Measures subnets of the run's network, or of another with the same shape; compiles if need be."""
        calibration = self.calibration if self.recipe.model.batchnorm == "recalibrate" else None
        supernet = supernet or self.supernet
        engine = self.engine if supernet is self.supernet else engine_of(supernet, self.session)
        warm_engine(engine, self.session)
        return make_evaluator(engine, self.recipe, self.description, calibration, self.session)

    @cached_property
    def energy(self) -> EnergyModel:
        """How the run's subnets are priced."""
        return energy_model(self.recipe, self.description)


def workload_of(run: TrainedRun, images: ImageSet) -> Workload:
    """What executors measure the run's subnets with on some images; compiles if need be, so that workers need not."""
    import torch

    from autospikformer_cli.evaluation.executors import Workload

    evaluator, session = run.evaluator(), run.session
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
        precision=session.precision,
        device=session.device,
        threads=torch.get_num_threads(),
    )


def open_run(path: Path, session: Session, overrides: Sequence[str] = ()) -> TrainedRun:
    """A run under the recipe of its training, with --set and further overrides laid over it."""
    training = read_training(path)
    return _opened(path, training.recipe_toml, session, overrides)


def open_searched(path: Path, session: Session) -> TrainedRun:
    """A run under the recipe of its search, or of its training where there is none yet, with --set laid over it."""
    searched = (path / population.FILE_NAME).is_file()
    return _opened(path, population.read_search(path).recipe_toml, session) if searched else open_run(path, session)


def _is_fixed(key: str) -> bool:
    """Whether a trained network is worthless under another value, though its weights would fit."""
    return key in FIXED_MODEL_KEYS or (key.startswith("data.") and key not in MOVABLE_KEYS)


def _opened(path: Path, recipe_toml: str, session: Session, overrides: Sequence[str] = ()) -> TrainedRun:
    """Raises UserError where what is laid over the recipe would mix training images with the others."""
    training = read_training(path)
    trained = recipe_from_toml(training.recipe_toml, training.recipe_name)
    recipe = recipe_from_toml(recipe_toml, training.recipe_name, (*session.overrides, *overrides))
    keys = [key for key in differing_keys(trained, recipe) if _is_fixed(key)]
    if keys:
        raise UserError(
            f"its supernet was trained with another {', '.join(keys)}",
            str(path),
            f"leave out --set {keys[0]}; of [data], only {', '.join(MOVABLE_KEYS)} may change after training",
        )
    state = training.state
    return TrainedRun(path, recipe, trained.seed, training.splits, state.epoch, state.finished, session)
