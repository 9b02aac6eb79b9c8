"""What a network must know about a data set before it sees an image: classes, channels, size, normalisation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autospikformer_cli.data.downloads import fetched_by_hand
from autospikformer_cli.data.events.framing import Framing
from autospikformer_cli.data.events.layouts import LAYOUTS_BY_DATASET as EVENT_FILES
from autospikformer_cli.data.events.layouts import class_folders
from autospikformer_cli.data.folders import class_names
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe.sections import KnownImages
from autospikformer_cli.wording import counted

if TYPE_CHECKING:
    from autospikformer_cli.recipe import DataConfig


@dataclass(frozen=True, slots=True)
class DataDescription:
    """Shape and normalisation of a data set's images, or of its recordings of events.

    image_size: height and width in pixels. mean, std: of each channel, for pixels scaled to 0..1. num_frames: number
    of frames of a recording; None for images. Frames of events are counts, which are not normalised.
    """

    num_classes: int
    in_channels: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    num_frames: int | None = None


KNOWN = {
    # Mean and deviation of all 1,797 images (0..255), test images included: two numbers that select nothing.
    "digits": DataDescription(10, 1, 8, (0.3053,), (0.3759,)),
    # The constants of the published Spikformer training scripts.
    "cifar10": DataDescription(10, 3, 32, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": DataDescription(100, 3, 32, (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
}
"""Data sets that can be described without their files, in their own image size."""

FOLDER_CHANNELS = 3
FOLDER_MEAN = FOLDER_STD = (0.5,) * FOLDER_CHANNELS
"""Normalisation of a user's own images (read as RGB) if the recipe gives none: it maps pixels to -1..1."""


NUM_DIGIT_CLASSES = 10


def describe(config: DataConfig) -> DataDescription:
    """The description of a recipe's data set. For a folder and for N-Caltech101, it counts the class folders.

    A data set that this aspk lacks has the shape that its run stores, and no normalisation.
    Raises UserError for a missing folder or image size, and for a normalisation that does not fit the channels.
    """
    if config.unknown is not None:
        return _as_stored(config, config.unknown)
    if config.dataset == "digits-events" or config.dataset in EVENT_FILES:
        return _describe_events(config)
    known = KNOWN.get(config.dataset)
    image_size = config.image_size or (known.image_size if known else None)
    if image_size is None:
        raise UserError(
            "data.image_size is not set",
            "data.image_size",
            "images of a folder differ in size: set the height and width they get, for example data.image_size = 32",
        )
    if known:
        num_classes, channels, mean, std = known.num_classes, known.in_channels, known.mean, known.std
    else:
        num_classes, channels = _counted_classes(config), FOLDER_CHANNELS
        mean, std = FOLDER_MEAN, FOLDER_STD
    if not isinstance(config.normalise, str):
        mean = _per_channel(config, "mean", config.normalise.mean, channels)
        std = _per_channel(config, "std", config.normalise.std, channels)
    return DataDescription(num_classes, channels, image_size, mean, std)


def _as_stored(config: DataConfig, unknown: UserError) -> DataDescription:
    """The shape of images that nobody can read here, as their run stores it. Raises UserError if it does not."""
    known = config.known_images
    if known is None or not known.channels:
        raise UserError(f"{unknown.what}; the run does not store their shape", unknown.where, unknown.fix)
    none = (0.0,) * known.channels
    return DataDescription(known.classes, known.channels, known.image_size, none, none, known.frames or None)


def images_to_store(config: DataConfig) -> KnownImages:
    """The shape of a data set's images, for its run. Raises UserError as `describe` does."""
    found = describe(config)
    return KnownImages(found.num_classes, found.in_channels, found.image_size, found.num_frames or 0)


def _counted_classes(config: DataConfig) -> int:
    """The class folders, or if they are gone, as many as a store says that there were. Raises UserError."""
    try:
        with fetched_by_hand(config):
            if config.dataset in EVENT_FILES:
                return len(class_folders(config.dataset, config.root))
            return len(class_names(config.root))
    except UserError:
        if config.known_images is None:
            raise
        return config.known_images.classes


def framing_of(config: DataConfig) -> Framing:
    """How recordings of a recipe's data set become frames. Raises UserError for a missing image size."""
    if config.dataset == "digits-events":
        from autospikformer_cli.data.saccades import SENSOR_SIZE

        sensor = (SENSOR_SIZE, SENSOR_SIZE)
        size: int | None = config.image_size or SENSOR_SIZE
    else:
        kind = EVENT_FILES[config.dataset]
        sensor, size = kind.sensor, config.image_size or kind.image_size
    if size is None:
        raise UserError(
            "data.image_size is not set",
            "data.image_size",
            f"recordings of {config.dataset} differ in size, up to {sensor[0]} x {sensor[1]} pixels: set the height "
            "and width that the whole sensor gets, for example data.image_size = 64",
        )
    return Framing(config.frames, config.split_by, config.polarity, sensor, size)


def _describe_events(config: DataConfig) -> DataDescription:
    framing = framing_of(config)
    if config.dataset == "digits-events":
        num_classes = NUM_DIGIT_CLASSES
    else:
        named = EVENT_FILES[config.dataset].classes
        num_classes = len(named) if named else _counted_classes(config)
    num_frames, size, _, channels = framing.shape
    return DataDescription(num_classes, channels, size, (0.0,) * channels, (1.0,) * channels, num_frames)


def _per_channel(config: DataConfig, key: str, values: Iterable[float], channels: int) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != channels:
        raise UserError(
            f"data.normalise.{key} has {counted(len(numbers), 'value')}, "
            f"images of {config.dataset} have {counted(channels, 'channel')}",
            f"data.normalise.{key}",
            "give one value for each channel",
        )
    return numbers
