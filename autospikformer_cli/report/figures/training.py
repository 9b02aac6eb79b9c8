"""A training: loss, learning rate, and accuracy of the largest and the smallest subnet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.report.figures import style
from autospikformer_cli.report.figures.front import ACCURACY_LABEL
from autospikformer_cli.report.figures.subject import FigureSubject
from autospikformer_cli.store.supernet import EpochRecord, read_log, read_training
from autospikformer_cli.store.training_log import TrainingLog
from autospikformer_cli.training.schedule import learning_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 2000
"""Points of the line of all steps."""


def draw_training(subject: FigureSubject) -> Figure:
    """Panels over common epochs: next to each other in two columns, else one below the other."""
    training = read_training(subject.path)
    history = training.state.history
    if not history:
        what = "its weights were imported, so it has no training" if training.origin else "no epoch is finished yet"
        raise UserError(what, str(subject.path), None if training.origin else "train on: the command that began it")
    recipe = recipe_from_toml(training.recipe_toml, training.recipe_name)
    measured = any(record.val_top1_largest is not None for record in history)
    panels = 3 if measured else 2
    height = 62.0 if subject.is_wide else 8.0 + 38.0 * panels
    figure = style.blank_figure(subject.width_mm, height)
    shape = (1, panels) if subject.is_wide else (panels, 1)
    axes = list(figure.subplots(*shape, sharex=True, squeeze=False).flat)
    _loss(axes[0], history, read_log(subject.path))
    _rates(axes[1], recipe, history)
    if measured:
        _accuracies(axes[2], history)
    labelled = [handle for panel in axes for handle in style.labelled(panel)]
    style.legend_above(figure, labelled, 2 if subject.is_wide else 1)
    for panel in axes:
        style.light_grid(panel)
    for panel in axes if subject.is_wide else axes[-1:]:
        panel.set_xlabel("Epoch")
    figure.align_ylabels()
    return figure


def _loss(axes: Axes, history: tuple[EpochRecord, ...], log: TrainingLog) -> None:
    """The mean of each epoch; behind it, of each logged step, or of several where they are many."""
    epochs = [record.epoch for record in history]
    axes.plot(
        epochs,
        [record.loss for record in history],
        color=style.INK,
        marker=".",
        zorder=3,
        label="Loss, mean of an epoch",
    )
    points = min(len(log), MOST_POINTS)
    if points:
        at, losses = ([part.mean() for part in np.array_split(each, points)] for each in (log.step, log.loss))
        axes.plot(
            np.array(at) / history[0].steps, losses, color=style.SKY, linewidth=0.5, zorder=2, label="Loss of steps"
        )
    axes.set_ylabel("Training loss")


def _rates(axes: Axes, recipe: Recipe, history: tuple[EpochRecord, ...]) -> None:
    """The rate of each step, which follows from the recipe. Epochs' ends are whole numbers, as in the other panels."""
    steps, epochs = history[0].steps, history[-1].epoch
    every = max(1, steps * epochs // MOST_POINTS)
    at = [step / steps for step in range(0, steps * epochs, every)]
    axes.plot(at, [learning_rate(recipe.train, epoch) for epoch in at], color=style.INK)
    axes.set_ylabel("Learning rate")
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0), useMathText=False)


def _accuracies(axes: Axes, history: tuple[EpochRecord, ...]) -> None:
    known = [record for record in history if record.val_top1_largest is not None]
    epochs = [record.epoch for record in known]
    lines = {
        "Largest subnet, validation": [record.val_top1_largest for record in known],
        "Smallest subnet, validation": [record.val_top1_smallest for record in known],
    }
    if any(record.unaveraged_top1_largest is not None for record in known):
        lines["Largest, weights not averaged"] = [record.unaveraged_top1_largest for record in known]
        lines["Smallest, weights not averaged"] = [record.unaveraged_top1_smallest for record in known]
    for number, (name, values) in enumerate(lines.items()):
        axes.plot(
            epochs, values, label=name, color=style.SERIES[number % 2], linestyle=style.DASHES[number],  # type: ignore[arg-type]
            marker=style.MARKERS[number], markersize=2.5,
        )  # fmt: skip
    axes.set_ylabel(ACCURACY_LABEL)
