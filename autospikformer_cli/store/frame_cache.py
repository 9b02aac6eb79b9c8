"""A cache of the frames of event recordings: one HDF5 file for each part of a data set.

A row is a recording's counts (F, H, W, C) as uint16. It is one chunk of HDF5's shuffle and gzip filters, and the
process that made it has packed it. Each row has a SHA-256 of its packed bytes, its largest count, and whether its
events were sorted. A reader unpacks and checks only the rows that it wants. It gets uint8 if no count of the file is
above 255. The file is written row by row, as `atomic_files` does.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from autospikformer_cli.atomic_files import explaining_refusal, replacing
from autospikformer_cli.errors import UserError
from autospikformer_cli.store.files import REMEDIES, Array, get, get_group, get_json, open_h5, put, put_header, put_json

KIND = "frames"
_FIX = "make room or allow writing there, or set data.cache to another folder"

COMPRESSION_LEVEL = 1
ROW = np.dtype([("sha256", "S64"), ("largest", "<u2"), ("reordered", "?")])


@dataclass(frozen=True, slots=True)
class PackedRow:
    """The frames of one recording, as stored.

    data: uint16, shuffled (all low bytes before all high bytes) and compressed. sha256: of data. largest: the largest
    count. reordered: whether the recording's events were sorted.
    """

    data: bytes
    sha256: str
    largest: int
    reordered: bool


def pack_row(counts: NDArray[np.uint16], *, reordered: bool) -> PackedRow:
    """Pack the frames (F, H, W, C) of one recording."""
    planes = np.ascontiguousarray(counts.astype("<u2").reshape(-1, 1).view(np.uint8).T)
    data = zlib.compress(planes.data, COMPRESSION_LEVEL)
    return PackedRow(data, hashlib.sha256(data).hexdigest(), int(counts.max()), reordered)


@contextmanager
def lock_frames(path: Path, waiting: Callable[[], AbstractContextManager[object]] = nullcontext) -> Iterator[None]:
    """Make the folder of `path`, and lock `path` for writing. If another process has the lock, wait inside `waiting`.

    The operating system frees the lock of a process that dies. Raises UserError if the folder cannot be written.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    with explaining_refusal(path, _FIX):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            with waiting():
                lock.acquire()
    try:
        yield
    finally:
        lock.release()


def write_frames(
    path: Path, made_from: Mapping[str, Any], shape: tuple[int, int, int, int], rows: Iterable[PackedRow], num_rows: int
) -> None:
    """Write the frames of num_rows recordings, whole or not at all. The caller holds `lock_frames`.

    made_from: what the frames were made from, in JSON types. shape: (F, H, W, C). Raises UserError if writing fails,
    and what `rows` raises.
    """
    with explaining_refusal(path, _FIX), replacing(path, locked=True) as temporary:
        file = h5py.File(temporary, "x", libver=("v110", "v110"))
        try:
            put_header(file, KIND, "")
            put_json(file, "made_from", dict(made_from))
            _put_rows(file, shape, rows, num_rows)
        except BaseException:
            with suppress(OSError):
                _close(file)
            raise
        _close(file)


def _close(file: h5py.File) -> None:
    try:
        file.close()
    except RuntimeError as error:  # HDF5 raises it if the disk is full
        raise OSError(str(error)) from error


def _put_rows(file: h5py.File, shape: tuple[int, int, int, int], rows: Iterable[PackedRow], num_rows: int) -> None:
    filters = {"shuffle": True, "compression": "gzip", "compression_opts": COMPRESSION_LEVEL}
    frames = file.create_dataset("frames", (num_rows, *shape), "<u2", chunks=(1, *shape), **filters)
    about = np.zeros(num_rows, ROW)
    for number, row in enumerate(rows):
        frames.id.write_direct_chunk((number, 0, 0, 0, 0), row.data)
        about[number] = (row.sha256, row.largest, row.reordered)
    for name in ROW.fields or ():
        put(file, name, about[name])


def read_frames(
    path: Path, made_from: Mapping[str, Any], rows: NDArray[np.int64]
) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], int]:
    """The frames (n, F, H, W, C) of n rows, and how many of these recordings had their events sorted.

    Raises UserError if the file is damaged, or was made from something else.
    """
    with open_h5(path, KIND) as file:
        if get_json(file, "made_from") != dict(made_from):
            raise _damaged(path, "it was made from something else than its name says")
        about = {name: get(file, name) for name in ROW.fields or ()}
        dataset = get_group(file, "frames")
        is_narrow = about["largest"].max() <= np.iinfo(np.uint8).max
        frames = np.empty((len(rows), *dataset.shape[1:]), np.uint8 if is_narrow else np.uint16)

        def fill(place: int) -> None:
            row = int(rows[place])
            try:
                _, packed = dataset.id.read_direct_chunk((row, 0, 0, 0, 0))
            except (OSError, RuntimeError, ValueError) as error:
                raise _damaged(path, f"row {row} of 'frames' cannot be read") from error
            if hashlib.sha256(packed).hexdigest().encode() != about["sha256"][row]:
                raise _damaged(path, f"row {row} of 'frames' does not match its SHA-256")
            _unpack(packed, frames[place])

        # zlib and hashlib release Python's lock. One row after another would take half of a short command's time.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(fill, range(len(rows))):
                pass
    return frames, int(about["reordered"][rows].sum())


def _unpack(packed: bytes, counts: Array) -> None:
    """Unpack a row into an array of uint16, or into one of uint8, which takes the low bytes only."""
    planes = zlib.decompressobj().decompress(packed, counts.nbytes)
    low, *high = np.frombuffer(planes, np.uint8).reshape(-1, *counts.shape)
    counts[...] = low
    if high:
        counts |= high[0].astype(np.uint16) << 8


def _damaged(path: Path, how: str) -> UserError:
    return UserError(f"damaged, {how}", str(path), REMEDIES[KIND])
