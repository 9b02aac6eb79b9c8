"""Sources of images and events: embedded digits, torchvision's CIFAR classes, folders of images or recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autospikformer_cli.data.caching import CachedPart, ShowProgress, cache_folder
from autospikformer_cli.data.description import describe, framing_of
from autospikformer_cli.data.digits import CLASSES, WHITE, load_digits
from autospikformer_cli.data.downloads import fetched_by_hand
from autospikformer_cli.data.events.building import frames_part
from autospikformer_cli.data.events.layouts import LAYOUTS_BY_DATASET as EVENT_FILES
from autospikformer_cli.data.events.layouts import list_recordings
from autospikformer_cli.data.events.reading import require_aedat
from autospikformer_cli.data.folders import WHERE, absolute, below_root, list_images, split_folders
from autospikformer_cli.data.image_packing import images_part
from autospikformer_cli.data.reading import ArrayReader, DigitFrames, FileReader, Pixels, Reader
from autospikformer_cli.data.splits import Indices
from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    from autospikformer_cli.recipe import DataConfig

CIFAR_CLASSES = {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}


@dataclass(frozen=True)
class Source:
    """Images, or recordings of events, that belong together on disk. Only labels are read in advance.

    labels: (N,), numbers into classes. direct: reads images without a cache; None if all go through the cache. cached:
    returns the same images in the cache on disk; None if they need none. image_bytes: of one in memory; frames of
    events may take twice as many. cache: the folder of the cache. sorted_by_class: whether images of a class lie
    together, so that the first ones are not a fair sample. may_lack: whether classes may have no images, as in an
    incomplete data set. remarks: for the user. remark_on_marked: the remark on what `Reader.num_marked` counts. files:
    of each image, its path below data.root; empty if they are not in files of their own.
    """

    labels: Indices
    classes: Sequence[str]
    direct: Reader | None
    cached: Callable[[], CachedPart] | None
    image_bytes: int
    sorted_by_class: bool
    cache: Path | None = None
    may_lack: bool = False
    remarks: Sequence[str] = ()
    remark_on_marked: Callable[[int, int], str] = "{} of {}".format
    files: Sequence[str] = ()

    def cache_to_read(self, num: int, memory: int) -> CachedPart | None:
        """The cache that num of these images are read from; None if they are read directly.

        memory: bytes up to which they need no cache. If it is there and whole, they are read from it all the same.
        """
        if self.cached is None:
            return None
        if self.direct is None or num * self.image_bytes > memory:
            return self.cached()
        if self.cache is None or not self.cache.is_dir():
            return None
        part = self.cached()
        return None if part.missing_bytes else part

    def reader(self, num: int, memory: int, progress: ShowProgress) -> Reader:
        """What reads these images, of which num are asked for. It makes the cache first, if that is needed.

        Raises UserError as `CachedPart.made` does.
        """
        part = self.cache_to_read(num, memory)
        if part is not None:
            return part.made(progress)
        assert self.direct is not None
        return self.direct


def splits_with_files(config: DataConfig) -> frozenset[str]:
    """The splits that the data set itself has. Others are held out of its "train". Looks only at names.

    Raises UserError if this aspk lacks the data set.
    """
    if config.unknown is not None:
        raise config.unknown
    if config.dataset in ("digits", "digits-events"):
        return frozenset({"train"})
    if config.dataset in CIFAR_CLASSES:
        return frozenset({"train", "test"})
    if config.dataset in EVENT_FILES:
        return frozenset(EVENT_FILES[config.dataset].part_folders)
    with fetched_by_hand(config):
        return frozenset(split_folders(config.root))


def has_validation(config: DataConfig) -> bool:
    """Whether there are validation images: the data set's own, or a share held out of its training images."""
    return config.validation > 0 or "validation" in splits_with_files(config)


def shares_test_files(config: DataConfig) -> bool:
    """Whether the test split is cut out of the same files as the others. A new file may then move others into it."""
    if config.dataset in EVENT_FILES:
        folders = EVENT_FILES[config.dataset].part_folders
        return folders.get("test", folders["train"]) == folders["train"]
    return "test" not in splits_with_files(config)


def open_source(config: DataConfig, part: str) -> Source:
    """The images of one of `splits_with_files`. It opens no file of another split.

    Raises UserError if the data set is missing or damaged.
    """
    if config.dataset == "digits":
        return _digits(config)
    if config.dataset in CIFAR_CLASSES:
        return _cifar(config, part)
    if config.dataset == "digits-events":
        return _digits_events(config)
    if config.dataset in EVENT_FILES:
        return _recordings(config, part)
    return _folder(config, part)


