"""Recordings of events as rows of frames in a cache: what a row depends on, and how one is made."""

from __future__ import annotations

from functools import partial
from importlib import metadata
from pathlib import Path

from autospikformer_cli.data.caching import CachedPart, PackedOrFault
from autospikformer_cli.data.events import framing as cutting
from autospikformer_cli.data.events.framing import Framing, count_events
from autospikformer_cli.data.events.layouts import LAYOUTS_BY_DATASET, Listing
from autospikformer_cli.data.events.reading import read_events
from autospikformer_cli.errors import UserError
from autospikformer_cli.store.image_cache import pack_row

FORMAT_VERSION = 1
"""Add one if the rows of a cached file change their meaning."""


def frames_part(dataset: str, part: str, listing: Listing, framing: Framing, folder: Path) -> CachedPart:
    """The frames (F, H, W, C) of all recordings of a part of a data set, in a folder of the cache."""
    readers = ["tonic", "aedat"] if dataset == "cifar10dvs" else ["tonic"]
    return CachedPart(
        folder=folder,
        kind="frames",
        name=f"{dataset}-{part}",
        title=LAYOUTS_BY_DATASET[dataset].title,
        unit="recordings",
        shape=framing.shape,
        sources=listing.recordings,
        base=listing.folder,
        made_from={
            "format": FORMAT_VERSION,
            "framing": cutting.VERSION,
            "readers": [f"{name} {metadata.version(name)}" for name in readers],
            "dataset": dataset,
            "part": part,
            "frames": framing.frames,
            "split_by": framing.split_by,
            "polarity": framing.polarity,
            "image_size": framing.size,
        },
        pack=partial(packed_recording, dataset, framing=framing),
    )


def packed_recording(dataset: str, path: str, framing: Framing) -> PackedOrFault:
    """The packed frames of one file, or its fault."""
    try:
        events, reordered = read_events(dataset, path, framing.sensor)
        return pack_row(count_events(events, framing), marked=reordered)
    except UserError as error:
        return UserError(error.what, error.where or path, error.fix)
