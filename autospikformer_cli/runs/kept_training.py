"""The folder of a subnet that is trained alone: is what it holds the training that its name stands for?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autospikformer_cli.errors import UserError
from autospikformer_cli.store.supernet import Training


@contextmanager
def trained_anew_without(folder: Path) -> Iterator[None]:
    """Names the remedy for a folder that cannot be used: a command that trains a subnet alone then does it again."""
    try:
        yield
    except UserError as error:
        fix = f"remove the folder {folder} and run the same command again: it is then trained anew"
        raise UserError(error.what, error.where or str(folder), fix) from error


def require_own_training(folder: Path, begun: Training, *, alone: bool) -> None:
    """Raises UserError if a folder holds the training of another one, as a copy does. alone: of a subnet alone."""
    if begun.folder and not alone:
        raise UserError(f"it holds a subnet that was trained alone, {begun.folder}", str(folder), "choose another run")
    if begun.folder not in ("", folder.name):
        raise UserError(f"it holds another training, that of {begun.folder}", str(folder))
