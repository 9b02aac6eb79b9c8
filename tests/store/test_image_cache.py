"""The file of frames: what is written comes back, only what is asked for is read, damage is told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import h5py
import numpy as np
import pytest

from autospikformer_cli.errors import UserError
from autospikformer_cli.store.image_cache import CacheFile, CacheKind, PackedRow, lock_cache, pack_row, write_rows

SHAPE = (3, 5, 4, 2)
MADE_FROM = {"dataset": "test", "frames": 3}
DELETE = "delete it: the next command makes it again from the recordings"


def counts(num: int = 6, largest: int = 9) -> np.ndarray:
    values = np.random.default_rng(largest).integers(0, largest + 1, (num, *SHAPE)).astype(np.uint16)
    values[0, 0, 0, 0, 0] = largest
    return values


def read_rows(path: Path, rows: list[int], kind: CacheKind = "frames") -> np.ndarray:
    """Rows of a file, in the narrowest type for the whole file."""
    file = CacheFile(path, kind, MADE_FROM)
    read = np.empty((len(rows), *SHAPE), np.uint8 if file.largest <= 255 else np.uint16)
    for row, values in zip(rows, read, strict=True):
        file.fill(row, values)
    assert file.marked[rows].tolist() == [row % 2 == 1 for row in rows]
    return read


def write(path: Path, frames: np.ndarray, made_from: dict = MADE_FROM, kind: CacheKind = "frames") -> None:
    with lock_cache(path):
        rows = (pack_row(row, marked=number % 2 == 1) for number, row in enumerate(frames))
        write_rows(path, kind, made_from, SHAPE, rows, len(frames))


@pytest.mark.parametrize(("largest", "dtype"), [(9, np.uint8), (255, np.uint8), (256, np.uint16), (65_535, np.uint16)])
def test_what_is_written_comes_back(largest: int, dtype: type, tmp_path: Path) -> None:
    frames, path = counts(largest=largest), tmp_path / "made" / "on" / "demand.h5"
    write(path, frames)
    for rows in ([0, 1, 2, 3, 4, 5], [4, 1], [2, 2], []):
        read = read_rows(path, rows)
        assert read.dtype == dtype  # of the whole file, whichever rows are read
        assert np.array_equal(read, frames[rows])


def test_any_reader_of_hdf5_can_read_it(tmp_path: Path) -> None:
    frames = counts(largest=300)
    write(tmp_path / "a.h5", frames)
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(file["frames"][:], frames)
        assert file.attrs["kind"] == "frames"


def test_every_flipped_byte_of_a_row_is_found_and_other_rows_are_not_read(tmp_path: Path) -> None:
    frames, path = counts(), tmp_path / "a.h5"
    write(path, frames)
    with h5py.File(path) as file:
        where = file["frames"].id.get_chunk_info_by_coord((2, 0, 0, 0, 0))
    whole = path.read_bytes()
    for place in range(where.byte_offset, where.byte_offset + where.size):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(UserError) as raised:
            read_rows(path, [1, 2])
        assert str(raised.value) == f"{path}: damaged, row 2 of 'frames' does not match its SHA-256\n  {DELETE}"
        read = read_rows(path, [0, 1, 3, 4, 5])
        assert np.array_equal(read, frames[[0, 1, 3, 4, 5]])


def test_damage_anywhere_is_told_or_harmless(tmp_path: Path) -> None:
    frames, path = counts(), tmp_path / "a.h5"
    write(path, frames)
    whole, places = path.read_bytes(), []
    for place in range(0, len(whole), 61):
        damaged = bytearray(whole)
        damaged[place] ^= 0x41
        path.write_bytes(damaged)
        try:
            read = read_rows(path, list(range(6)))
            assert np.array_equal(read, frames)
        except UserError as error:
            places.append(error.where)
    assert len(places) > 20
    assert set(places) == {str(path)}


@pytest.mark.parametrize("content", [b"", b"not HDF5", None])
def test_a_file_that_is_cut_short_or_something_else(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write(path, counts())
    path.write_bytes(path.read_bytes()[:-700] if content is None else content)
    with pytest.raises(UserError) as raised:
        read_rows(path, list(range(6)))
    assert raised.value.where == str(path)
    assert raised.value.fix == DELETE


def test_a_file_made_from_something_else(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", counts(), {"dataset": "another"})
    with pytest.raises(UserError) as raised:
        read_rows(tmp_path / "a.h5", list(range(6)))
    assert "it was made from something else than its name says" in str(raised.value)


@pytest.mark.parametrize("failure", [UserError("a bad recording"), KeyboardInterrupt()])
def test_rows_that_fail_leave_the_folder_as_it_was(failure: BaseException, tmp_path: Path) -> None:
    def rows() -> Iterator[PackedRow]:
        yield pack_row(counts()[0], marked=False)
        raise failure

    path = tmp_path / "a.h5"
    with lock_cache(path), pytest.raises(type(failure)):
        write_rows(path, "frames", MADE_FROM, SHAPE, rows(), 6)
    assert [entry.name for entry in tmp_path.iterdir()] == [".a.h5.lock"]
    write(path, counts())
    assert len(read_rows(path, list(range(6)))) == 6


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    other = ".node-7.123.abcdef01.tmp.b.h5"
    (tmp_path / ".node-7.123.abcdef01.tmp.a.h5").write_bytes(b"half")
    (tmp_path / other).write_bytes(b"of another file, perhaps being written")
    write(tmp_path / "a.h5", counts())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".a.h5.lock", other, "a.h5"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    path = tmp_path / "data" / "aspk-frames" / "a.h5"
    with pytest.raises(UserError) as raised:
        write(path, counts())
    assert str(raised.value) == (
        f"{path}: cannot be written: Not a directory\n"
        "  make room or allow writing there, or set data.cache to another folder"
    )


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from threading import Event
import numpy as np
from autospikformer_cli.errors import UserError
from autospikformer_cli.store.image_cache import lock_cache, pack_row, write_rows
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
row = pack_row(np.random.default_rng(0).integers(0, 65_535, (1, 100, 100, 1)).astype(np.uint16), marked=False)
with lock_cache(path):
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    try:
        write_rows(path, "frames", {}, (1, 100, 100, 1), [row] * 50, 50)
    except UserError as error:
        print(error)
print(sorted(entry.name for entry in path.parent.iterdir()))
"""


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    path = tmp_path / "frames" / "a.h5"
    done = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"{path}: cannot be written: File too large\n"
        "  make room or allow writing there, or set data.cache to another folder\n"
        "['.a.h5.lock']\n"
    )


def test_who_must_wait_is_told(tmp_path: Path, patience: float) -> None:
    """A second holder comes to `waiting` at once, and goes on when the first lets go."""
    path, told = tmp_path / "frames.h5", Event()

    @contextmanager
    def waiting() -> Iterator[None]:
        told.set()
        yield

    def second() -> bool:
        with lock_cache(path, waiting):
            return True

    with ThreadPoolExecutor(1) as pool:
        with lock_cache(path):
            other = pool.submit(second)
            assert told.wait(patience)
            assert not other.done()
        assert other.result(patience)
