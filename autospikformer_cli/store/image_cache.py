"""A cache of decoded images, or of the frames of event recordings: HDF5 files with a row for each.

An image's row is its pixels (H, W, C) as uint8, not packed: photographs would hardly become smaller. A recording's row
is its counts (F, H, W, C) as uint16. It is one chunk of HDF5's shuffle and gzip filters, and the process that made it
has packed it. Each row has a SHA-256 of its stored bytes, its largest value, and a mark. A reader reads and checks only
the rows that it wants. The file is written row by row, as `atomic_files` does.
"""

from __future__ import annotations

import hashlib
import os
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from autospikformer_cli.atomic_files import explaining_refusal, replacing
from autospikformer_cli.errors import UserError
from autospikformer_cli.store.files import REMEDIES, Array, get, get_group, get_json, open_h5, put, put_header, put_json

CacheKind = Literal["frames", "images"]
"""What a file has. Its dataset of rows has the same name."""
STORED_TYPES: Mapping[CacheKind, np.dtype[Any]] = {"frames": np.dtype("<u2"), "images": np.dtype("u1")}
MARKS: Mapping[CacheKind, str] = {"frames": "reordered", "images": "has_more"}
"""What a row's mark says: that a recording's events were sorted, or that an image's file has more frames or pages."""
FIX = "make room or allow writing there, or set data.cache to another folder"

COMPRESSION_LEVEL = 1


@dataclass(frozen=True, slots=True)
class PackedRow:
    """One image, or the frames of one recording, as stored.

    data: the bytes; those of frames are shuffled (all low bytes before all high bytes) and compressed. sha256: of data.
    largest: the largest value. marked: see MARKS.
    """

    data: bytes
    sha256: str
    largest: int
    marked: bool


def pack_row(values: NDArray[np.uint8] | NDArray[np.uint16], *, marked: bool) -> PackedRow:
    """Pack the pixels (H, W, C) of an image, uint8, or the frames (F, H, W, C) of a recording, uint16."""
    if values.dtype == np.uint8:
        data = values.tobytes()
    else:
        planes = np.ascontiguousarray(values.astype("<u2").reshape(-1, 1).view(np.uint8).T)
        data = zlib.compress(planes.data, COMPRESSION_LEVEL)
    return PackedRow(data, hashlib.sha256(data).hexdigest(), int(values.max()), marked)


@contextmanager
def lock_cache(path: Path, waiting: Callable[[], AbstractContextManager[object]] = nullcontext) -> Iterator[None]:
    """Make the folder of `path`, and lock `path` for writing. If another process has the lock, wait inside `waiting`.

    The operating system frees the lock of a process that dies. Raises UserError if the folder cannot be written.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    with explaining_refusal(path, FIX):
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


def write_rows(
    path: Path, kind: CacheKind, made_from: Mapping[str, Any], shape: tuple[int, ...], rows: Iterable[PackedRow],
    num_rows: int,
) -> None:  # fmt: skip
    """Write the rows of num_rows images or recordings, whole or not at all. The caller holds `lock_cache`.

    made_from: what the rows were made from, in JSON types. shape: of one row. Raises UserError if writing fails, and
    what `rows` raises.
    """
    with explaining_refusal(path, FIX), replacing(path, locked=True) as temporary:
        file = h5py.File(temporary, "x", libver=("v110", "v110"))
        try:
            put_header(file, kind, "")
            put_json(file, "made_from", dict(made_from))
            _put_rows(file, kind, shape, rows, num_rows)
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


def _put_rows(
    file: h5py.File, kind: CacheKind, shape: tuple[int, ...], rows: Iterable[PackedRow], num_rows: int
) -> None:
    filters: dict[str, Any] = {}
    if kind == "frames":
        filters = {"chunks": (1, *shape), "shuffle": True, "compression": "gzip", "compression_opts": COMPRESSION_LEVEL}
    stored = file.create_dataset(kind, (num_rows, *shape), STORED_TYPES[kind], **filters)
    about = np.zeros(num_rows, [("sha256", "S64"), ("largest", "<u2"), (MARKS[kind], "?")])
    for number, row in enumerate(rows):
        if kind == "frames":
            stored.id.write_direct_chunk((number, *[0] * len(shape)), row.data)
        else:
            stored[number] = np.frombuffer(row.data, np.uint8).reshape(shape)
        about[number] = (row.sha256, row.largest, row.marked)
    for name in about.dtype.names or ():
        put(file, name, about[name])


class CacheFile:
    """A file of rows, open for reading. Several threads may fill at once.

    largest: the largest value of all rows. marked: the mark of each row, bool (N,).
    """

    def __init__(self, path: Path, kind: CacheKind, made_from: Mapping[str, Any]) -> None:
        """Raises UserError if the file is damaged, or was made from something else."""
        self._path, self._kind = path, kind
        with open_h5(path, kind) as file:
            if get_json(file, "made_from") != dict(made_from):
                raise self._damaged("it was made from something else than its name says")
            self._hashes, self.marked = get(file, "sha256"), get(file, MARKS[kind])
            self.largest = int(get(file, "largest").max())
            stored = get_group(file, kind)
            try:
                self._places = _places(stored, kind)
            except (OSError, RuntimeError, ValueError) as error:
                raise self._damaged(f"the places of its rows in {kind!r} cannot be read") from error
        with explaining_refusal(path, FIX, "cannot be read"):
            self._descriptor = os.open(path, os.O_RDONLY)
        # A file that is deleted while it is open can still be read.
        weakref.finalize(self, os.close, self._descriptor)

    def fill(self, row: int, values: Array) -> None:
        """Read a row into an array of uint8 or uint16. One of uint8 takes the low bytes only.

        Raises UserError if the row is damaged.
        """
        offset, size = (int(number) for number in self._places[row])
        try:
            stored = os.pread(self._descriptor, size, offset)
        except (OSError, OverflowError) as error:
            raise self._damaged(f"row {row} of {self._kind!r} cannot be read") from error
        if hashlib.sha256(stored).hexdigest().encode() != self._hashes[row]:
            raise self._damaged(f"row {row} of {self._kind!r} does not match its SHA-256")
        planes = zlib.decompressobj().decompress(stored, values.nbytes) if self._kind == "frames" else stored
        low, *high = np.frombuffer(planes, np.uint8).reshape(-1, *values.shape)
        values[...] = low
        if high:
            values |= high[0].astype(np.uint16) << 8

    def _damaged(self, how: str) -> UserError:
        return UserError(f"damaged, {how}", str(self._path), REMEDIES[self._kind])


def _places(stored: h5py.Dataset, kind: CacheKind) -> NDArray[np.int64]:
    """Offset and size in bytes of each row in its file: (N, 2)."""
    places = np.zeros((len(stored), 2), np.int64)
    if kind == "images":
        size = int(np.prod(stored.shape[1:]))
        places[:, 0], places[:, 1] = stored.id.get_offset() + size * np.arange(len(stored)), size
    else:
        stored.id.chunk_iter(lambda chunk: _note(places, chunk))
    return places


def _note(places: NDArray[np.int64], chunk: Any) -> None:
    places[chunk.chunk_offset[0]] = chunk.byte_offset, chunk.size
