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
    """Accuracy of the largest subnet on validation images after the last epoch, in percent."""
    val_top1_smallest: float | None
    """The same of the smallest subnet."""
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
