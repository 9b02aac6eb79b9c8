"""divergence.json, in the folder of a training whose loss is not finite: the same training would end so again."""

from __future__ import annotations

import json
from pathlib import Path

from autospikformer_cli.atomic_files import explaining_refusal, require_regular, write_whole
from autospikformer_cli.errors import UserError

DIVERGENCE_FILE = "divergence.json"


def write_divergence(folder: Path, why: str) -> None:
    """Keep why a training ended, in a sentence. Raises UserError if it cannot be written."""
    path = folder / DIVERGENCE_FILE
    with explaining_refusal(path, "make room or allow writing there, then run the same command again"):
        write_whole(path, json.dumps({"why": why, "folder": folder.name}, indent=2).encode() + b"\n")


def read_divergence(folder: Path) -> str | None:
    """Why the training in a folder ended; None if it did not end so.

    Raises UserError if the file is damaged, or a copy from the folder of another training. Older files name no folder.
    """
    path = folder / DIVERGENCE_FILE
    if not path.exists():
        return None
    try:
        require_regular(path, "delete it: the training is then done again")
        found = json.loads(path.read_text(encoding="utf-8"))
        why, of = found["why"], found.get("folder", folder.name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError("it cannot be read", str(path), "delete it: the training is then done again") from error
    if of != folder.name:
        raise UserError(f"it is of another training, {of}", str(path), "delete it: the training is then done again")
    return str(why)
