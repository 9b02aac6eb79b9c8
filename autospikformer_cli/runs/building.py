"""From a recipe to the objects that compute: the network's shape, the network, its images, its evaluator."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from inspect import isabstract
from typing import TYPE_CHECKING, Any

import numpy as np

from autospikformer_cli.data.description import DataDescription, describe, images_to_store
from autospikformer_cli.energy.pricing import EnergyModel
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Provenance
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.recipe.search_section import ALGORITHMS
from autospikformer_cli.recipe.sections import NEURONS
from autospikformer_cli.registry import NOBODY
from autospikformer_cli.runs.memory_check import require_room
from autospikformer_cli.say import Say
from autospikformer_cli.spiking.layout import NetworkShape, num_params
from autospikformer_cli.spiking.memory import ITEM_BYTES, checkpointed_bytes, training_bytes
from autospikformer_cli.units import BYTES_A_MEGABYTE
from autospikformer_cli.wording import shortened

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet, Split
    from autospikformer_cli.engine.choice import Engine
    from autospikformer_cli.engine.compute import Compute
    from autospikformer_cli.engine.names import Computes
    from autospikformer_cli.evaluation.evaluator import Evaluator
    from autospikformer_cli.spiking.neuron_kinds import NeuronKind
    from autospikformer_cli.spiking.supernet import Supernet


def network_shape(recipe: Recipe) -> NetworkShape:
    """The shape that all subnets of a recipe share. Raises UserError if the data set's classes cannot be counted."""
    description = describe(recipe.data)
    return NetworkShape(
        image_size=description.image_size,
        in_channels=description.in_channels,
        num_classes=description.num_classes,
        widest_dim=recipe.space.embed_dim[-1],
        pooled_stages=recipe.model.pooled_stages,
        pool=recipe.model.pool,
        fixed_heads=None if recipe.model.searched_heads else recipe.space.num_heads[-1],
        qkv_bias=recipe.model.qkv_bias,
        reads_events=description.num_frames is not None,
        network=recipe.model.network,
        neuron_params=_neuron_params(recipe),
        stem_dim=recipe.model.stem_dim or 0,
    )


def _neuron_params(recipe: Recipe) -> int | None:
    """Learned numbers of one layer's neurons. LIF has none, which is known without torch.

    None: the kind of neuron is not known here.
    """
    if recipe.model.neuron == "lif" or recipe.model.network == "transformer":
        return 0
    from autospikformer_cli.spiking.neuron import Dynamics

    try:
        node = neuron_kind(recipe.model.neuron, recipe.given_by)(Dynamics())
    except UserError:
        return None
    return sum(parameter.numel() for parameter in node.parameters())


def energy_model(recipe: Recipe) -> EnergyModel:
    """How a recipe prices its subnets."""
    return EnergyModel(network_shape(recipe), recipe.energy.rules, recipe.energy.hardware)


def make_supernet(recipe: Recipe, compute: Compute) -> Supernet:
    """The recipe's network with its first weights, on a device and in a precision.

    Raises UserError if the device has too little memory for its weights.
    """
    from autospikformer_cli.spiking.neuron import Dynamics
    from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

    model = recipe.model
    config = NetworkConfig(
        shape=network_shape(recipe),
        space=recipe.space.search_space(),
        dynamics=Dynamics(model.decay_input, model.fires_at, model.reset, model.detach_reset, model.surrogate),
        threshold_scope=model.threshold_scope,
        attention_scale=model.attention_scale,
        stem_threshold=model.stem_threshold,
        attention_threshold=model.attention_threshold,
        neuron=neuron_kind(model.neuron, recipe.given_by),
    )
    require_room("its weights need", recipe, compute.device, lambda each: weight_bytes(each, compute.precision))
    return Supernet(config, recipe.seed).to(compute.torch_device, compute.dtype)


def weight_bytes(recipe: Recipe, precision: str) -> int:
    """Bytes of a supernet's weights."""
    return ITEM_BYTES[precision] * num_params(network_shape(recipe), recipe.space.search_space().largest())


def step_bytes(recipe: Recipe, precision: str, images: int) -> int:
    """Estimate of the bytes of a training step of the largest subnet. images: those of the training."""
    batch, largest = min(recipe.train.batch, images), recipe.space.search_space().largest()
    estimate = checkpointed_bytes if recipe.train.activation_checkpointing else training_bytes
    return estimate(network_shape(recipe), largest, batch, ITEM_BYTES[precision])


def require_room_for_step(recipe: Recipe, compute: Computes, images: int) -> None:
    """Raises UserError if the device has too little memory for a training step of the largest subnet."""

    def needed(each: Recipe) -> int:
        return step_bytes(each, compute.precision, images)

    require_room("a training step needs", recipe, compute.device, needed)


def unknown_components(recipe: Recipe) -> Iterator[str]:
    """Why the recipe's data set, neuron or algorithm is not known here, in words; nothing if they are."""
    if recipe.data.unknown is not None:
        yield f"data.dataset: {recipe.data.unknown.what}"
    for registry, key, name in (
        (NEURONS, "model.neuron", recipe.model.neuron),
        (ALGORITHMS, "search.algorithm", recipe.search.algorithm),
    ):
        if name not in registry or registry.giver(name):
            try:
                registry.get(name, key, recipe.given_by)
            except UserError as error:
                yield f"{key}: {error.what}"


def neuron_kind(name: str, given_by: Mapping[str, str] = NOBODY) -> type[NeuronKind]:
    """A kind of neuron by its name. Raises UserError if its plugin is gone or broken, or gives something else.

    given_by: as `Registry.get` takes it.
    """
    from autospikformer_cli.spiking.neuron_kinds import NeuronKind

    kind = NEURONS.get(name, "model.neuron", given_by)
    if not (isinstance(kind, type) and issubclass(kind, NeuronKind)) or isabstract(kind):
        raise UserError(
            f"the neuron {name} is no subclass of {NeuronKind.__module__}.NeuronKind with a forward pass",
            "model.neuron",
            "choose another, or mend the plugin that adds it",
        )
    return kind


