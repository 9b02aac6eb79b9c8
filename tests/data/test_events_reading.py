"""Files of events: what is read, against decodings of our own; what is refused; which of tonic's faults remain."""

from __future__ import annotations

import inspect
import pickle
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospikformer_cli.data.events.reading import read_events
from autospikformer_cli.errors import UserError

SIDE_34, SIDE_128, CALTECH = (34, 34), (128, 128), (240, 180)
REPLACE = "\n  replace the file by a whole copy, or remove it"


def failure(dataset: str, path: Path, sensor: tuple[int, int] = SIDE_128) -> str:
    with pytest.raises(UserError) as raised:
        read_events(dataset, str(path), sensor)
    return str(raised.value)


def decode_bin(content: bytes) -> np.ndarray:
    """Columns x, y, t, p of N-MNIST's 5 bytes an event, by arithmetic on 40-bit numbers."""
    padded = np.frombuffer(content, np.uint8).reshape(-1, 5)
    number = sum(padded[:, place].astype(np.int64) << (8 * (4 - place)) for place in range(5))
    x, y, p, t = number >> 32, number >> 24 & 255, number >> 23 & 1, number & (1 << 23) - 1
    t = t + np.cumsum(y == 240) * 8192
    return np.stack([x, y, t, p], axis=1)[y != 240]


def as_columns(events: np.ndarray) -> np.ndarray:
    return np.stack([events[name].astype(np.int64) for name in "xytp"], axis=1)


