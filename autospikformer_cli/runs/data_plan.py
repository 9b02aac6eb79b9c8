"""What a recipe's data set holds, for --dry-run: classes and sizes of splits, from names and labels, without pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autospikformer_cli.data.caching import CachedPart, require_disk_room
from autospikformer_cli.data.description import describe
from autospikformer_cli.data.events.layouts import LAYOUTS_BY_DATASET as EVENT_FILES
from autospikformer_cli.data.folders import absolute
from autospikformer_cli.data.images import Split, cut, plan_split
from autospikformer_cli.data.sources import has_validation, splits_with_files
from autospikformer_cli.measurement import SPLITS
from autospikformer_cli.say import SILENT, Say
from autospikformer_cli.units import BYTES_A_MEGABYTE

if TYPE_CHECKING:
    from autospikformer_cli.recipe import DataConfig

READ_IN_TRAINING: tuple[Split, ...] = ("train", "validation")
CIFAR_FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
CIFAR_SIZES = {"train": 50_000, "test": 10_000}
"""All classes have the same number of images."""


@dataclass(frozen=True)
class DataPlan:
    """A data set before it is read.

    missing: the folder that it should be in, if it is not there. sizes: images of each split; a split that there is not
    is left out. They are those of the whole published data set if it is missing, and always for CIFAR.
    memory_bytes: of training and validation images that are held in memory. caches: what the others are read from.
    """

    dataset: str
    missing: Path | None
    classes: int
    sizes: dict[str, int]
    memory_bytes: int
    caches: Sequence[CachedPart] = ()

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        sizes = {f"{split}_images": self.sizes.get(split) for split in reversed(SPLITS)}
        missing = None if self.missing is None else str(self.missing)
        return {
            "dataset": self.dataset,
            "dataset_missing_at": missing,
            "classes": self.classes,
            **sizes,
            "images_in_memory_bytes": self.memory_bytes,
            "cache_bytes": sum(part.num_bytes for part in self.caches),
            "cache_missing_bytes": sum(part.missing_bytes for part in self.caches),
            "cache_folder": str(self.caches[0].folder) if self.caches else None,
        }


def data_plan(config: DataConfig, seed: int, say: Say = SILENT) -> DataPlan:
    """What a recipe's data set holds. Remarks on files that are left out.

    Raises UserError if only its files tell that, and they are missing or damaged; if it has no data.train_images; and
    if the disk has no room for images that do not fit into data.memory.
    """
    described, missing = describe(config), _missing(config)
    classes, caches = described.num_classes, {}
    if config.dataset in CIFAR_FOLDERS:
        sizes = _published_sizes(config, seed, CIFAR_SIZES, classes)
    elif missing is not None:
        sizes = _published_sizes(config, seed, _recordings(config.dataset), classes)
    else:
        own = splits_with_files(config)
        there = {"train": True, "validation": has_validation(config), "test": config.test > 0 or "test" in own}
        plans = {split: plan_split(config, seed, split, say) for split in SPLITS if there[split]}
        sizes = {split: plan.num_images for split, plan in plans.items()}
        parts = [plans[split].cache for split in READ_IN_TRAINING if split in plans]
        caches = {part.name: part for part in parts if part is not None}
        require_disk_room(list(caches.values()))
    image_bytes = described.image_size**2 * described.in_channels * (described.num_frames or 1)
    read = [image_bytes * sizes[split] for split in READ_IN_TRAINING if split in sizes]
    held = sum(each for each in read if each <= config.memory * BYTES_A_MEGABYTE)
    return DataPlan(config.dataset, missing, classes, sizes, held, list(caches.values()))


def _missing(config: DataConfig) -> Path | None:
    """The root of a published data set, if no folder there can be its. A folder of one's own images is never missing
    here: its classes were counted.
    """
    root = absolute(config.root)
    if config.dataset in CIFAR_FOLDERS:
        return None if (root / CIFAR_FOLDERS[config.dataset]).is_dir() else root
    kind = EVENT_FILES.get(config.dataset)
    if kind is None or kind.classes is None:
        return None
    train = kind.part_folders["train"]
    return None if (root / kind.tonic_folder / train).is_dir() or (root / train).is_dir() else root


def _recordings(dataset: str) -> dict[str, int]:
    """Recordings of a published data set's parts. CIFAR10-DVS has no parts: 9 of 10 are for training."""
    counts = EVENT_FILES[dataset].num_recordings
    if "train" in counts:
        return dict(counts)
    return {"train": counts[""] * 9 // 10, "test": counts[""] - counts[""] * 9 // 10}


def _published_sizes(config: DataConfig, seed: int, whole: dict[str, int], classes: int) -> dict[str, int]:
    """Sizes of splits, cut as the images themselves are, as if all classes had the same number of them."""
    labels = np.arange(whole["train"], dtype=np.int64) % classes
    names = [str(label) for label in range(classes)]
    splits = ("train", "validation") if config.validation else ("train",)
    return {split: len(cut(config, seed, split, labels, names)) for split in splits} | {"test": whole["test"]}
