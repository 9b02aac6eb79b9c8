"""What a command would do, counted without doing it, for --dry-run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autospikformer_cli.data.images import num_images
from autospikformer_cli.engine.names import Computes
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.runs.building import (
    network_shape,
    num_taken,
    require_room_for_step,
    step_bytes,
)
from autospikformer_cli.runs.chosen_weights import require_choosable
from autospikformer_cli.runs.data_plan import data_plan
from autospikformer_cli.runs.number_format import require_number_format
from autospikformer_cli.runs.pace import TimePerUnit
from autospikformer_cli.runs.selection import recipe_problem
from autospikformer_cli.say import SILENT, Say
from autospikformer_cli.search.algorithm import make_algorithm
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.layout import NetworkShape, num_params
from autospikformer_cli.spiking.memory import (
    ITEM_BYTES,
    evaluation_bytes,
    memory_budget,
    stems_bytes,
    waiting_bytes,
)
from autospikformer_cli.units import BYTES_A_MEGABYTE

NOT_ASKED = TimePerUnit(None, "not asked for")


def training_plan(
    recipe: Recipe,
    computes: Computes,
    pace: Callable[[int], TimePerUnit] = lambda images: NOT_ASKED,
    say: Say = SILENT,
) -> dict[str, Any]:
    """Sizes of a training: classes, images, subnets, parameters, steps, bytes, seconds. Warns if a step does not fit.

    Another machine may have more memory, so that is no mistake here.
    pace: returns seconds of a step, from the number of training images.
    """
    from autospikformer_cli.training.schedule import num_steps

    require_choosable(recipe)
    data = data_plan(recipe.data, recipe.seed, say)
    images = data.sizes["train"]
    validation = data.sizes.get("validation")
    if validation:
        num_taken(recipe, "train.validation_images", "validation", validation, say)
        if recipe.model.batchnorm == "recalibrate":
            num_taken(recipe, "model.calibration_images", "train", images, say)
    steps = recipe.train.total_epochs * num_steps(recipe.train, images)
    try:
        require_room_for_step(recipe, computes, images)
        require_number_format(recipe, computes)
    except UserError as error:
        say.remark(f"warning: {error}")
    return {
        **data.to_document(),
        **_sizes(*_space_and_shape(recipe)),
        "images": images,
        "epochs": recipe.train.total_epochs,
        "steps": steps,
        "memory_bytes": step_bytes(recipe, computes.precision, images),
        **_time(steps, pace(images)),
    }


def search_plan(
    recipe: Recipe, precision: str, engine: str, pace: TimePerUnit = NOT_ASKED, say: Say = SILENT
) -> dict[str, Any]:
    """Sizes of a search: classes, images, subnets, parameters, evaluations, bytes, seconds.

    engine: the name of the one that measures. pace: seconds of a subnet on an image.
    recalibration_bytes, evaluation_bytes: the largest layer, for all calibration images or for one batch.
    stems_bytes: the cache of stems. waiting_bytes: spikes that wait while the walk goes on.
    """
    data = data_plan(recipe.data, recipe.seed, say)
    images = data.sizes.get(recipe.search.split) or num_images(recipe.data, recipe.seed, recipe.search.split)
    used = num_taken(recipe, "search.images", recipe.search.split, images, say)
    space, shape = _space_and_shape(recipe)
    calibration = 0
    if recipe.model.batchnorm == "recalibrate":
        calibration = num_taken(recipe, "model.calibration_images", "train", data.sizes["train"], say)
    evaluations = make_algorithm(recipe.search, recipe_problem(recipe), recipe.seed, given_by=recipe.given_by).total
    item_bytes, memory = ITEM_BYTES[precision], recipe.model.evaluation_memory * BYTES_A_MEGABYTE
    spike_bytes = 1 if engine == "event_driven" else item_bytes
    at_once = {"recalibration": calibration, "evaluation": min(used, recipe.model.evaluation_batch)}
    layers = {
        part: evaluation_bytes(shape, space.largest(), images, item_bytes, spike_bytes)
        for part, images in at_once.items()
    }
    waiting = waiting_bytes(shape, space, recipe.search.population, max(at_once.values()), spike_bytes)
    budget = memory_budget(memory)
    waiting = min(waiting, budget.waiting)
    stems = stems_bytes(shape, space, used + calibration, budget.stems, item_bytes)
    return {
        **data.to_document(),
        **_sizes(space, shape),
        "images": used,
        "calibration_images": calibration,
        "evaluations": evaluations,
        "steps": evaluations * -(-used // recipe.model.evaluation_batch),
        **{f"{part}_bytes": needed for part, needed in layers.items()},
        "stems_bytes": stems,
        "waiting_bytes": waiting,
        "memory_bytes": max(layers.values()) + stems + waiting,
        **_time(evaluations * used, pace),
    }


def _time(units: int, pace: TimePerUnit) -> dict[str, object]:
    return {"seconds": None if pace.seconds is None else units * pace.seconds, "seconds_from": pace.source}


def _space_and_shape(recipe: Recipe) -> tuple[SearchSpace, NetworkShape]:
    return recipe.space.search_space(), network_shape(recipe)


def _sizes(space: SearchSpace, shape: NetworkShape) -> dict[str, int]:
    return {
        "subnets": space.size(),
        "params_smallest": num_params(shape, space.smallest()),
        "params_largest": num_params(shape, space.largest()),
    }
