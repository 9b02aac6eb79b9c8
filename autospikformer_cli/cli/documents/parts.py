"""What documents have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Setting = bool | int | float | str
"""A value of a recipe key."""


class Part(BaseModel):
    """A part of a document. No field is missing, and none is unknown."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class Document(Part):
    """What a command writes: one JSON object."""

    schema_version: int
    """1. A larger number marks a document that a reader of this one would misread. New fields do not change it."""


class FaultFields(Part):
    """One mistake."""

    error: str
    """What is wrong."""
    where: str | None
    """File and line, key or option, if known."""
    fix: str | None
    """What to type or change, if known."""


class ErrorDocument(Document, FaultFields):
    """A command that ends with another exit code than 0. The same message is on standard error."""

    exit_code: int
    """2: a mistake that you can repair. 1: a bug. 130: interrupted."""
    faults: list[FaultFields]
    """All mistakes that were found together. error, where and fix are those of the first."""


class FidelityFields(Part):
    """The readings of the paper in force."""

    fidelity: str
    """sound, paper or authors."""
    switches: list[str]
    """Switches that differ from what fidelity and energy convention say, as TOML."""
    resolved: dict[str, Setting]
    """Every switch with its value in force."""


class SizeFields(Part):
    """Sizes of a search space."""

    subnets: int
    """Subnets in the space."""
    params_smallest: int
    """Parameters of the smallest subnet."""
    params_largest: int
    """Parameters of the largest subnet."""


class PlanFields(Part):
    """The data set, and the time, of what a command would do."""

    dataset: str
    """data.dataset."""
    dataset_missing_at: str | None
    """The folder in which the data set is not found; null if it is there. The numbers are then the published ones."""
    classes: int
    """Classes of the data set."""
    train_images: int
    """Images of the training split."""
    validation_images: int | None
    """Images of the validation split; null if there is none, as for the next."""
    test_images: int | None
    """Images of the test split."""
    images_in_memory_bytes: int
    """Bytes of decoded training and validation images that are held in memory; of frames, with a byte a count."""
    cache_bytes: int
    """Bytes of decoded images on disk, of those that do not fit into data.memory; of frames, before they are packed."""
    cache_missing_bytes: int
    """Of these, bytes that are still to be decoded."""
    cache_folder: str | None
    """The folder on disk; null if all fit into memory."""
    seconds: float | None
    """Estimate of the time; null if nothing is known."""
    seconds_from: str
    """What the estimate rests on, or why there is none."""


class ProvenanceDocument(FidelityFields):
    """What the numbers of a search rest on."""

    dataset: str
    """data.dataset."""
    split: str
    """The split that subnets were measured on."""
    images: int
    """Number of its images."""
    batchnorm: str
    """model.batchnorm."""
    calibration_images: int | None
    """Images that recalibrated BatchNorm; null for none."""
    energy_profile: str
    """Name of the hardware profile."""
    energy_convention: str
    """Name of the convention."""
    unpriced: list[str]
    """Operations of the space's largest subnet that the profile has no figure for, and that no energy here has."""
    algorithm: str | None
    """Name of the search algorithm; null for a sweep of alpha, where each search has its own."""
    normalise: str
    """search.normalise."""
    seed: int | None
    """The recipe's seed; null for a sweep of alpha, where each search has its own."""
    epochs: int
    """Epochs of the supernet."""
    engine: str
    """What ran the subnets."""
    imported_from: str
    """The file of imported weights, or an empty text."""
    events: str
    """How recordings of events became frames; empty for images."""
    note: str
    """Why the search ended before its budget; empty if it did not."""
    limits: list[str]
    """What subnets had to keep to, in words."""
    unknown: list[str]
    """What of the search's recipe is not known here, and why, in words."""
    stand_ins: list[str]
    """The objectives whose plugin is not there, and whose stored values stand in, in words."""
