"""Documents of `aspk train`."""

from __future__ import annotations

from autospikformer_cli.cli.documents.parts import Document, FidelityFields, PlanFields, SizeFields


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
