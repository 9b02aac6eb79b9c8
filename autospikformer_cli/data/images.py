"""One split of a data set: in memory, or read from disk batch by batch if it has more bytes than data.memory."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from autospikformer_cli.atomic_files import write_whole
from autospikformer_cli.data.caching import CachedPart, CachedRows, ShowProgress
from autospikformer_cli.data.reading import FileReader, LazyImages
from autospikformer_cli.data.sources import Source, has_validation, open_source, splits_with_files
from autospikformer_cli.data.splits import Indices, class_balanced, hold_out
from autospikformer_cli.errors import UserError
from autospikformer_cli.say import SILENT, Say
from autospikformer_cli.units import BYTES_A_MEGABYTE

if TYPE_CHECKING:
    import torch

    from autospikformer_cli.recipe import DataConfig

Split = Literal["train", "validation", "test"]
HASHED_IMAGES = 256
"""Images that are read at once to be hashed."""
DECODED_IMAGES = 64
"""Files of images that are decoded between two looks at the progress."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images, or recordings of events as frames.

    Shapes: images uint8 (N, H, W, C), of events uint8 or uint16 (N, F, H, W, C); labels int64 (N,), index int64 (N,).
    Images in memory are a tensor, others are `LazyImages`. `images[rows]` and `images.split(n)` give tensors of both.
    index: position in the original data set: in the order of digits, of CIFAR's files, or of sorted folder and file
    names. A data set's own training and test files each count from 0. hash: SHA-256, in hex, of the split's name, the
    index, the labels and the pixels or counts. notes: remarks for the user, such as that a data set is incomplete.
    classes: names of the classes, by number. files: each image's path below data.root; empty if it is not in a file of
    its own.
    """

    images: torch.Tensor | LazyImages
    labels: torch.Tensor
    index: torch.Tensor
    split: str
    hash: str
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def first(self, n: int) -> ImageSet:
        """The first n images, or all if there are fewer, with their own hash."""
        if n >= len(self):
            return self
        images = self.images[:n] if not isinstance(self.images, LazyImages) else self.images.first(n)
        first = _image_set(images, self.labels[:n].numpy(), self.index[:n].numpy(), self.split, SILENT.progress)
        return replace(first, notes=self.notes, classes=self.classes, files=self.files[:n])

    def read_ahead(self, rows: torch.Tensor) -> None:
        """Begin to read the images that `images[rows]` will ask for next, if they are not in memory."""
        if isinstance(self.images, LazyImages):
            self.images.read_ahead(rows)


def load_split(config: DataConfig, seed: int, split: Split, progress: ShowProgress = SILENT.progress) -> ImageSet:
    """One split of a recipe's data set: a function of the data, the seed and the keys of [data] that cut it.

    data.split_seed, if it is set, takes the place of the seed.
    Splits of the data set stay as they are. Validation, and test if the data set has none, are held out of its training
    images, class by class. With data.validation = 0, none are, and all train. data.train_images takes some of those
    that train, and leaves the other splits as they are. The data set's own test files are opened only for "test". A
    test split whose files are not sorted by class (CIFAR) keeps their order; in other splits the classes alternate.
    progress: shown while images or frames of recordings are decoded into data.cache. Later calls find them there.
    Raises UserError if the data set is missing, damaged or too small to split, or has no such split.
    """
    source, chosen = _chosen(config, seed, split)
    memory = config.memory * BYTES_A_MEGABYTE
    reader = source.reader(len(chosen), memory, progress)
    held = _held(LazyImages(reader, chosen, memory), split, progress)
    images = _image_set(held, source.labels[chosen], chosen, split, progress)
    marked = reader.num_marked(chosen)
    notes = (*source.remarks, *([source.remark_on_marked(marked, len(chosen))] if marked else ()))
    files = tuple(source.files[index] for index in chosen) if source.files else ()
    return replace(images, notes=notes, classes=tuple(source.classes), files=files)


@dataclass(frozen=True)
class SplitPlan:
    """A split before it is read.

    num_bytes: of the images in memory; frames of events may take twice as many. cache: what it is read from; None if
    it is read directly.
    """

    num_images: int
    num_bytes: int
    cache: CachedPart | None


def plan_split(config: DataConfig, seed: int, split: Split, say: Say = SILENT) -> SplitPlan:
    """What `load_split` reads, from names and labels, without pixels. Remarks on what is left out.

    Raises the same errors, for files that it looks at.
    """
    source, chosen = _chosen(config, seed, split)
    for remark in source.remarks:
        say.remark(remark)
    cache = source.cache_to_read(len(chosen), config.memory * BYTES_A_MEGABYTE)
    return SplitPlan(len(chosen), len(chosen) * source.image_bytes, cache)


def num_images(config: DataConfig, seed: int, split: Split) -> int:
    """Number of images of `load_split`, without reading pixels. Raises the same errors, for files that it looks at."""
    return len(_chosen(config, seed, split)[1])


def cut(
    config: DataConfig, seed: int, split: str, labels: Indices, classes: Sequence[str], *, may_lack: bool = False
) -> Indices:
    """The images of a split that is cut out of the training files. labels: (N,), those of all these files' images.

    Raises UserError if there are too few images to split, or if data.train_images cannot be taken of "train".
    """
    own = splits_with_files(config)
    given = {name: float(getattr(config, name)) for name in ("test", "validation") if name not in own}
    shares = {name: share for name, share in given.items() if share}
    seed = seed if config.split_seed is None else config.split_seed
    chosen = hold_out(labels, classes, shares, seed, may_lack=may_lack)[split]
    if split == "train" and config.train_images is not None:
        return class_balanced(chosen, labels, config.train_images)
    return chosen


def _chosen(config: DataConfig, seed: int, split: Split) -> tuple[Source, Indices]:
    own = splits_with_files(config)
    seed = seed if config.split_seed is None else config.split_seed
    if split == "validation" and not has_validation(config):
        raise UserError(
            "there are no validation images: data.validation = 0 leaves all images to the training",
            "data.validation",
            "take test or training images, or train another run that holds some out: --set data.validation=0.1",
        )
    part = split if split in own else "train"
    source = open_source(config, part)
    if part == "train":
        return source, cut(config, seed, split, source.labels, source.classes, may_lack=source.may_lack)
    if source.sorted_by_class:
        return source, hold_out(source.labels, source.classes, {}, seed, may_lack=source.may_lack)["train"]
    return source, np.arange(len(source.labels), dtype=np.int64)


def _held(images: LazyImages, split: str, progress: ShowProgress) -> torch.Tensor | LazyImages:
    """Images in memory if they fit. progress: shown while image files are decoded."""
    import torch

    if not (images.fit and isinstance(images.reader, FileReader)):
        return images.first(len(images))
    pixels = torch.empty(images.shape, dtype=torch.uint8)
    with progress(f"decoding the {split} split", len(images), unit="images") as shown:
        for batch, place in zip(images.split(DECODED_IMAGES), pixels.split(DECODED_IMAGES), strict=True):
            place.copy_(batch)
            shown.advance(len(batch))
    return pixels


def _image_set(
    images: torch.Tensor | LazyImages, labels: Indices, index: Indices, split: str, progress: ShowProgress
) -> ImageSet:
    import torch

    digest = hashlib.sha256(split.encode())
    for array in (index.astype("<i8"), labels.astype("<i8")):
        digest.update(np.ascontiguousarray(array).data)
    if isinstance(images, LazyImages):
        hashed = _hash_of_lazy(images, digest, split, progress)
    else:
        digest.update(np.ascontiguousarray(images.numpy()).data)
        hashed = digest.hexdigest()
    numbers, places = (torch.from_numpy(np.ascontiguousarray(array)) for array in (labels, index))
    return ImageSet(images=images, labels=numbers, index=places, split=split, hash=hashed)


def _hash_of_lazy(images: LazyImages, begun: hashlib._Hash, split: str, progress: ShowProgress) -> str:
    """The hash of images that do not fit into memory. It is remembered next to those in the cache.

    begun: of all that comes before the images.
    """
    known = None
    if isinstance(images.reader, CachedRows):
        key = hashlib.sha256(f"{begun.hexdigest()} {images.reader.identity}".encode()).hexdigest()[:24]
        known = images.reader.folder / f"{split}-{key}.sha256"
        with suppress(OSError, UnicodeDecodeError):
            text = known.read_text()
            if re.fullmatch("[0-9a-f]{64}", text):
                return text
    with progress(f"checking the {split} split", len(images), unit="images") as shown:
        for batch in images.split(HASHED_IMAGES):
            begun.update(batch.numpy().data)
            shown.advance(len(batch))
    if known is not None:
        with suppress(OSError):  # it is computed anew next time
            write_whole(known, begun.hexdigest().encode())
    return begun.hexdigest()
