"""How long a training or a search takes, for --dry-run: from what a run stored, or from a few steps that are measured.

Dimension legend: B images, F frames, H W rows and columns, C channels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from autospikformer_cli.data.description import DataDescription, describe
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.runs.building import make_supernet, network_shape
from autospikformer_cli.say import Say
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.memory import ITEM_BYTES, training_bytes
from autospikformer_cli.store.population import read_search
from autospikformer_cli.store.runs import is_run, run_folders
from autospikformer_cli.store.searches import present_search, search_names
from autospikformer_cli.store.supernet import read_training

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet
    from autospikformer_cli.engine.compute import Compute
    from autospikformer_cli.engine.names import Computes
    from autospikformer_cli.training.paths import PathSampler

MEASURED_STEPS = 5
"""Steps of a training that are measured, after one that is not, since it compiles."""
PATIENCE = 5.0
"""Seconds after which no further step is measured. One always is."""
MOST_BYTES = 5 * 10**8
"""Memory that a measured step may need. A larger batch is measured in part."""


class TimePerUnit(NamedTuple):
    """Seconds of a training's step, or of a subnet's measurement on an image; None if they are not known.

    source: how they are known, or why not.
    """

    seconds: float | None
    source: str


def training_pace(
    recipe: Recipe, computes: Computes, threads: int | None, path: Path, say: Say, num_images: int
) -> TimePerUnit:
    """The pace of the newest run that trained the same shape on the same device, or one that is measured now.

    Not known if a step of one image needs more than `MOST_BYTES`.
    path: of the run that the training would go on with; it comes first. threads: as asked for. Measuring loads torch.
    """
    for run in dict.fromkeys([path, *run_folders()]):
        stored = stored_pace(recipe, computes, threads, run) if is_run(run) else None
        if stored is not None:
            return stored
    return _pace_on_random_images(recipe, computes, say, num_images)


def retraining_pace(
    recipe: Recipe, computes: Computes, subnets: Sequence[Subnet], say: Say, num_images: int
) -> TimePerUnit:
    """The mean pace of trainings of one subnet each, measured now on some of them: as they stand, one a step."""
    return _pace_on_random_images(recipe, computes, say, num_images, _in_turn(subnets))


def _in_turn(subnets: Sequence[Subnet]) -> PathSampler:
    return lambda step, progress: [subnets[step % len(subnets)]]


def _pace_on_random_images(
    recipe: Recipe, computes: Computes, say: Say, num_images: int, paths: PathSampler | None = None
) -> TimePerUnit:
    largest = recipe.space.search_space().largest()
    if training_bytes(network_shape(recipe), largest, 1, ITEM_BYTES[computes.precision]) > MOST_BYTES:
        return TimePerUnit(None, "a step is too large to be measured here")
    from autospikformer_cli.training.loop import Divergence

    say.remark("measuring a few steps on random images")
    try:
        return measured_pace(recipe, computes.set_up(), num_images, paths=paths)
    except Divergence as error:
        return TimePerUnit(None, f"the measured steps diverge: {error.what}")


def stored_pace(recipe: Recipe, computes: Computes, threads: int | None, run: Path) -> TimePerUnit | None:
    """The pace of a run's training, without validation; None if it has none, or trained something else otherwise."""
    try:
        training = read_training(run)
        trained = recipe_from_toml(training.recipe_toml, training.recipe_name)
        same = _steps_of(trained) == _steps_of(recipe)
    except UserError:
        return None
    used, history = training.environment, training.state.history
    wanted = {"device": computes.device, "precision": computes.precision}
    if threads is not None:
        wanted["threads"] = str(threads)
    if used.get("world_size", "1") != "1":
        return None
    if not same or not history or any(used.get(key) != value for key, value in wanted.items()):
        return None
    # The median leaves out epochs that something else slowed, as compiling did under an earlier aspk.
    seconds = median(record.seconds / record.steps for record in history)
    return TimePerUnit(seconds, f"as {run} took, without validation")


