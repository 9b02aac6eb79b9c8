"""Folders of event data sets, in tonic's layout. Reads names, not recordings.

tonic's data set classes need all files, or their archives. For all but N-MNIST they list files in the order of the file
system. So this module lists the folders itself, sorted, and takes the files that exist. Only reading a file uses tonic.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from autospikformer_cli.data.folders import WHERE, absolute
from autospikformer_cli.errors import UserError

SPLIT_NAMES = {"train": "training", "test": "test"}


class Recording(NamedTuple):
    """A file of events and its class. size and mtime_ns show whether another file has replaced it."""

    path: str
    label: int
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class EventDataset:
    """A published data set of an event camera.

    tonic_folder: the folder that tonic makes for it in data.root; data.root itself may hold the data set, too.
    part_folders: part -> its folder in there. classes: class names in the order of their numbers, which are also folder
    names; None: the folders found. sensor: width and height in pixels. image_size: side of the frames if the recipe
    gives none. num_recordings: of each part, or of all parts under "". layout: the folders, as messages show them.
    source: where its files can be had.
    """

    title: str
    tonic_folder: str
    part_folders: Mapping[str, str]
    classes: tuple[str, ...] | None
    suffix: str
    sensor: tuple[int, int]
    image_size: int | None
    num_recordings: Mapping[str, int]
    layout: str
    source: str


LAYOUTS_BY_DATASET = {
    "nmnist": EventDataset(
        "N-MNIST",
        "NMNIST",
        {"train": "Train", "test": "Test"},
        tuple("0123456789"),
        ".bin",
        (34, 34),
        34,
        {"train": 60_000, "test": 10_000},
        "data.root/Train/<digit>/*.bin and data.root/Test/<digit>/*.bin",
        "https://www.garrickorchard.com/datasets/n-mnist",
    ),
    "ncaltech101": EventDataset(
        "N-Caltech101",
        "NCALTECH101",
        {"train": "Caltech101"},
        None,
        ".bin",
        (240, 180),
        None,
        {"": 8_709},
        "data.root/Caltech101/<class>/*.bin",
        "https://www.garrickorchard.com/datasets/n-caltech101",
    ),
    "cifar10dvs": EventDataset(
        "CIFAR10-DVS",
        "CIFAR10DVS",
        {"train": "", "test": ""},
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        ".aedat4",
        (128, 128),
        128,
        {"": 10_000},
        "data.root/<class>/*.aedat4, or data.root/CIFAR10DVS/<class>/*.aedat4",
        "https://figshare.com/ndownloader/files/38023437",
    ),
    "dvs128-gesture": EventDataset(
        "DVS128 Gesture",
        "DVSGesture",
        {"train": "ibmGestureTrain", "test": "ibmGestureTest"},
        tuple(map(str, range(11))),
        ".npy",
        (128, 128),
        128,
        {"train": 1_077, "test": 264},
        "data.root/ibmGestureTrain/userNN_light/<class>.npy and data.root/ibmGestureTest/userNN_light/<class>.npy",
        "https://figshare.com/ndownloader/files/38022171 (training) and 38020584 (test)",
    ),
}
"""Data sets in files, by the recipe's name. Sizes, sensors, counts and sources are those of tonic's copies."""

TRAINING_SHARE = 9, 10
"""CIFAR10-DVS has no splits. As for published networks, the first 9 of 10 recordings of each class are for training."""


@dataclass(frozen=True)
class Listing:
    """The recordings of one part. They are numbered by class folder, then by file name, both sorted as text.

    folder: the part's folder; the cache hashes paths relative to it. note: a remark for the user, or "".
    """

    folder: Path
    recordings: Sequence[Recording]
    classes: Sequence[str]
    note: str


def list_recordings(dataset: str, root: str, part: str) -> Listing:
    """The recordings of one part ("train", "test") of a data set.

    File names sort as text: cifar10_cat_10 comes before cifar10_cat_2. DVS128 Gesture has a folder for each user and
    light; files sort inside it. Names that start with a dot are ignored. In CIFAR10-DVS, "train" is the first 90 %
    (rounded up) of each class's files, "test" the rest. With 2 or more files, both parts have one.
    Raises UserError if there is no recording, or one of an unknown class.
    """
    kind = LAYOUTS_BY_DATASET[dataset]
    folder = _part_folder(kind, root, part)
    classes = class_folders(dataset, root) if kind.classes is None else kind.classes
    is_gesture = dataset == "dvs128-gesture"
    by_class: dict[int, list[Recording]] = defaultdict(list)
    found: list[Recording] = []
    for place in _folders(folder):
        for entry in _files(place, kind.suffix):
            name = entry.name.removesuffix(kind.suffix) if is_gesture else place.name
            if name not in classes:
                raise _unknown_class(kind, Path(entry.path) if is_gesture else place, classes)
            about = entry.stat()
            recording = Recording(entry.path, classes.index(name), about.st_size, about.st_mtime_ns)
            found.append(recording)
            by_class[recording.label].append(recording)
    counted, chosen = len(found), found
    if dataset == "cifar10dvs":
        chosen = [recording for label in sorted(by_class) for recording in _published_part(by_class[label], part)]
    if not chosen:
        raise _nothing(kind, folder)
    absent = [name for label, name in enumerate(classes) if label not in by_class]
    return Listing(folder, chosen, classes, _incomplete(kind, root, part, counted, absent))


def class_folders(dataset: str, root: str) -> tuple[str, ...]:
    """Names of the class folders that have recordings, sorted as text. A class's number is its position here.

    Raises UserError if there are fewer than two.
    """
    kind = LAYOUTS_BY_DATASET[dataset]
    folder = _part_folder(kind, root, "train")
    names = tuple(place.name for place in _folders(folder) if next(iter(_files(place, kind.suffix)), None))
    if not names:
        raise _nothing(kind, folder)
    if len(names) == 1:
        raise UserError(
            f"{folder} has recordings of one class only, {names[0]}", WHERE, "add the folders of other classes"
        )
    return names


def _part_folder(kind: EventDataset, root: str, part: str) -> Path:
    top = absolute(root)
    if not top.is_dir():
        raise UserError(f"no folder {top}", WHERE, f"set data.root to the folder of {kind.title}: {kind.layout}")
    candidates = [top / kind.tonic_folder / kind.part_folders[part], top / kind.part_folders[part]]
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise _nothing(kind, top)


def _folders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _files(folder: Path, suffix: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        files = [entry for entry in entries if entry.name.endswith(suffix) and not entry.name.startswith(".")]
    return sorted((entry for entry in files if entry.is_file()), key=lambda entry: entry.name)


def _published_part(recordings: list[Recording], part: str) -> list[Recording]:
    share, of = TRAINING_SHARE
    num_train = -(-len(recordings) * share // of)
    if num_train == len(recordings) > 1:
        num_train -= 1
    return recordings[:num_train] if part == "train" else recordings[num_train:]


def _incomplete(kind: EventDataset, root: str, part: str, counted: int, absent: Sequence[str]) -> str:
    whole = kind.num_recordings.get(part) or kind.num_recordings[""]
    if counted >= whole:
        return ""
    name = f"{SPLIT_NAMES[part]} recordings" if part in kind.num_recordings else "recordings"
    lacks = f", none of {', '.join(absent)}" if absent else ""
    return f"{kind.title} in {root} is incomplete: {counted:,} of {whole:,} {name}{lacks}"


def _nothing(kind: EventDataset, folder: Path) -> UserError:
    return UserError(
        f"{folder} has no recordings of {kind.title}",
        WHERE,
        f"set data.root to the folder that holds them: {kind.layout}",
    )


def _unknown_class(kind: EventDataset, place: Path, classes: Sequence[str]) -> UserError:
    return UserError(
        f"is of no class of {kind.title}, but has recordings" if place.is_dir() else f"is of no class of {kind.title}",
        str(place),
        f"remove it, or name it by its class: {', '.join(classes)}",
    )
