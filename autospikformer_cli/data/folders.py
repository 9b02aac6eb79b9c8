"""Folders of a user's own images: class folders, with or without folders for splits. Reads names, not images."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from autospikformer_cli.errors import UserError
from autospikformer_cli.wording import counted, shortened

WHERE = "data.root"
LAYOUT = "put the images at data.root/<class>/, or at data.root/train/<class>/ and data.root/test/<class>/"
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Of image files, in upper or lower case. They are torchvision's."""
SPLIT_OF_FOLDER = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Names of the folders of splits, in any case."""
CACHE_FOLDERS: Mapping[Literal["frames", "images"], str] = {"frames": "aspk-frames", "images": "aspk-images"}
"""Folders in data.root that hold our caches."""
SYSTEM_FOLDERS = frozenset(
    {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", CACHE_FOLDERS["images"]}
)
"""Folders that systems, archives and we leave next to a user's. Like hidden ones, they are no classes."""


@dataclass(frozen=True)
class FolderListing:
    """The images of one split.

    paths: of the image files, by class, then by folder, then by name, all sorted as text. labels: numbers into classes.
    remarks: what was left out, for the user.
    """

    paths: Sequence[str]
    labels: Sequence[int]
    classes: Sequence[str]
    remarks: Sequence[str]


def absolute(root: str | Path) -> Path:
    """The absolute path of data.root. A relative one is relative to the working directory."""
    return Path(root).expanduser().absolute()


def below_root(root: str | Path, paths: Sequence[str]) -> list[str]:
    """Paths of files relative to data.root, with / between folders. What is no UTF-8 is written as its code."""
    relative = (Path(os.path.relpath(path, absolute(root))).as_posix() for path in paths)
    return [name.encode("utf-8", "backslashreplace").decode() for name in relative]


def split_folders(root: str | Path) -> dict[str, Path]:
    """The folder of each split that has its own. A flat folder of classes is all "train".

    Layouts: root/train/<class>, with or without root/validation/<class> and root/test/<class>; or root/<class>. A
    folder may have any name in `SPLIT_OF_FOLDER`. If images lie in it, and no folders, it is a class.
    Raises UserError if the root is missing, or if its folders fit no layout.
    """
    folder = absolute(root)
    if not folder.is_dir():
        raise UserError(f"no folder {folder}", WHERE, f"set data.root to the folder of your images; {LAYOUT}")
    named = defaultdict(list)
    for entry in _folders(folder):
        split = SPLIT_OF_FOLDER.get(entry.name.lower())
        if split and not _is_class(entry):
            named[split].append(entry)
    for split, same in named.items():
        if len(same) > 1:
            names = " and ".join(f"{entry.name}/" for entry in same)
            raise UserError(f"{folder} has {names}, all for {split}", WHERE, "put their images into one of them")
    if named and "train" not in named:
        names = " and ".join(f"{same[0].name}/" for same in named.values())
        raise UserError(f"{folder} has {names}, but no train/", WHERE, LAYOUT)
    return {split: same[0] for split, same in sorted(named.items())} or {"train": folder}


def class_names(root: str | Path) -> list[str]:
    """Names of the class folders, sorted as text. A class's number is its position here.

    Raises UserError if there are fewer than two, or if the splits have different classes.
    """
    folders = split_folders(root)
    names = {part: [entry.name for entry in _folders(folder)] for part, folder in folders.items()}
    expected = names["train"]
    if not expected:
        raise UserError(f"{folders['train']} has no class folders", WHERE, LAYOUT)
    for part, found in names.items():
        for name in sorted(set(found) ^ set(expected)):
            has, lacks = (part, "train") if name in found else ("train", part)
            raise UserError(
                f"class {name!r} is in {folders[has]}, not in {folders[lacks]}",
                WHERE,
                "give every split the same class folders",
            )
    if len(expected) == 1:
        raise _one_class(folders["train"] / expected[0])
    for name in expected:
        if not name.isprintable():  # of bytes that are no UTF-8, too
            raise UserError(f"the class folder {name!r} has a name that cannot be shown", WHERE, "rename it")
    return expected


def list_images(root: str | Path, part: str) -> FolderListing:
    """The images of one of `split_folders`. Hidden names, and names of `SYSTEM_FOLDERS`, are no part of a data set.

    Folders inside class folders belong to the class. Links to folders are followed, but each real folder is read once:
    a link to another class, or to a folder that has class folders in it, is left out.
    Raises UserError if a class has no images, or if a folder would be in two classes or splits.
    """
    folders, classes = split_folders(root), class_names(root)
    search = _Search(_real_class_folders(folders, classes))
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        before = search.other_suffixes.total()
        found = search.images(folders[part] / name)
        if not found:
            raise _no_images(folders[part] / name, search.other_suffixes.total() - before)
        paths += found
        labels += [label] * len(found)
    return FolderListing(paths, labels, classes, (*_about_root(root, folders, classes), *search.remarks(folders[part])))


