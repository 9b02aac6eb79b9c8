"""checkpoints/epoch-0012.h5 of a run: a training after one of its epochs, in a file like supernet.h5.

A file is written before the supernet.h5 that counts its epoch, and removed after the one that needs it no more. So a
process that is killed in between leaves a file too many, and never one too few. The next save removes it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from autospikformer_cli.atomic_files import explaining_refusal
from autospikformer_cli.errors import UserError
from autospikformer_cli.store.supernet import Checkpoint, EpochRecord, read_checkpoint, write_checkpoint

KEPT_FOLDER = "checkpoints"
_NAME = re.compile(r"epoch-(\d{4,})\.h5")


def kept_path(run: Path, epoch: int) -> Path:
    """The file of an epoch, from 1."""
    return run / KEPT_FOLDER / f"epoch-{epoch:04}.h5"


def kept_epochs(run: Path) -> list[int]:
    """The epochs that have a file, ascending."""
    names = (_NAME.fullmatch(path.name) for path in (run / KEPT_FOLDER).glob("epoch-*.h5"))
    return sorted(int(name[1]) for name in names if name is not None)


def keep(run: Path, checkpoint: Checkpoint) -> None:
    """Write the file of a checkpoint's epoch. Raises UserError if it cannot be written."""
    path = kept_path(run, checkpoint.state.epoch)
    with explaining_refusal(path, "make room or allow writing there, then run the same command again"):
        path.parent.mkdir(exist_ok=True)
    write_checkpoint(path, checkpoint)


def load_kept(run: Path, history: tuple[EpochRecord, ...], epoch: int) -> Checkpoint:
    """Read the file of an epoch of a training. Raises UserError if it is absent, damaged or another training's."""
    path = kept_path(run, epoch)
    fix = "bring the file back, or train a new run: --run NAME, or --fresh next to it"
    if not path.is_file():
        raise UserError("it is missing, and has the best weights so far", str(path), fix)
    found = read_checkpoint(path)
    if (found.state.epoch, found.state.step) != (epoch, 0) or found.state.history != history[:epoch]:
        raise UserError("it is of another epoch or another training", str(path), fix)
    return found


def remove_others(run: Path, wanted: Collection[int]) -> None:
    """Remove the files of all epochs but these, and the folder if it is empty then."""
    for epoch in set(kept_epochs(run)) - set(wanted):
        kept_path(run, epoch).unlink(missing_ok=True)
    folder = run / KEPT_FOLDER
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
