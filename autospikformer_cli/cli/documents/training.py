"""Documents of `aspk train`."""

from __future__ import annotations

from autospikformer_cli.cli.documents.parts import Document, FidelityFields, Part, PlanFields, SizeFields


class StepTimesPart(Part):
    """How long the parts of the steps took that this call trained, in seconds."""

    steps: int
    """Those steps."""
    data_s: float
    """Images and their augmentation."""
    forward_s: float
    """Logits and losses."""
    backward_s: float
    """Gradients."""
    optimizer_s: float
    """Norms of gradients, the optimizers, and the average of the weights."""


class EpochAccuraciesPart(Part):
    """Accuracies after one epoch, in percent. null: not measured."""

    epoch: int
    """From 1."""
    val_top1_largest: float | None
    """Of the largest subnet, with the average of the weights if the training has one."""
    val_top1_smallest: float | None
    """The same of the smallest."""
    val_top1_mean: float | None
    """The mean over the measured subnets."""
    unaveraged_top1_largest: float | None
    """Of the largest subnet, without the average; null unless train.ema_choice = "validation", as for the next two."""
    unaveraged_top1_smallest: float | None
    """The same of the smallest."""
    unaveraged_top1_mean: float | None
    """The mean over the measured subnets."""


class WeightChoicePart(Part):
    """Which weights a training chose by accuracies on validation images."""

    epoch: int
    """The epoch whose weights the run has."""
    weights: str
    """Which weights of that epoch: average or unaveraged; plain if train.ema_half_life is 0."""
    mean_top1: float
    """Their mean accuracy over the measured subnets, in percent."""
    stopped_early: bool
    """Whether train.patience ended the training."""
    measured_subnets: list[list[float]]
    """The genes of each subnet of the mean."""
    epochs: list[EpochAccuraciesPart]
    """All epochs."""


class TrainDocument(Document, FidelityFields):
    """A training at its end."""

    run: str
    """The run's folder."""
    recipe: str
    """The recipe's name."""
    epochs: int
    """Epochs trained."""
    steps: int
    """Steps of the optimizer."""
    images_per_second: float | None
    """Mean speed; null for imported weights, as for the next two."""
    val_top1_largest: float | None
    """Accuracy of the largest subnet on validation images with the weights that the run has, in percent."""
    val_top1_smallest: float | None
    """The same of the smallest subnet."""
    choice: WeightChoicePart | None = None
    """Absent unless the recipe chooses weights: train.final, train.patience, train.ema_choice."""
    step_times: StepTimesPart | None = None
    """Absent without --timing."""


class TrainPlanDocument(Document, PlanFields, SizeFields, FidelityFields):
    """What a training would do."""

    images: int
    """Training images."""
    epochs: int
    """Epochs."""
    steps: int
    """Steps of the optimizer."""
    memory_bytes: int
    """Estimate of the memory that a step needs."""
