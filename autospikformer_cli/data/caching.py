"""Decoded images and frames of recordings on disk: made once, by several processes if that is quicker, then read.

A part of a data set becomes files of at most `FILE_BYTES`. Each is whole or absent, and is known by a hash of all that
its rows were made from. So after a process was killed, the next goes on with the first file that is missing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import cached_property
from math import prod
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.child_processes import end_with_parent, held_back
from autospikformer_cli.data.folders import CACHE_FOLDERS, WHERE, absolute
from autospikformer_cli.errors import UserError
from autospikformer_cli.say import Progress, Shown
from autospikformer_cli.store.image_cache import (
    FIX,
    STORED_TYPES,
    CacheFile,
    CacheKind,
    PackedRow,
    lock_cache,
    write_rows,
)
from autospikformer_cli.wording import shortened

ShowProgress = Callable[..., AbstractContextManager[Progress]]
"""A function progress(description, total, unit=...), such as `Say.progress`."""

PackedOrFault = PackedRow | UserError

FILE_BYTES = 2 * 2**30
"""Bytes of rows in one file, before they are packed. A process that is killed loses no more."""
TASK_BYTES = 4 * 2**20
"""Bytes of source files in one task of a process."""
PROCESS_BYTES = 64 * 2**20
"""Bytes of source files for each process. One process reads these in less time than another needs to start."""
MOST_PROCESSES = 16
"""With more, the process that writes the file would be too slow."""
TASKS_AHEAD = 3
"""Submitted tasks for each process: enough that none waits, few enough that memory stays small."""
MOST_FAULTS = 3
"""Number of damaged files that a message names."""


class SourceFile(Protocol):
    """A file of one image or recording. size and mtime_ns show whether another file has replaced it."""

    @property
    def path(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def mtime_ns(self) -> int: ...


@dataclass(frozen=True)
class CachedPart:
    """A part of a data set as rows on disk.

    name: begins the names of its files. title: the data set, in messages. unit: what the source files are. shape: of a
    row. sources: a file for each row. base: the folder that their paths are relative to. made_from: what else the rows
    depend on, in JSON types. pack: returns the row of a source file, or its fault; it is sent to other processes.
    """

    folder: Path
    kind: CacheKind
    name: str
    title: str
    unit: str
    shape: tuple[int, ...]
    sources: Sequence[SourceFile]
    base: Path
    made_from: Mapping[str, Any]
    pack: Callable[[str], PackedOrFault]

    @cached_property
    def files(self) -> tuple[RowFile, ...]:
        """The files, in the order of their rows."""
        size = max(1, FILE_BYTES // self._row_bytes)
        return tuple(self._file(first, first + size) for first in range(0, len(self.sources), size))

    @property
    def _row_bytes(self) -> int:
        return prod(self.shape) * STORED_TYPES[self.kind].itemsize

    def _file(self, first: int, end: int) -> RowFile:
        """Name, size and time of the last change identify a source file.

        To hash their content would each time take about as long as making the rows. A copied data set has new times,
        so it gets new rows. That costs time but is never wrong.
        """
        sources = self.sources[first:end]
        stamps = [f"{os.path.relpath(each.path, self.base)}\0{each.size}\0{each.mtime_ns}" for each in sources]
        hashed = hashlib.sha256("\n".join(stamps).encode(errors="surrogateescape")).hexdigest()
        made_from = {**self.made_from, self.unit: len(sources), "files": hashed}
        key = hashlib.sha256(repr(sorted(made_from.items())).encode()).hexdigest()[:24]
        return RowFile(self.folder / f"{self.name}-{key}.h5", first, len(sources), made_from)

    @property
    def missing_bytes(self) -> int:
        """Bytes that are still to be written, if rows are not packed."""
        return sum(file.num_rows for file in self.files if not file.path.is_file()) * self._row_bytes

    @property
    def num_bytes(self) -> int:
        """Bytes of all rows, if they are not packed."""
        return len(self.sources) * self._row_bytes

    def made(self, progress: ShowProgress) -> CachedRows:
        """The rows, on disk. Those that are missing are made first.

        Two processes never make the same file: the second waits for the first, then goes on. Raises UserError for
        unusable source files (it names three, and their number), and if the folder cannot be written or has no room.
        """
        missing = [file for file in self.files if not file.path.is_file()]
        if missing:
            require_disk_room([self])
            self._make(missing, progress)
        return CachedRows(self.kind, self.shape, self.files)

    def _make(self, missing: Sequence[RowFile], progress: ShowProgress) -> None:
        maker = _Maker(self.pack, sum(source.size for source in self.sources))
        try:
            with closing(maker):
                for number, file in enumerate(missing, 1):
                    of = f" ({number} of {len(missing)})" if len(missing) > 1 else ""
                    waiting = f"waiting for another process that makes {self.kind} of {self.title}"
                    with lock_cache(file.path, lambda waiting=waiting: progress(waiting, 1)):  # type: ignore[misc]
                        if not file.path.is_file():
                            self._make_one(file, maker, f"{self.kind} of {self.title}{of}", progress)
        except KeyboardInterrupt:
            of_several = f"{self.kind} of whole files are kept, the same command makes the rest"
            of_one = f"the {self.kind} made so far are not kept, the same command makes them anew"
            raise KeyboardInterrupt(of_several if len(self.files) > 1 else of_one) from None

    def _make_one(self, file: RowFile, maker: _Maker, description: str, progress: ShowProgress) -> None:
        sources = self.sources[file.first : file.first + file.num_rows]
        with progress(description, len(sources), unit=self.unit) as shown, closing(maker.rows(sources)) as results:
            rows = self._sound(sources, results, shown)
            write_rows(file.path, self.kind, file.made_from, self.shape, rows, len(sources))

    def _sound(
        self, sources: Sequence[SourceFile], results: Iterator[PackedOrFault], shown: Progress
    ) -> Iterator[PackedRow]:
        """The rows of one file. Raises UserError after the last one, if some source files cannot be used.

        The first of these is named next to the progress at once: the rest may take hours.
        """
        faults: list[UserError] = []
        first: dict[str, Shown] = {}
        for source, result in zip(sources, results, strict=True):
            if isinstance(result, UserError):
                first = first or {"unusable": os.path.relpath(source.path, self.base)}
                faults.append(result)
            elif not faults:
                yield result
            shown.advance(1, **first)
        if len(faults) == 1:
            raise faults[0]
        if faults:
            lines = [f"{'' if fault.where == WHERE else f'{fault.where} '}{fault.what}" for fault in faults]
            named = shortened(lines, "\n    ", MOST_FAULTS, rest="\n    and {:,} more")
            raise UserError(
                f"{len(faults):,} of {len(sources):,} {self.unit} of {self.title} cannot be used:\n    {named}",
                WHERE,
                "replace these files by whole copies, or remove them",
            )


def require_disk_room(parts: Sequence[CachedPart]) -> None:
    """Raises UserError if the disk has no room for the files of these parts that are missing. They have one folder.

    Only rows that are not packed are counted: nobody knows in advance how large the others are.
    """
    needed = sum(part.missing_bytes for part in parts if part.kind == "images")
    if not needed:
        return
    folder = parts[0].folder
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        what = f"the decoded images of {parts[0].title} need {needed / 1e9:,.1f} GB, {free / 1e9:,.1f} GB are free"
        raise UserError(f"{what} at {folder}", "data.cache", FIX)


@dataclass(frozen=True)
class RowFile:
    """A file of the cache: its rows are num_rows of the part, from `first` on."""

    path: Path
    first: int
    num_rows: int
    made_from: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class CachedRows:
    """Reads rows of a part. It can be sent to another process, which opens the files itself.

    shape: of one row.
    """

    kind: CacheKind
    shape: tuple[int, ...]
    files: tuple[RowFile, ...]

    def __reduce__(self) -> tuple[type[CachedRows], tuple[Any, ...]]:
        return CachedRows, (self.kind, self.shape, self.files)

    @cached_property
    def _opened(self) -> list[CacheFile]:
        return [CacheFile(file.path, self.kind, file.made_from) for file in self.files]

    @cached_property
    def _firsts(self) -> NDArray[np.int64]:
        return np.array([file.first for file in self.files])

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """uint8, or uint16 if any recording of the part has a larger count."""
        narrow = all(file.largest <= np.iinfo(np.uint8).max for file in self._opened)
        return np.dtype(np.uint8 if narrow else np.uint16)

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Rows (n, ...). Raises UserError for a damaged file."""
        values = np.empty((len(rows), *self.shape), self.dtype)
        places = np.searchsorted(self._firsts, rows, side="right") - 1

        def fill(number: int) -> None:
            place = int(places[number])
            self._opened[place].fill(int(rows[number]) - self.files[place].first, values[number])

        # Reading, hashlib and zlib release Python's lock. One row after another would take half of a short command.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(fill, range(len(rows))):
                pass
        return values

    def num_marked(self, rows: NDArray[np.int64]) -> int:
        """How many of these rows are marked (see `store.image_cache`: `MARKS`)."""
        return int(np.concatenate([file.marked for file in self._opened])[rows].sum())

    @property
    def folder(self) -> Path:
        """The folder of the files."""
        return self.files[0].path.parent

    @property
    def identity(self) -> str:
        """What the rows were made from, as text."""
        return repr([file.path.name for file in self.files])


