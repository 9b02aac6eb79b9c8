"""Folders of a user's own images: class folders, with or without folders for splits. Reads names, not images."""

from __future__ import annotations

from pathlib import Path

from autospikformer_cli.errors import UserError

WHERE = "data.root"
LAYOUT = "put the images at data.root/<class>/, or at data.root/train/<class>/ and data.root/test/<class>/"


def absolute(root: str | Path) -> Path:
    """The absolute path of data.root. A relative one is relative to the working directory."""
    return Path(root).expanduser().absolute()


def split_folders(root: str | Path) -> dict[str, Path]:
    """The folder of each split that has its own. A flat folder of classes is all "train".

    Layouts: root/train/<class>, with or without root/validation/<class> and root/test/<class>; or root/<class>.
    Raises UserError if the root is missing or is not a folder.
    """
    folder = absolute(root)
    if not folder.is_dir():
        raise UserError(f"no folder {folder}", WHERE, f"set data.root to the folder of your images; {LAYOUT}")
    if not (folder / "train").is_dir():
        return {"train": folder}
    return {part: folder / part for part in ("train", "validation", "test") if (folder / part).is_dir()}


def class_names(root: str | Path) -> list[str]:
    """Names of the class folders, sorted. A class's number is its position here.

    Raises UserError if there are none, or if the splits have different classes.
    """
    folders = split_folders(root)
    names = {
        part: sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) for part, folder in folders.items()
    }
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
    return expected
