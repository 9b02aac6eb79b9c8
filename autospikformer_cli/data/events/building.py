"""Frames of a listing's recordings: read from the cache, or made first, by several processes if that is quicker."""

from __future__ import annotations

import hashlib
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, closing
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.child_processes import end_with_parent, held_back
from autospikformer_cli.data.events import framing as cutting
from autospikformer_cli.data.events.framing import Framing, count_events
from autospikformer_cli.data.events.layouts import LAYOUTS_BY_DATASET, Listing, Recording
from autospikformer_cli.data.events.reading import read_events
from autospikformer_cli.data.folders import WHERE, absolute
from autospikformer_cli.errors import UserError
from autospikformer_cli.say import Progress
from autospikformer_cli.store.frame_cache import PackedRow, lock_frames, pack_row, read_frames, write_frames
from autospikformer_cli.wording import shortened

ShowProgress = Callable[..., AbstractContextManager[Progress]]
"""A function progress(description, total, unit=...), such as `Say.progress`."""

BuiltRow = PackedRow | UserError

FORMAT_VERSION = 1
"""Add one if the rows of a cached file change their meaning."""
CACHE_FOLDER = "aspk-frames"

TASK_BYTES = 4 * 2**20
"""Bytes of recordings in one task of a process."""
PROCESS_BYTES = 64 * 2**20
"""Bytes of recordings for each process. One process reads these in less time than another needs to start."""
MOST_PROCESSES = 16
"""With more, the process that writes the file would be too slow."""
TASKS_AHEAD = 3
"""Submitted tasks for each process: enough that none waits, few enough that memory stays small."""
MOST_FAULTS = 3
"""Number of damaged files that a message names."""


def read_or_make(
    dataset: str,
    part: str,
    listing: Listing,
    framing: Framing,
    cache: Path,
    rows: NDArray[np.int64],
    progress: ShowProgress,
) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], int]:
    """The frames (n, F, H, W, C) of n recordings of a listing, and how many of these had their events sorted.

    It reads them from a file in the folder `cache`, which has all recordings of the part. If there is no such file, it
    makes one first, from all recordings of the part. Two processes never make the same file: the second waits for the
    first, then reads. Raises UserError for unusable recordings (it names three, and their number), if the folder cannot
    be written, and for a damaged file of frames.
    """
    made_from = _made_from(dataset, part, listing, framing)
    path = cache / f"{dataset}-{part}-{_text_hash(made_from)[:24]}.h5"
    if not path.is_file():
        title = LAYOUTS_BY_DATASET[dataset].title
        with lock_frames(path, lambda: progress(f"waiting for another process that makes frames of {title}", 1)):
            if not path.is_file():
                _make(dataset, listing, framing, path, made_from, progress)
    return read_frames(path, made_from, rows)


def cache_folder(root: str, cache: str | None) -> Path:
    """The folder of cached frames: data.cache, or aspk-frames in data.root."""
    return absolute(root) / CACHE_FOLDER if cache is None else absolute(cache)


def _made_from(dataset: str, part: str, listing: Listing, framing: Framing) -> dict[str, Any]:
    """All that a file's content depends on. Name, size and time of the last change identify a recording.

    To hash the recordings themselves would each time take about as long as making the frames. A copied data set has new
    times, so it gets new frames. That costs time but is never wrong.
    """
    files = [
        f"{os.path.relpath(recording.path, listing.folder)}\0{recording.size}\0{recording.mtime_ns}"
        for recording in listing.recordings
    ]
    readers = ["tonic", "aedat"] if dataset == "cifar10dvs" else ["tonic"]
    return {
        "format": FORMAT_VERSION,
        "framing": cutting.VERSION,
        "readers": [f"{name} {metadata.version(name)}" for name in readers],
        "dataset": dataset,
        "part": part,
        "recordings": len(files),
        "files": hashlib.sha256("\n".join(files).encode(errors="surrogateescape")).hexdigest(),
        "frames": framing.frames,
        "split_by": framing.split_by,
        "polarity": framing.polarity,
        "image_size": framing.size,
    }


def _text_hash(made_from: dict[str, Any]) -> str:
    return hashlib.sha256(repr(sorted(made_from.items())).encode()).hexdigest()


def _make(
    dataset: str, listing: Listing, framing: Framing, path: Path, made_from: dict[str, Any], progress: ShowProgress
) -> None:
    recordings, title = listing.recordings, LAYOUTS_BY_DATASET[dataset].title
    results = _results(dataset, recordings, framing)
    try:
        with progress(f"frames of {title}", len(recordings), unit="recordings") as shown, closing(results):
            rows = _sound(results, title, len(recordings), shown)
            write_frames(path, made_from, framing.shape, rows, len(recordings))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the frames made so far are not kept, the same command makes them anew") from None


def _sound(results: Iterator[BuiltRow], title: str, total: int, shown: Progress) -> Iterator[PackedRow]:
    """The rows of all recordings. Raises UserError after the last one, if some cannot be used."""
    faults: list[UserError] = []
    for result in results:
        if isinstance(result, UserError):
            faults.append(result)
        elif not faults:
            yield result
        shown.advance(1)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        lines = [f"{fault.where} {fault.what}" for fault in faults]
        named = shortened(lines, "\n    ", MOST_FAULTS, rest="\n    and {:,} more")
        raise UserError(
            f"{len(faults):,} of {total:,} recordings of {title} cannot be used:\n    {named}",
            WHERE,
            "replace these files by whole copies, or remove them",
        )


def _results(dataset: str, recordings: Sequence[Recording], framing: Framing) -> Generator[BuiltRow]:
    """For each recording, in order, a packed row or its fault."""
    total = sum(recording.size for recording in recordings)
    num_processes = min(os.cpu_count() or 1, total // PROCESS_BYTES + 1, MOST_PROCESSES)
    if num_processes == 1:
        for recording in recordings:
            yield packed_recording(dataset, recording.path, framing)
        return
    # Start processes with `spawn`: a fork may hang, because threads of this process compute (torch, numba, HDF5).
    pool = ProcessPoolExecutor(num_processes, get_context("spawn"), initializer=end_with_parent)
    ahead: deque[Future[list[BuiltRow]]] = deque()
    try:
        for task in _tasks(recordings):
            with held_back({signal.SIGINT}):
                ahead.append(pool.submit(_packed_recordings, dataset, [recording.path for recording in task], framing))
            if len(ahead) >= TASKS_AHEAD * num_processes:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
    except BrokenProcessPool as error:
        raise UserError(
            "a process that makes frames has ended all at once",
            WHERE,
            "if memory ran out, close other programs and run the same command again; a program of your own must load "
            'data under if __name__ == "__main__":',
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _tasks(recordings: Sequence[Recording]) -> Iterator[list[Recording]]:
    task: list[Recording] = []
    size = 0
    for recording in recordings:
        task.append(recording)
        size += recording.size
        if size >= TASK_BYTES:
            yield task
            task, size = [], 0
    if task:
        yield task


def _packed_recordings(dataset: str, paths: list[str], framing: Framing) -> list[BuiltRow]:
    return [packed_recording(dataset, path, framing) for path in paths]


def packed_recording(dataset: str, path: str, framing: Framing) -> BuiltRow:
    """The packed frames of one file, or its fault."""
    try:
        events, reordered = read_events(dataset, path, framing.sensor)
        return pack_row(count_events(events, framing), reordered=reordered)
    except UserError as error:
        return UserError(error.what, error.where or path, error.fix)