def _digits(config: DataConfig) -> Source:
    digits = load_digits()
    images = np.rint(digits.images[..., None] * (255 / WHITE)).astype(np.uint8)
    return _array_source(digits.labels, CLASSES, images, config)


def _cifar(config: DataConfig, part: str) -> Source:
    from autospikformer_cli.data.torchvision_import import torchvision

    base = getattr(torchvision.datasets, CIFAR_CLASSES[config.dataset])
    # torchvision reads the files of both parts to check them. This class has no files of the other part.
    files = {"train_list": [], "test_list": []} | {f"{part}_list": getattr(base, f"{part}_list")}
    reader = type(base.__name__, (base,), files)
    root = absolute(config.root)
    try:
        data = reader(root, train=part == "train", download=config.download)
    except (RuntimeError, OSError) as error:
        raise _cifar_fault(config, root, reader, error) from error
    labels = np.asarray(data.targets, dtype=np.int64)
    return _array_source(labels, data.classes, data.data, config)


def _cifar_fault(config: DataConfig, root: Path, reader: Any, error: Exception) -> UserError:
    from autospikformer_cli.data.torchvision_import import torchvision

    folder = root / reader.base_folder
    if config.download:
        return UserError(
            f"{config.dataset} could not be downloaded to {root}: {error}",
            "data.download",
            f"check the connection, or set data.root to the folder that holds {reader.base_folder}",
        )
    if not folder.is_dir():
        return UserError(
            f"{config.dataset} is not in {root}",
            WHERE,
            f"set data.root to the folder that holds {reader.base_folder}, or data.download = true to fetch it",
        )
    files = [*reader.train_list, *reader.test_list, [reader.meta["filename"], reader.meta["md5"]]]
    intact = torchvision.datasets.utils.check_integrity
    damaged = [name for name, md5 in files if not intact(folder / name, md5)]
    return UserError(
        f"{config.dataset} in {folder} is incomplete or damaged: {', '.join(damaged)}",
        WHERE,
        "replace these files, or set data.download = true to fetch the data set again",
    )


def _array_source(labels: Indices, classes: Sequence[str], images: Pixels, config: DataConfig) -> Source:
    """Images in memory. If they are resized to more than fits there, that is done when they are read."""
    reader = ArrayReader(images, describe(config).image_size)
    return Source(labels, classes, reader, None, prod(reader.shape), sorted_by_class=False)


def _folder(config: DataConfig, part: str) -> Source:
    listing = list_images(config.root, part)
    size, cache = describe(config).image_size, cache_folder("images", config.root, config.cache)
    reader = FileReader(listing.paths, size, config.background)
    return Source(
        np.array(listing.labels, dtype=np.int64),
        listing.classes,
        reader,
        lambda: images_part(config.root, part, listing.paths, size, config.background, cache),
        prod(reader.shape),
        sorted_by_class=True,
        cache=cache,
        remarks=listing.remarks,
        remark_on_marked="files with several frames or pages: {:,} of {:,}; the first one is taken".format,
        files=below_root(config.root, listing.paths),
    )


def _digits_events(config: DataConfig) -> Source:
    reader = DigitFrames(framing_of(config))
    return Source(load_digits().labels, CLASSES, reader, None, prod(reader.shape), sorted_by_class=False)


def _recordings(config: DataConfig, part: str) -> Source:
    """Recordings in files. The cache has the frames of a whole part, so the first read opens all its recordings."""
    if config.dataset == "cifar10dvs":
        require_aedat()
    with fetched_by_hand(config):
        listing = list_recordings(config.dataset, config.root, part)
    framing, cache = framing_of(config), cache_folder("frames", config.root, config.cache)
    return Source(
        np.array([recording.label for recording in listing.recordings], dtype=np.int64),
        listing.classes,
        None,
        lambda: frames_part(config.dataset, part, listing, framing, cache),
        prod(framing.shape),
        sorted_by_class=True,
        may_lack=True,
        cache=cache,
        remarks=[listing.note] if listing.note else [],
        remark_on_marked="time ran backwards in {:,} of {:,} recordings: their events were sorted".format,
        files=below_root(config.root, [recording.path for recording in listing.recordings]),
    )