def _steps_of(recipe: Recipe) -> tuple[object, ...]:
    """What the time of a training's step depends on."""
    model, train = recipe.model, recipe.train
    frames = describe(recipe.data).num_frames
    return (
        network_shape(recipe), recipe.space, model.neuron, model.surrogate, frames, recipe.data.augment, train.batch,
        train.accumulate, train.sampling, train.optimizer, train.time_step_curriculum,
    )  # fmt: skip


def measured_pace(
    recipe: Recipe, compute: Compute, num_images: int, clock: Callable[[], float] = time.perf_counter,
    paths: PathSampler | None = None,
) -> TimePerUnit:  # fmt: skip
    """The pace of a few steps of a new network on random images, measured here.

    The first step, which compiles, does not count. num_images: training images. clock: seconds. paths: each
    step's subnets; None for the recipe's.
    """
    from autospikformer_cli.runs.training import START
    from autospikformer_cli.training.choosing import Accuracies
    from autospikformer_cli.training.loop import Recorder, Trainer, TrainingData
    from autospikformer_cli.training.optimizers import make_optimizer
    from autospikformer_cli.training.paths import sampled_paths

    description, space = describe(recipe.data), recipe.space.search_space()
    at_once, whole = (min(images, num_images) for images in (recipe.train.batch, recipe.train.step_images))
    needed = training_bytes(network_shape(recipe), space.largest(), at_once, ITEM_BYTES[compute.precision])
    batch = max(1, min(at_once, at_once * MOST_BYTES // needed))
    images = random_images(description, batch * (1 + MEASURED_STEPS))
    supernet, data = make_supernet(recipe, compute), recipe.data
    usual: dict[str, object] = {"batch": batch, "accumulate": 1}
    usual |= {"time_step_curriculum": 0.0}  # its first steps are faster than the others
    usual |= {"patience": 0, "final": "last", "ema_choice": "average"}  # nothing is validated here
    train = recipe.train.model_copy(update=usual)
    trainer = Trainer(
        supernet, make_optimizer(supernet, train),
        TrainingData(images, description, data.augment, data.translation), train,
        paths=paths or sampled_paths(space, recipe.seed, train), seed=recipe.seed, read_steps=1,
    )  # fmt: skip
    times = [clock()]
    trainer.run(
        START,
        Recorder(
            step=lambda report: times.append(clock()),
            between=lambda state: None,
            epoch=lambda state: None,
            stop=lambda: len(times) > 1 + MEASURED_STEPS or (len(times) > 2 and times[-1] - times[1] > PATIENCE),
            accuracy=Accuracies,
        ),
    )
    taken = [after - before for before, after in pairwise(times)]
    measured = taken[1 : 1 + MEASURED_STEPS]
    steps = "1 step" if len(measured) == 1 else f"{len(measured)} steps"
    part = "" if batch == whole else f", {batch} of {whole} images each"
    seconds = sum(measured) / len(measured) * whole / batch
    return TimePerUnit(seconds, f"{steps} of random images measured{part}, without validation")


def random_images(description: DataDescription, number: int) -> ImageSet:
    """Images or counts of events of a data set's shape, with random values and labels."""
    import torch

    from autospikformer_cli.data.images import ImageSet

    generator = torch.Generator().manual_seed(0)
    frames = () if description.num_frames is None else (description.num_frames,)
    shape = (number, *frames, description.image_size, description.image_size, description.in_channels)
    most = 256 if description.num_frames is None else 4
    pixels = torch.randint(0, most, shape, generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, description.num_classes, (number,), generator=generator)
    return ImageSet(pixels, labels, torch.arange(number), "train", "")


def search_pace(run: Path) -> TimePerUnit:
    """Seconds of a subnet on an image: in the run's present search, or in another that stored its time."""
    names = search_names(run)
    for name in dict.fromkeys([present_search(run), *reversed(names)] if names else []):
        try:
            search = read_search(run, name)
        except UserError:
            continue
        timing = search.timing
        if timing is not None and timing.subnets and search.provenance.images:
            return TimePerUnit(timing.seconds / timing.subnets / search.provenance.images, f"as search {name} took")
    return TimePerUnit(None, "no search of this run stored how long it took")
