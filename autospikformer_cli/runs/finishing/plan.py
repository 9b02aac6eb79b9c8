"""What `aspk finish` would do, counted without doing it, for --dry-run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from statistics import median
from typing import Any

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import recipe_from_toml
from autospikformer_cli.runs.data_plan import data_plan
from autospikformer_cli.runs.finishing.finish import FinishRun, images_seen
from autospikformer_cli.runs.pace import TimePerUnit
from autospikformer_cli.store.supernet import EpochRecord, read_training

SUBNETS_A_STEP = {"single": 1, "sandwich": 4}
"""What a step of a supernet's training runs, by train.sampling."""


def finish_plan(finishing: FinishRun) -> dict[str, Any]:
    """Networks, trainings, tests, images and seconds; and how much of it is done. No image is read.

    seconds: of what is left, in one process, without tests. Raises UserError as the data set's files do.
    """
    trainings = [task.retraining for task in finishing.tasks if task.retraining is not None]
    recipe = trainings[0].recipe
    data = data_plan(recipe.data, finishing.run.split_seed)
    train_images = data.sizes["train"]
    diverged = finishing.diverged()
    open_tasks = [task for task in finishing.tasks if task.retraining is not None and task.number not in diverged]
    tested = finishing.with_results()
    damaged = finishing.remark_on_damaged(tested)
    done = sum(
        train_images * task.epochs if task.number in tested else images_seen(task, train_images) for task in open_tasks
    )
    pace = _pace(finishing, damaged)
    left = train_images * sum(task.epochs for task in open_tasks) - done
    return {
        **data.to_document(),
        "networks": len(finishing.networks),
        "trainings": len(trainings),
        "tests": len(finishing.tasks),
        "epochs": finishing.epochs,
        "retrained_epochs": finishing.retrained_epochs,
        "seeds": list(finishing.seeds),
        "images": train_images * sum(each.epochs for each in trainings),
        "images_done": done,
        "diverged": len(diverged),
        "seconds": None if pace.seconds is None else left * pace.seconds,
        "seconds_from": pace.source,
    }


def _pace(finishing: FinishRun, damaged: Collection[int]) -> TimePerUnit:
    """Seconds of an image in a training: of those that these trainings saw, else as the supernet's training took.

    damaged: numbers of trainings that cannot be read.
    """
    run = finishing.run
    records: list[EpochRecord] = []
    for task in finishing.tasks:
        begun = None if task.retraining is None or task.number in damaged else task.retraining.begun
        records += () if begun is None else begun.state.history
    if records:
        return TimePerUnit(_seconds_an_image(records), "as the trainings so far took, without tests")
    training = read_training(run.path)
    if not training.state.history:
        return TimePerUnit(None, f"{run.path} was not trained here")
    try:
        sampling = recipe_from_toml(training.recipe_toml, training.recipe_name).train.sampling
    except UserError:
        return TimePerUnit(None, f"the recipe of {run.path} cannot be read here")
    seconds = _seconds_an_image(training.state.history) / SUBNETS_A_STEP[sampling]
    return TimePerUnit(seconds, f"as {run.path} took for each subnet of a step, without tests")


def _seconds_an_image(records: Sequence[EpochRecord]) -> float:
    return median(1.0 / record.images_per_second for record in records)