def load_images(recipe: Recipe, seed: int, split: Split, say: Say) -> ImageSet:
    """A split of a recipe's data set, cut by the seed. `say` remarks on what the user should know of it."""
    from autospikformer_cli.data.images import load_split

    images = load_split(recipe.data, seed, split, progress=say.progress)
    for note in images.notes:
        say.remark(note)
    return images


def num_taken(recipe: Recipe, key: str, split: str, there: int, say: Say) -> int:
    """Number of images that a key of the recipe takes of a split; all if there are fewer, which is said."""
    asked = recipe.value(key)
    if asked is not None and asked > there:
        say.remark(f"{key}: the {split} split has {there:,} images, not {asked:,}: all are taken")
    return there if asked is None else min(asked, there)


def first_images(images: ImageSet, recipe: Recipe, key: str, say: Say) -> ImageSet:
    """The first images of a split, as many as a key of the recipe takes."""
    return images.first(num_taken(recipe, key, images.split, len(images), say))


def warm_engine(engine: Engine, say: Say) -> None:
    """Load the engine's compiled loops. Shows a bar if they must be compiled, so call it outside any other bar."""
    if engine.name != "event_driven":
        return
    from autospikformer_cli.engine.warming import warm

    warm(engine, lambda total: say.progress("compiling the engine, once", total, unit="functions"))


def warm_training(recipe: Recipe, compute: Compute, say: Say) -> None:
    """Load a training's compiled loops, or its first step would be told as slow. Shows a bar as above."""
    from autospikformer_cli.engine.warming import warm_training_loops

    supernet = make_supernet(recipe, compute)
    warm_training_loops(supernet, lambda total: say.progress("compiling the training, once", total, unit="functions"))


def remark_on_batches(recipe: Recipe, say: Say) -> None:
    """Warn if what a recipe measures depends on the batch size."""
    if recipe.model.batchnorm == "batch":
        batch = recipe.model.evaluation_batch
        say.remark(f'warning: model.batchnorm = "batch": results depend on the batches, of at most {batch} images')


def make_evaluator(
    engine: Engine, recipe: Recipe, description: DataDescription, calibration: ImageSet | None, say: Say,
    memory: int | None = None,
) -> Evaluator:  # fmt: skip
    """What measures subnets as a recipe asks for it. Warns if the results depend on the batch size.

    memory: see Evaluator; None for the recipe's, which several workers share.
    """
    from autospikformer_cli.evaluation.evaluator import Evaluator

    remark_on_batches(recipe, say)
    memory = recipe.model.evaluation_memory * BYTES_A_MEGABYTE if memory is None else memory
    return Evaluator(engine, description, calibration, recipe.model.batchnorm, recipe.model.evaluation_batch, memory)


def measured_by(
    engine: Engine, recipe: Recipe, compute: Compute, images: ImageSet, calibration: ImageSet | None,
    weights_hash: str, epochs: int,
) -> Provenance:  # fmt: skip
    """How an engine measures subnets on some images. calibration: None if no images recalibrate BatchNorm."""
    threads = {"threads": str(compute.threads)} if engine.batch_matters else {}
    return Provenance(
        split=images.split,
        split_hash=images.hash,
        images=len(images),
        calibration_hash="" if calibration is None else calibration.hash,
        calibration_images=len(calibration or ()),
        batchnorm=recipe.model.batchnorm,
        fidelity=recipe.fidelity,
        weights_hash=weights_hash,
        precision=compute.precision,
        device=compute.device,
        epochs=epochs,
        frames=describe(recipe.data).num_frames or 0,
        engine=engine.name,
        switches=recipe.resolved_switches(),
        computed_with=versions() | threads,
    )


def load_arrays(supernet: Supernet, weights: Mapping[str, np.ndarray[Any, Any]], where: str) -> None:
    """Put a store's weights into a network. Raises UserError if they do not fit the recipe's network or are not finite.

    Nothing is measured with weights that are not finite: neurons hide them, and the answers look like chance.
    """
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
    broken = supernet.not_finite()
    if broken:
        what, fix = "its weights are not finite: its training diverged", "train anew with smaller learning rates"
        raise UserError(f"{what} ({shortened(broken)})", where, fix)


def weight_arrays(supernet: Supernet) -> dict[str, np.ndarray[Any, Any]]:
    """A network's weights as arrays, by name."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in supernet.state_dict().items()}


def versions() -> dict[str, str]:
    """Versions of everything that the last bits of a result depend on, by name."""
    packages = {name: version(name) for name in ("autospikformer-cli", "torch", "numpy", "numba")}
    return {"python": platform.python_version(), **packages}


def stored_text(recipe: Recipe) -> str:
    """A training's recipe as its run stores it, with the shape of its data set's images."""
    return recipe.with_images(images_to_store(recipe.data)).to_toml()


def environment(compute: Compute) -> dict[str, str]:
    """The versions, device and threads that a training was computed with. Its last bits depend on all of them."""
    computed = {"device": compute.device, "precision": compute.precision, "threads": str(compute.threads)}
    return {**versions(), **computed, **gpu_versions(compute.device)}


def gpu_versions(device: str) -> dict[str, str]:
    """The GPU, and what torch computes with there; nothing of a CPU."""
    if not device.startswith("cuda"):
        return {}
    import torch

    name = torch.cuda.get_device_name(torch.device(device))
    return {"gpu": name, "cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
