"""Sources of images and events: embedded digits, torchvision's CIFAR classes, folders of images or recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.data.description import describe, framing_of
from autospikformer_cli.data.digits import CLASSES, WHITE, load_digits
from autospikformer_cli.data.downloads import fetched_by_hand
from autospikformer_cli.data.events.building import ShowProgress, cache_folder, read_or_make
from autospikformer_cli.data.events.framing import Framing, as_small_as_fits, count_events
from autospikformer_cli.data.events.layouts import LAYOUTS_BY_DATASET as EVENT_FILES
from autospikformer_cli.data.events.layouts import list_recordings
from autospikformer_cli.data.events.reading import require_aedat
from autospikformer_cli.data.folders import WHERE, absolute, below_root, list_images, split_folders
from autospikformer_cli.data.splits import Indices
from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    from autospikformer_cli.recipe import DataConfig

Pixels = NDArray[np.uint8]
PixelsOrCounts = NDArray[np.uint8] | NDArray[np.uint16]
"""Pixels of images (n, H, W, C), or events counted in frames (n, F, H, W, C)."""
CIFAR_CLASSES = {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}


@dataclass(frozen=True)
class Source:
    """Images, or recordings of events, that belong together on disk. Only labels are read in advance.

    labels: (N,), numbers into classes. read: indices (n,) -> uint8 (n, H, W, C), or uint8 or uint16 (n, F, H, W, C).
    sorted_by_class: whether images of a class lie together, so that the first ones are not a fair sample. may_lack:
    whether classes may have no images, as in an incomplete data set. remarks: for the user; reading may add some.
    files: of each image, its path below data.root; empty if they are not in files of their own.
    """

    labels: Indices
    classes: Sequence[str]
    read: Callable[[Indices], PixelsOrCounts]
    sorted_by_class: bool
    may_lack: bool = False
    remarks: list[str] = field(default_factory=list)
    files: Sequence[str] = ()


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


def open_source(config: DataConfig, part: str, progress: ShowProgress) -> Source:
    """The images of one of `splits_with_files`. It opens no file of another split.

    progress: shown during slow work, such as making frames of recordings. Raises UserError if the data set is missing
    or damaged.
    """
    if config.dataset == "digits":
        return _digits(config)
    if config.dataset in CIFAR_CLASSES:
        return _cifar(config, part)
    if config.dataset == "digits-events":
        return _digits_events(config)
    if config.dataset in EVENT_FILES:
        return _recordings(config, part, progress)
    return _folder(config, part)


def _digits(config: DataConfig) -> Source:
    digits = load_digits()
    images = np.rint(digits.images[..., None] * (255 / WHITE)).astype(np.uint8)
    return Source(digits.labels, CLASSES, _array_reader(images, config), sorted_by_class=False)


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
    return Source(labels, data.classes, _array_reader(data.data, config), sorted_by_class=False)


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


def _array_reader(images: Pixels, config: DataConfig) -> Callable[[Indices], Pixels]:
    """A reader of images in memory. It resizes them to the recipe's size, bilinearly, with antialiasing."""
    size = describe(config).image_size

    def read(indices: Indices) -> Pixels:
        chosen = images[indices]
        if chosen.shape[1:3] == (size, size):
            return chosen
        import torch

        from autospikformer_cli.data.torchvision_import import torchvision

        planes = torch.from_numpy(chosen).permute(0, 3, 1, 2)
        resized = torchvision.transforms.v2.functional.resize(planes, [size, size], antialias=True)
        result: Pixels = resized.permute(0, 2, 3, 1).contiguous().numpy()
        return result

    return read


def _folder(config: DataConfig, part: str) -> Source:
    listing = list_images(config.root, part)
    size = describe(config).image_size
    remarks = list(listing.remarks)

    def read(indices: Indices) -> Pixels:
        from autospikformer_cli.data.image_files import read_rgb
        from autospikformer_cli.data.torchvision_import import torchvision

        transforms = torchvision.transforms.v2
        to_size = transforms.Compose([transforms.Resize(size, antialias=True), transforms.CenterCrop(size)])
        images = np.empty((len(indices), size, size, 3), dtype=np.uint8)
        of_several = 0
        for place, index in enumerate(indices):
            image, has_more = read_rgb(listing.paths[index], config.background)
            of_several += has_more
            images[place] = np.asarray(to_size(image))
        if of_several:
            told = f"files with several frames or pages: {of_several:,} of {len(indices):,}; the first one is taken"
            remarks.append(told)
        return images

    return Source(
        np.array(listing.labels, dtype=np.int64),
        listing.classes,
        read,
        sorted_by_class=True,
        remarks=remarks,
        files=below_root(config.root, listing.paths),
    )


def _digits_events(config: DataConfig) -> Source:
    framing = framing_of(config)
    labels = load_digits().labels
    return Source(labels, CLASSES, lambda indices: _digit_frames(framing)[indices], sorted_by_class=False)


@lru_cache(maxsize=1)
def _digit_frames(framing: Framing) -> PixelsOrCounts:
    """All digits as a simulated event camera sees them. Cached in memory only, as they take seconds to make."""
    from autospikformer_cli.data.saccades import digit_recordings

    recordings, _ = digit_recordings()
    counts = np.stack([count_events(events, framing) for events in recordings])
    return as_small_as_fits(counts, int(counts.max()))


def _recordings(config: DataConfig, part: str, progress: ShowProgress) -> Source:
    """Recordings in files. The cache has the frames of a whole part, so the first read opens all its recordings."""
    if config.dataset == "cifar10dvs":
        require_aedat()
    with fetched_by_hand(config):
        listing = list_recordings(config.dataset, config.root, part)
    labels = np.array([recording.label for recording in listing.recordings], dtype=np.int64)
    remarks = [listing.note] if listing.note else []

    def read(indices: Indices) -> PixelsOrCounts:
        cache = cache_folder(config.root, config.cache)
        frames, reordered = read_or_make(config.dataset, part, listing, framing_of(config), cache, indices, progress)
        if reordered:
            remarks.append(
                f"time ran backwards in {reordered:,} of {len(indices):,} recordings: their events were sorted"
            )
        return frames

    files = below_root(config.root, [recording.path for recording in listing.recordings])
    return Source(labels, listing.classes, read, sorted_by_class=True, may_lack=True, remarks=remarks, files=files)