@dataclass
class _Search:
    """A search for image files through the folders of one split.

    owners: real path -> class folder, of all splits. readers: real path of a folder outside of these -> the class
    folder that reads it, by a link. links: those left out. other_suffixes: how many files have them.
    """

    owners: Mapping[Path, Path]
    readers: dict[Path, Path] = field(default_factory=dict)
    links: list[Path] = field(default_factory=list)
    other_suffixes: Counter[str] = field(default_factory=Counter)

    def images(self, class_folder: Path) -> list[str]:
        """Paths of the images in a class folder and in the folders inside it."""
        found: list[tuple[str, list[str]]] = []
        waiting = [class_folder]
        while waiting:
            folder = waiting.pop()
            entries = _entries(folder)
            waiting += [Path(each.path) for each in entries if each.is_dir() and self._may_enter(each, class_folder)]
            # A link to nothing is taken for an image. Reading it then says what is wrong with it.
            names = [each.name for each in entries if each.is_file() or (each.is_symlink() and not each.is_dir())]
            found.append((str(folder), [name for name in names if _is_image(name)]))
            self.other_suffixes.update(Path(name).suffix.lower() for name in names if not _is_image(name))
        return [f"{folder}{os.sep}{name}" for folder, names in sorted(found) for name in names]

    def _may_enter(self, entry: os.DirEntry[str], class_folder: Path) -> bool:
        if not entry.is_symlink():
            return True
        link = Path(entry.path)
        real = Path(os.path.realpath(link))
        if any(real.is_relative_to(owned) or owned.is_relative_to(real) for owned in self.owners):
            self.links.append(link)
            return False
        for known, reader in self.readers.items():
            if not (real.is_relative_to(known) or known.is_relative_to(real)):
                continue
            if reader != class_folder:
                raise UserError(
                    f"{link} leads to {real}, whose images are in class folder {reader}, too",
                    WHERE,
                    "remove one of the links: an image has one class",
                )
            self.links.append(link)
            return False
        self.readers[real] = class_folder
        return True

    def remarks(self, folder: Path) -> Iterator[str]:
        """What was left out in the folder of a split."""
        if self.other_suffixes:
            kinds = [
                f"{number:,} {suffix or 'without a suffix'}" for suffix, number in self.other_suffixes.most_common()
            ]
            yield f"{folder}: files of other kinds than images are left out: {shortened(kinds)}"
        if self.links:
            links = shortened([str(link.relative_to(folder)) for link in self.links])
            yield f"{folder}: links to folders that are read elsewhere are left out: {links}"


def _about_root(root: str | Path, folders: Mapping[str, Path], classes: Sequence[str]) -> Iterator[str]:
    """What was left out next to the folders of splits and classes, and how numbers as names are sorted."""
    top = absolute(root)
    if folders["train"] == top:
        for name in (name for name in classes if name.lower() in SPLIT_OF_FOLDER):
            yield f"{top}: {name}/ is a class, as images lie in it and no class folders"
    else:
        others = [f"{entry.name}/" for entry in _folders(top) if entry not in folders.values()]
        splits = [f"{entry.name}/" for entry in folders.values()]
        if others:
            yield f"{top}: the splits are {', '.join(splits)}; left out: {shortened(others)}"
    for folder in dict.fromkeys((top, *folders.values())):
        loose = sum(entry.is_file() and _is_image(entry.name) for entry in _entries(folder))
        if loose:
            yield f"{folder}: {counted(loose, 'image')} {'lies' if loose == 1 else 'lie'} in no class folder, left out"
    if all(name.isdecimal() for name in classes) and sorted(classes, key=int) != list(classes):
        position = next(i for i, name in enumerate(sorted(classes, key=int)) if name != classes[i])
        yield f"class folders sort as text, not as numbers: class {position} is {classes[position]!r}"


def _real_class_folders(folders: Mapping[str, Path], classes: Sequence[str]) -> dict[Path, Path]:
    """Real path -> class folder. Raises UserError if one is, or lies in, another: images would be in both."""
    owners: dict[Path, Path] = {}
    for folder in folders.values():
        for name in classes:
            real = Path(os.path.realpath(folder / name))
            if real in owners:
                raise _same(owners[real], folder / name)
            owners[real] = folder / name
    for real, class_folder in owners.items():
        for above in real.parents:
            if above in owners:
                raise _same(owners[above], class_folder)
    return owners


def _folders(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(folder) if entry.is_dir()]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What a user sees in a folder, sorted by name. Raises UserError if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            seen = [each for each in entries if not each.name.startswith(".") and each.name not in SYSTEM_FOLDERS]
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror}", WHERE, "let your user read it") from error
    return sorted(seen, key=lambda entry: entry.name)


def _is_class(folder: Path) -> bool:
    entries = _entries(folder)
    return not any(entry.is_dir() for entry in entries) and any(_is_image(entry.name) for entry in entries)


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES)


def _no_images(folder: Path, num_others: int) -> UserError:
    others = f", but {counted(num_others, 'file')} of another kind" if num_others else ""
    return UserError(
        f"class folder {folder} has no images{others}",
        WHERE,
        f"put images into it ({', '.join(IMAGE_SUFFIXES)}), or remove it",
    )


def _one_class(folder: Path) -> UserError:
    inside = [f"{entry.name}/" for entry in _folders(folder)]
    remedy = f"set data.root to {folder} if its folders are the classes or splits: {shortened(inside)}"
    return UserError(
        f"{folder.parent} has one class folder only, {folder.name}/", WHERE, remedy if len(inside) > 1 else LAYOUT
    )


def _same(first: Path, second: Path) -> UserError:
    return UserError(
        f"{second} is the folder {first}, or lies in it, by a link: its images would be in both",
        WHERE,
        "remove the link: an image has one class, and is in one split",
    )