def cache_folder(kind: CacheKind, root: str, cache: str | None) -> Path:
    """The folder of cached rows: data.cache, or aspk-frames or aspk-images in data.root."""
    return absolute(root) / CACHE_FOLDERS[kind] if cache is None else absolute(cache)


class _Maker:
    """Packs source files in this process, or in several if there are many bytes. The processes start when needed."""

    def __init__(self, pack: Callable[[str], PackedOrFault], num_bytes: int) -> None:
        self._pack = pack
        self._processes = min(os.cpu_count() or 1, num_bytes // PROCESS_BYTES + 1, MOST_PROCESSES)

    def close(self) -> None:
        """End the processes."""
        if "_pool" in self.__dict__:
            self._pool.shutdown(cancel_futures=True)

    @cached_property
    def _pool(self) -> ProcessPoolExecutor:
        # Start processes with `spawn`: a fork may hang, because threads of this process compute (torch, numba, HDF5).
        return ProcessPoolExecutor(self._processes, get_context("spawn"), initializer=end_with_parent)

    def rows(self, sources: Sequence[SourceFile]) -> Generator[PackedOrFault]:
        """For each source file, in order, a packed row or its fault."""
        if self._processes == 1:
            for source in sources:
                yield self._pack(source.path)
            return
        ahead: deque[Future[list[PackedOrFault]]] = deque()
        try:
            for task in _tasks(sources):
                with held_back({signal.SIGINT}):
                    ahead.append(self._pool.submit(_pack_all, self._pack, [source.path for source in task]))
                if len(ahead) >= TASKS_AHEAD * self._processes:
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()
        except BrokenProcessPool as error:
            raise UserError(
                "a process that reads the data set has ended all at once",
                WHERE,
                "if memory ran out, close other programs and run the same command again; a program of your own must "
                'load data under if __name__ == "__main__":',
            ) from error


def _tasks(sources: Sequence[SourceFile]) -> Iterator[list[SourceFile]]:
    task: list[SourceFile] = []
    size = 0
    for source in sources:
        task.append(source)
        size += source.size
        if size >= TASK_BYTES:
            yield task
            task, size = [], 0
    if task:
        yield task


def _pack_all(pack: Callable[[str], PackedOrFault], paths: list[str]) -> list[PackedOrFault]:
    return [pack(path) for path in paths]
