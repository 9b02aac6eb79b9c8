"""Files that a user names for a result: what may be written there, asked before anything is computed."""

from __future__ import annotations

from pathlib import Path

from autospikformer_cli.atomic_files import explaining_refusal, try_writing
from autospikformer_cli.errors import UserError
from autospikformer_cli.store.files import SEARCHES_FOLDER
from autospikformer_cli.store.finished import FINISHED_FOLDER
from autospikformer_cli.store.supernet import SUPERNET_FILE
from autospikformer_cli.wording import quoted

_HDF5 = b"\x89HDF\r\n\x1a\n"


def require_target(path: Path) -> None:
    """Raises UserError if no file can be written to `path`, or if it would replace a store."""
    if path.is_dir():
        raise UserError("this is a folder", str(path), "name a file in it")
    require_parent(path, str(path))
    if _is_store(path):
        raise UserError("this file holds results of a run", str(path), "name another file")
    with explaining_refusal(path, "choose another file, in a folder that may be written"):
        try_writing(path)


def require_parent(path: Path, where: str) -> None:
    """Raises UserError, located at `where`, if the folder of a file is absent."""
    if not path.parent.is_dir():
        fix = f"make it first: mkdir -p {quoted(path.parent)}"
        raise UserError(f"there is no folder {path.parent}", where, fix)


def _is_store(path: Path) -> bool:
    """Whether a file is HDF5, or one of those next to the searches of a run, or of its finished tables."""
    if not path.is_file():
        return False
    folder = path.resolve().parent
    if folder.name == SEARCHES_FOLDER or (folder.name == FINISHED_FOLDER and (folder.parent / SUPERNET_FILE).is_file()):
        return True
    try:
        with path.open("rb") as stream:
            return stream.read(len(_HDF5)) == _HDF5
    except OSError:  # one that may not be read; writing will say what is wrong
        return False
