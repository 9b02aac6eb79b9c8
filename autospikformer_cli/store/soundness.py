"""Whether a store's file has all that its kind has: from its structure alone, or from every array.

The structure is cheap: no array is read. It shows a file that is cut short, and a group or a column that is
missing. An array that is no longer what was written shows when it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py

from autospikformer_cli.store import training_log
from autospikformer_cli.store.files import get, get_group, get_texts, open_h5, require_members
from autospikformer_cli.store.measurements import COUNTS
from autospikformer_cli.store.supernet import REQUIRED_COLUMNS

PLACE = ("candidate", "layer", "step")
MEASURED_COLUMNS = {
    "candidates": ("subnet", *COUNTS),
    "layers": (*PLACE, "input_sum", "input_nonzeros", "input_size", "macs"),
    "spikes": (*PLACE, "spikes", "neurons"),
}
LATER = {
    "synapses": (*PLACE, "events", "passes"),
    "answers": ("num_bytes", "bits"),
    "hypervolume": ("share", "measure"),
}
"""Groups that older files lack, and what they have."""

MEMBERS = {
    "supernet": ("recipe_name", "state", "splits", "environment", "weights_names", "optimizer_names"),
    "population": ("recipe_name", "provenance", "state", "has_baseline"),
    "evaluations": ("recipe_name",),
    "similarity": ("matrix", "subnet", "split", "engine", "images", "epochs"),
}
"""Kind of file -> what every file of it has besides its recipe and the tables of `measurements`."""

COLUMNS_OF_KIND = {
    "population": ("id", "generation"),
    "evaluations": ("split", "date", "recipe", "provenance", "finetuned"),
}
"""Kind of file -> the columns of its candidates besides those of `measurements`."""


def require_sound(path: Path, kind: str, *, whole: bool = False) -> None:
    """Raises UserError if a file is damaged, as far as its structure shows. whole: read and check every array, too."""
    with open_h5(path, kind) as file:
        require_members(file, ("recipe", *MEMBERS[kind]))
        if kind == "supernet":
            require_members(get_group(file, "history"), REQUIRED_COLUMNS)
            if training_log.GROUP in file:  # older files lack it
                require_members(get_group(file, training_log.GROUP), training_log.LOG_COLUMNS)
            for group in ("weights", "optimizer"):
                require_members(get_group(file, group), get_texts(file, f"{group}_names"))
        for measured in _measured_groups(file, kind):
            require_members(measured, ("layer_names", *MEASURED_COLUMNS))
            require_members(get_group(measured, "candidates"), COLUMNS_OF_KIND[kind])
            for group, columns in (MEASURED_COLUMNS | LATER).items():
                if group in measured:
                    require_members(get_group(measured, group), columns)
        if whole:
            for name in _datasets(file):
                get(file, name)


def _measured_groups(file: h5py.File, kind: str) -> Iterator[h5py.Group]:
    """The groups that have the tables of `measurements`."""
    if kind in ("population", "evaluations"):
        yield file
    if kind == "population" and bool(get(file, "has_baseline")):
        yield get_group(file, "baseline")


def _datasets(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, each: found.append(name) if isinstance(each, h5py.Dataset) else None)
    return found
