"""Reads one file of events through tonic's readers, and checks what these would accept, misread or crash on.

It works round these faults of tonic 1.7. For each, a test fails once tonic is repaired.
- read_mnist_file misreads the columns of a file that ends inside an event. `_read_bin` checks the length.
- read_aedat4 needs aedat, a package that tonic does not require. At some damaged headers aedat ends the whole process.
  At others it raises an exception that is not an Exception. `_read_aedat4` checks the container first.
- DVSGesture multiplies times by 1,000 in the file's own type, which may overflow. `_read_npy` widens them first.
- read_dvs_ibm always fails. So this reads tonic's .npy files of DVS128 Gesture, but not its original .aedat files.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.data.events.framing import Events
from autospikformer_cli.errors import UserError

EVENT = np.dtype([("x", np.int64), ("y", np.int64), ("t", np.int64), ("p", np.int8)])
BIN_EVENT_BYTES = 5
LARGEST_TIME = 2**53
"""Whole numbers below this are exact in float64, and fit into int64 after multiplication by 1,000."""
REPLACE = "replace the file by a whole copy, or remove it"

AEDAT4_MAGIC = b"#!AER-DAT4.0\r\n"
AEDAT4_IDENTIFIER = b"IOHE"


def read_events(dataset: str, path: str, sensor: tuple[int, int]) -> tuple[Events, bool]:
    """The events of a file, ordered by time, and whether they had to be sorted.

    Events of the same time stay in the file's order. Time should never run backwards, and it did not in any recording
    of N-MNIST, N-Caltech101 or in AEDAT 4 that we looked at. If it does, sorting loses nothing, and the user is told.
    sensor: width and height in pixels. Raises UserError for a file that is cut short or damaged, has no events, or has
    an event outside the sensor. In N-MNIST's format, a file cut between two events looks like a short recording.
    """
    events = READERS[dataset](path)
    if not len(events):
        raise UserError("has no events", path, "remove the file")
    for axis, side in zip("xy", sensor, strict=True):
        outside = np.flatnonzero((events[axis] < 0) | (events[axis] >= side))
        if len(outside):
            x, y = (int(events[name][outside[0]]) for name in "xy")
            raise UserError(
                f"has an event at x = {x}, y = {y}, outside the sensor of {sensor[0]} x {sensor[1]} pixels",
                path,
                "check that data.dataset is what data.root holds, or remove the file",
            )
    if np.all(events["t"][1:] >= events["t"][:-1]):
        return events, False
    return events[np.argsort(events["t"], kind="stable")], True


def _columns(x: NDArray[Any], y: NDArray[Any], t: NDArray[Any], p: NDArray[Any]) -> Events:
    events = np.empty(len(x), EVENT)
    for name, column in zip("xytp", (x, y, t, p), strict=True):
        events[name] = column
    return events


def _read_bin(path: str) -> Events:
    """N-MNIST and N-Caltech101: 5 bytes an event.

    tonic's NCALTECH101 moves every recording to the sensor's corner; here it stays where it was recorded.
    """
    from tonic.io import read_mnist_file

    size = _size(path)
    if size % BIN_EVENT_BYTES:
        raise UserError(
            f"is cut short: {size:,} bytes are no whole number of events of {BIN_EVENT_BYTES} bytes", path, REPLACE
        )
    events: Events = read_mnist_file(path, dtype=EVENT)
    return events


def _read_aedat4(path: str) -> Events:
    """CIFAR10-DVS: AEDAT 4, packets of events."""
    require_aedat()
    from tonic.io import read_aedat4

    with _opened(path) as file:
        fault = aedat4_fault(file)
    if fault:
        raise UserError(fault, path, REPLACE)
    try:
        events = read_aedat4(path)
    except BaseException as error:  # aedat's PanicException is not an Exception
        if isinstance(error, ValueError) and "need at least one array" in str(error):
            return np.empty(0, EVENT)
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise UserError(f"is damaged: {error}", path, REPLACE) from error
        raise
    return _columns(events["x"], events["y"], events["t"], events["on"])


def require_aedat() -> None:
    """Raises UserError if the package that reads AEDAT 4 is not installed."""
    try:
        import aedat  # noqa: F401
    except ImportError as error:
        raise UserError(
            "CIFAR10-DVS is in AEDAT 4 files, and the package aedat that reads them is not installed",
            "data.dataset",
            'pip install "autospikformer-cli[aedat]"',
        ) from error


def aedat4_fault(file: BinaryIO) -> str | None:
    """What is wrong with the container of an AEDAT 4 file; None if nothing is. It does not look at events.

    The format: a line of magic bytes. A flatbuffer, after its length in 4 bytes, with the compression, the position of
    the table that ends the file (-1: none) and an XML text. Packets, each after a stream's number and its length in 4
    bytes.
    """
    if file.read(len(AEDAT4_MAGIC)) != AEDAT4_MAGIC:
        return "is no AEDAT 4 file: it does not begin with #!AER-DAT4.0"
    size = file.seek(0, 2)
    position = file.seek(len(AEDAT4_MAGIC))
    try:
        (length,) = struct.unpack("<I", file.read(4))
        table = _packets_end(file.read(min(length, size)), length)
    except (struct.error, ValueError):
        return "is cut short or damaged in its header"
    position += 4 + length
    end = table if table >= 0 else size
    while position < end:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8 or (position := position + 8 + int.from_bytes(head[4:], "little")) > size:
            return f"is cut short: it ends at byte {size:,}, inside a packet"
    return None if position == end else "is damaged: its packets do not end where its header says"


def _packets_end(header: bytes, length: int) -> int:
    """The position where packets end; -1 for the end of the file. Raises struct.error or ValueError if damaged."""
    if len(header) != length or header[4:8] != AEDAT4_IDENTIFIER:
        raise ValueError("cut short, or another kind of flatbuffer")
    (table,) = struct.unpack_from("<I", header)
    (to_fields,) = struct.unpack_from("<i", header, table)
    fields = table - to_fields
    if fields < 0:
        raise ValueError("a table without fields")
    (fields_bytes,) = struct.unpack_from("<H", header, fields)
    places = struct.unpack_from(f"<{fields_bytes // 2 - 2}H", header, fields + 4)
    _, end_place, text_place = (*places, 0, 0, 0)[:3]
    if text_place:
        text = table + text_place + struct.unpack_from("<I", header, table + text_place)[0]
        (length,) = struct.unpack_from("<I", header, text)
        if text + 4 + length > len(header):
            raise ValueError("a text longer than the header")
        header[text + 4 : text + 4 + length].decode()
    return int(struct.unpack_from("<q", header, table + end_place)[0]) if end_place else -1


def _read_npy(path: str) -> Events:
    """DVS128 Gesture in tonic's format: an array (N, 4) of x, y, p and t in milliseconds."""
    with _opened(path) as file:
        try:
            array = np.load(file, allow_pickle=False)
        except (ValueError, EOFError, OSError, MemoryError) as error:
            if "Object arrays" in str(error):
                what = "holds Python objects, which are not loaded: they could run any code"
                raise UserError(what, path, REPLACE) from error
            raise UserError("is cut short, or no .npy file", path, REPLACE) from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.shape[1] != 4 or array.dtype.kind not in "biuf":
        shape = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else "several arrays"
        raise UserError(f"holds {shape}, not numbers of shape (N, 4): x, y, p, t", path, REPLACE)
    if not (np.abs(array.astype(np.float64)) < LARGEST_TIME).all() or (array % 1).any():
        raise UserError("holds numbers that are not whole, or too large", path, REPLACE)
    x, y, p, t = array.astype(np.int64).T
    if len(p) and (p.min() < 0 or p.max() > 1):
        raise UserError("has a polarity other than 0 and 1", path, REPLACE)
    return _columns(x, y, t * 1000, p)


def _size(path: str) -> int:
    with _opened(path) as file:
        return file.seek(0, 2)


def _opened(path: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", path, "allow reading it, or remove it") from error


READERS: dict[str, Callable[[str], Events]] = {
    "nmnist": _read_bin,
    "ncaltech101": _read_bin,
    "cifar10dvs": _read_aedat4,
    "dvs128-gesture": _read_npy,
}