@pytest.mark.shared
def test_real_recordings_of_nmnist_and_ncaltech101(shared_data: Path, tmp_path: Path) -> None:
    with tarfile.open(shared_data / "events" / "nmnist-mini.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    paths = sorted(tmp_path.glob("T*/*/*.bin"))
    assert len(paths) == 247
    for path in paths[::5]:
        events, reordered = read_events("nmnist", str(path), SIDE_34)
        assert not reordered
        assert np.array_equal(as_columns(events), decode_bin(path.read_bytes()))
    path = shared_data / "events" / "ncaltech101_faces_easy_0001.bin"
    events, reordered = read_events("ncaltech101", str(path), CALTECH)
    assert (len(events), reordered) == (67_445, False)
    assert np.array_equal(as_columns(events), decode_bin(path.read_bytes()))


@pytest.mark.shared
def test_a_real_recording_in_aedat4(shared_data: Path) -> None:
    path = shared_data / "events" / "sample.aedat4"
    events, reordered = read_events("cifar10dvs", str(path), (320, 240))
    assert not reordered
    assert np.array_equal(as_columns(events), decode_aedat4(path.read_bytes()))
    assert failure("cifar10dvs", path).startswith(f"{path}: has an event at x = ")


def decode_aedat4(content: bytes) -> np.ndarray:
    """Columns x, y, t, p of stream 0 of a file whose packets are LZ4 frames."""
    (length,) = struct.unpack_from("<I", content, 14)
    (end,) = struct.unpack_from("<q", content, 18 + struct.unpack_from("<I", content, 18)[0] + 12)
    position, parts = 18 + length, []
    while position < end:
        stream, size = struct.unpack_from("<iI", content, position)
        if stream == 0:
            packet = decode_lz4(content[position + 8 : position + 8 + size])
            (count,) = struct.unpack_from("<I", packet, len(packet) - (len(packet) - 24) // 16 * 16 - 4)
            structs = np.frombuffer(packet[len(packet) - 16 * count :], "<i8, <i2, <i2, u1, V3")
            parts.append(np.stack([structs[f"f{field}"].astype(np.int64) for field in (1, 2, 0, 3)], axis=1))
        position += 8 + size
    return np.concatenate(parts)


def decode_lz4(frame: bytes) -> bytes:
    """An LZ4 frame without a dictionary: literals and copies of what came before."""
    flags = frame[4]
    position = 7 + (8 if flags & 8 else 0)
    out = bytearray()
    while size := struct.unpack_from("<I", frame, position)[0]:
        position += 4
        block, position = frame[position : position + (size & 2**31 - 1)], position + (size & 2**31 - 1)
        position += 4 if flags & 16 else 0
        if size >> 31:
            out += block
        else:
            decode_lz4_block(block, out)
    return bytes(out)


def decode_lz4_block(block: bytes, out: bytearray) -> None:
    def extended(length: int, at: int) -> tuple[int, int]:
        while length >= 15 and (length == 15 or block[at - 1] == 255):
            length, at = length + block[at], at + 1
        return length, at

    at = 0
    while at < len(block):
        token = block[at]
        literals, at = extended(token >> 4, at + 1)
        out += block[at : at + literals]
        at += literals
        if at == len(block):
            return
        offset = block[at] | block[at + 1] << 8
        length, at = extended(token & 15, at + 2)
        for _ in range(length + 4):
            out.append(out[-offset])


def test_written_recordings_come_back(recordings: Any, aedat4: Any, tmp_path: Path) -> None:
    events = recordings.make(0, num=2500, side=128, duration=5_000_000)
    paths = {
        "nmnist": recordings.bin(tmp_path / "a.bin", events),
        "cifar10dvs": aedat4.write_aedat4(tmp_path / "a.aedat4", events),
    }
    for dataset, path in paths.items():
        read, reordered = read_events(dataset, str(path), SIDE_128)
        assert np.array_equal(as_columns(read), as_columns(events)), dataset
        assert not reordered
    in_ms = events.copy()
    in_ms["t"] = events["t"] // 1000 * 1000
    for dtype in ("<i8", "<u4", "<f8", "<i2"):
        path = recordings.npy(tmp_path / "5.npy", events, dtype)
        assert np.array_equal(as_columns(read_events("dvs128-gesture", str(path), SIDE_128)[0]), as_columns(in_ms))


def test_overflow_events_carry_time_on(recordings: Any, tmp_path: Path) -> None:
    events = recordings.make(1, num=50, duration=2**23 + 90_000)
    path = recordings.bin(tmp_path / "a.bin", events)
    assert path.stat().st_size > 5 * 50
    assert np.array_equal(as_columns(read_events("nmnist", str(path), SIDE_34)[0]), as_columns(events))
    assert np.array_equal(decode_bin(path.read_bytes()), as_columns(events))


def test_time_that_runs_backwards_is_sorted_and_told(recordings: Any, tmp_path: Path) -> None:
    events = recordings.make(2)
    events["t"][:4] = [30, 10, 20, 10]
    path = recordings.bin(tmp_path / "a.bin", events)
    read, reordered = read_events("nmnist", str(path), SIDE_34)
    assert reordered
    assert np.array_equal(as_columns(read), as_columns(events[np.argsort(events["t"], kind="stable")]))


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_bin_file_cut_inside_an_event(cut: int, recordings: Any, tmp_path: Path) -> None:
    path = recordings.bin(tmp_path / "a.bin", recordings.make(0))
    path.write_bytes(path.read_bytes()[:-cut])
    assert failure("nmnist", path, SIDE_34) == (
        f"{path}: is cut short: {300 - cut} bytes are no whole number of events of 5 bytes{REPLACE}"
    )


def test_a_file_without_events(recordings: Any, aedat4: Any, tmp_path: Path) -> None:
    empty = recordings.make(0, num=0)
    said = {
        "nmnist": recordings.bin(tmp_path / "a.bin", empty),
        "cifar10dvs": aedat4.write_aedat4(tmp_path / "a.aedat4", empty),
        "dvs128-gesture": recordings.npy(tmp_path / "1.npy", empty),
    }
    for dataset, path in said.items():
        assert failure(dataset, path) == f"{path}: has no events\n  remove the file"
    recordings.bin(tmp_path / "a.bin", empty).write_bytes(bytes([0, 240, 0, 0, 0]))
    assert "has no events" in failure("nmnist", tmp_path / "a.bin")


def test_an_event_outside_the_sensor(recordings: Any, aedat4: Any, tmp_path: Path) -> None:
    events = recordings.make(0)
    events["x"][7], events["y"][7] = 130, 5
    fix = "check that data.dataset is what data.root holds, or remove the file"
    for dataset, path in {
        "nmnist": recordings.bin(tmp_path / "a.bin", events),
        "cifar10dvs": aedat4.write_aedat4(tmp_path / "a.aedat4", events),
        "dvs128-gesture": recordings.npy(tmp_path / "1.npy", events),
    }.items():
        what = "has an event at x = 130, y = 5, outside the sensor of 128 x 128 pixels"
        assert failure(dataset, path) == f"{path}: {what}\n  {fix}"
    events["x"][7] = -1
    assert "x = -1, y = 5" in failure("dvs128-gesture", recordings.npy(tmp_path / "1.npy", events))
    events["x"][7] = 1
    array = np.stack([events["x"], events["y"], events["p"], events["t"]], axis=1)
    array[7, 0] = 2**32 + 1  # would be 1 in 32 bits
    np.save(tmp_path / "1.npy", array)
    assert "outside the sensor" in failure("dvs128-gesture", tmp_path / "1.npy")


def test_an_aedat4_file_cut_anywhere(recordings: Any, aedat4: Any, tmp_path: Path) -> None:
    path = aedat4.write_aedat4(tmp_path / "a.aedat4", recordings.make(0, num=500), packet=100)
    whole = path.read_bytes()
    begin = 18 + struct.unpack_from("<I", whole, 14)[0]
    packets = [begin + number * (len(whole) - begin) // 5 for number in range(6)]
    said = {}
    for size in [*range(0, begin, 37), begin - 1, *range(begin + 1, len(whole), 97)]:
        if size not in packets:
            path.write_bytes(whole[:size])
            said[size] = failure("cifar10dvs", path)
    assert all(text.endswith(REPLACE) and text.startswith(f"{path}: ") for text in said.values())
    assert said[0] == f"{path}: is no AEDAT 4 file: it does not begin with #!AER-DAT4.0{REPLACE}"
    assert said[begin - 1] == f"{path}: is cut short or damaged in its header{REPLACE}"
    last = max(said)
    assert said[last] == f"{path}: is cut short: it ends at byte {last:,}, inside a packet{REPLACE}"


def test_an_aedat4_file_damaged_anywhere_ends_no_process(recordings: Any, aedat4: Any, tmp_path: Path) -> None:
    path = aedat4.write_aedat4(tmp_path / "a.aedat4", recordings.make(0, num=200), packet=100)
    whole = path.read_bytes()
    refused = 0
    for place in [*range(14, 62), *range(62, len(whole), 11)]:
        for value in (0x7F, 0xE6):
            damaged = bytearray(whole)
            damaged[place] = value
            path.write_bytes(damaged)
            try:
                read_events("cifar10dvs", str(path), SIDE_128)
            except UserError:
                refused += 1
    assert refused > 100


def test_aedat4_without_events_of_a_camera(recordings: Any, aedat4: Any, tmp_path: Path) -> None:
    path = aedat4.write_aedat4(tmp_path / "a.aedat4", recordings.make(0, num=0), stream="IMUS")
    assert failure("cifar10dvs", path) == f"{path}: is damaged: there are no events in the AEDAT file{REPLACE}"


def test_aedat4_without_its_package(recordings: Any, aedat4: Any, tmp_path: Path, monkeypatch) -> None:
    path = aedat4.write_aedat4(tmp_path / "a.aedat4", recordings.make(0))
    monkeypatch.setitem(sys.modules, "aedat", None)
    assert failure("cifar10dvs", path) == (
        "data.dataset: CIFAR10-DVS is in AEDAT 4 files, and the package aedat that reads them is not installed\n"
        '  pip install "autospikformer-cli[aedat]"'
    )


def test_an_npy_file_cut_short(recordings: Any, tmp_path: Path) -> None:
    path = recordings.npy(tmp_path / "3.npy", recordings.make(0))
    whole = path.read_bytes()
    for size in (0, 5, 60, 130, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert failure("dvs128-gesture", path) == f"{path}: is cut short, or no .npy file{REPLACE}"


class Intruder:
    """Would make a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_pickles_are_refused_and_not_run(tmp_path: Path) -> None:
    path, target = tmp_path / "3.npy", tmp_path / "run"
    np.save(path, np.array([Intruder(target)], dtype=object), allow_pickle=True)
    what = "holds Python objects, which are not loaded: they could run any code"
    assert failure("dvs128-gesture", path) == f"{path}: {what}{REPLACE}"
    path.write_bytes(pickle.dumps(Intruder(target)))
    assert failure("dvs128-gesture", path) == f"{path}: is cut short, or no .npy file{REPLACE}"
    assert not target.exists()


@pytest.mark.parametrize(
    ("array", "what"),
    [
        (np.zeros((5, 3)), "holds float64 (5, 3), not numbers of shape (N, 4): x, y, p, t"),
        (np.zeros(8, "<i4"), "holds int32 (8,), not numbers of shape (N, 4): x, y, p, t"),
        (np.zeros((5, 4), "S3"), "holds |S3 (5, 4), not numbers of shape (N, 4): x, y, p, t"),
        (np.full((5, 4), 0.5), "holds numbers that are not whole, or too large"),
        (np.full((5, 4), np.nan), "holds numbers that are not whole, or too large"),
        (np.full((5, 4), 1e30), "holds numbers that are not whole, or too large"),
        (np.full((5, 4), 2), "has a polarity other than 0 and 1"),
    ],
)
def test_an_npy_file_of_something_else(array: np.ndarray, what: str, tmp_path: Path) -> None:
    np.save(tmp_path / "3.npy", array)
    assert failure("dvs128-gesture", tmp_path / "3.npy") == f"{tmp_path / '3.npy'}: {what}{REPLACE}"


def test_tonic_still_reads_a_bin_file_that_is_cut_short(recordings: Any, tmp_path: Path) -> None:
    from tonic.io import read_mnist_file

    path = recordings.bin(tmp_path / "a.bin", recordings.make(0))
    path.write_bytes(path.read_bytes()[:-4])
    events = read_mnist_file(str(path), dtype=np.dtype([("x", int), ("y", int), ("t", int), ("p", int)]))
    assert len(events) == 59, "tonic refuses what is cut: the length check of reading._read_bin may go"


def test_aedat_still_panics_and_aborts_at_damaged_headers(aedat4: Any, tmp_path: Path) -> None:
    text = aedat4.DESCRIPTION.format(identifier="EVTS", width=128, height=128).encode()
    panics = bytearray(aedat4.MAGIC + aedat4.header(text))
    panics[19] = 0x7F  # the place of the table in the flatbuffer
    aborts = aedat4.MAGIC + aedat4.header(text[:20] + b"\xe6" + text[21:])  # inside the name of a tag
    program = "import sys, aedat; aedat.Decoder(sys.argv[1])"  # as read_aedat4 does
    ends = []
    for name, content in (("panics", bytes(panics)), ("aborts", aborts)):
        path = tmp_path / f"{name}.aedat4"
        path.write_bytes(content)
        done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True)
        ends.append((done.returncode, "PanicException" in done.stderr))
        assert failure("cifar10dvs", path) == f"{path}: is cut short or damaged in its header{REPLACE}"
    assert ends[0] == (1, True), "aedat raises an ordinary error: reading._read_aedat4 need not catch PanicException"
    assert ends[1][0] < 0, "aedat no longer aborts: reading.aedat4_fault may go, if PanicException went too"


def test_tonic_still_cannot_read_ibm_s_own_files(tmp_path: Path) -> None:
    from tonic.io import read_dvs_ibm

    path = tmp_path / "user01_led.aedat"
    path.write_bytes(b"#!AER-DAT3.1\r\n#End Of ASCII Header\r\n" + bytes(64))
    with pytest.raises(ValueError, match="too many values to unpack"):
        read_dvs_ibm(str(path))  # when this fails: DVS128 Gesture's original .aedat files could be offered too


def test_tonic_still_does_not_require_aedat() -> None:
    from importlib.metadata import requires

    needed = [name for name in requires("tonic") or [] if name.startswith("aedat") and "extra" not in name]
    assert needed == [], "tonic brings aedat: the extra `aedat` and reading.require_aedat may go"


def test_tonic_still_overflows_the_times_of_gestures(recordings: Any, tmp_path: Path) -> None:
    folder = tmp_path / "DVSGesture"
    for number in range(100):
        recordings.npy(folder / "ibmGestureTrain" / f"user{number:02}_led" / "0.npy", recordings.make(number), "<i2")
    (folder / "ibmGestureTrain.tar.gz").touch()
    from tonic.datasets import DVSGesture

    times = np.concatenate([DVSGesture(str(tmp_path), train=True)[number][0]["t"] for number in range(3)])
    assert times.min() < 0, "tonic widens times before it multiplies them: reading._read_npy may follow it"


def test_tonic_still_wants_whole_data_sets_and_leaves_files_unsorted(tmp_path: Path) -> None:
    from tonic import datasets

    for name in ("NMNIST", "NCALTECH101", "CIFAR10DVS", "DVSGesture"):
        source = inspect.getsource(getattr(datasets, name))
        assert "_folder_contains_at_least_n_files_of_type" in source, (
            f"{name} loads incomplete trees: layouts.py may go"
        )
        assert ("files.sort()" in source) == (name == "NMNIST"), f"{name} sorts now: layouts.py may take its order"
