"""Frames kept on disk: the same as made anew, made once by whoever comes first, and again when anything changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospikformer_cli.data import caching
from autospikformer_cli.data.events import building
from autospikformer_cli.data.events.framing import Framing, count_events
from autospikformer_cli.data.events.reading import read_events
from autospikformer_cli.data.images import load_split
from autospikformer_cli.errors import UserError


class Shown:
    """What was told of the progress."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, str]] = []
        self.done = 0

    @contextmanager
    def __call__(self, description: str, total: int, unit: str = "") -> Iterator[Shown]:
        self.told.append((description, total, unit))
        yield self

    def advance(self, n: int = 1, **shown: Any) -> None:
        self.done += n


@pytest.fixture
def tree(recordings: Any, tmp_path: Path) -> Path:
    return recordings.nmnist(tmp_path / "nmnist")


@pytest.fixture
def gestures(recordings: Any, tmp_path: Path) -> Path:
    """33 recordings in files that are read without tonic, which a new process would be long to import."""
    for user in range(3):
        for label in range(11):
            path = tmp_path / "gestures" / "ibmGestureTrain" / f"user{user:02}_led" / f"{label}.npy"
            recordings.npy(path, recordings.make(20 * user + label, side=128))
    return tmp_path / "gestures"


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "PROCESS_BYTES", 1)
    monkeypatch.setattr(caching, "TASK_BYTES", 1000)
    monkeypatch.setattr(caching, "MOST_PROCESSES", 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def kept(tree: Path) -> list[str]:
    return sorted(path.name for path in (tree / "aspk-frames").glob("[!.]*.h5"))


def failure(settings: Any) -> str:
    with pytest.raises(UserError) as raised:
        load_split(settings, 0, "train")
    return str(raised.value)


def test_frames_are_those_of_the_recordings_and_are_made_once(config, tree: Path) -> None:
    settings, shown = config(dataset="nmnist", root=str(tree), validation=0.4), Shown()
    sets = [load_split(settings, 0, split, progress=shown) for split in ("train", "validation")]
    assert shown.told == [("frames of N-MNIST", 30, "recordings")]
    assert shown.done == 30
    assert len(kept(tree)) == 1
    assert kept(tree)[0].startswith("nmnist-train-")
    paths = sorted(tree.glob("Train/*/*.bin"))
    framing = Framing(4, "count", "separate", (34, 34), 34)
    for images in sets:
        for frames, index in zip(images.images.numpy(), images.index.tolist(), strict=True):
            events, _ = read_events("nmnist", str(paths[index]), (34, 34))
            assert np.array_equal(frames, count_events(events, framing))


def test_several_processes_make_what_one_makes(config, gestures: Path, two_processes: None) -> None:
    shown = Shown()
    settings = {"dataset": "dvs128-gesture", "root": str(gestures), "image_size": 16}
    pooled = load_split(config(**settings, cache=str(gestures / "pool")), 0, "train", progress=shown)
    assert shown.done == 33
    caching.PROCESS_BYTES = 2**30  # put back by the fixture
    alone = load_split(config(**settings, cache=str(gestures / "alone")), 0, "train")
    assert pooled.hash == alone.hash
    files = [next((gestures / folder).glob("*.h5")).read_bytes() for folder in ("pool", "alone")]
    assert files[0] == files[1]


def test_anything_that_changes_frames_makes_them_again(config, recordings: Any, tree: Path) -> None:
    settings = {"dataset": "nmnist", "root": str(tree)}
    changes: list[dict[str, Any]] = [
        {},
        {"frames": 5},
        {"split_by": "time"},
        {"polarity": "merged"},
        {"image_size": 17},
    ]
    for number, change in enumerate(changes, 1):
        load_split(config(**settings, **change), 0, "train")
        assert len(kept(tree)) == number
    for change in ({"validation": 0.4}, {"augment": "none"}):  # which cut no frame in another way
        load_split(config(**settings, **change), 0, "train")
    assert len(kept(tree)) == len(changes)
    path = tree / "Train" / "4" / "00001.bin"
    before = path.stat()
    before_hash = load_split(config(**settings), 0, "train").hash
    recordings.bin(path, recordings.make(77))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 2 * 10**9))
    assert load_split(config(**settings), 0, "train").hash != before_hash
    assert len(kept(tree)) == len(changes) + 1
    recordings.bin(tree / "Train" / "4" / "00003.bin", recordings.make(78))
    load_split(config(**settings), 0, "train")
    assert len(kept(tree)) == len(changes) + 2


def test_another_way_of_framing_or_another_tonic_makes_them_again(config, tree: Path, monkeypatch) -> None:
    settings = config(dataset="nmnist", root=str(tree))
    load_split(settings, 0, "train")
    monkeypatch.setattr(building.cutting, "VERSION", 2)
    load_split(settings, 0, "train")
    monkeypatch.setattr(building.metadata, "version", lambda name: f"{name} of tomorrow")
    load_split(settings, 0, "train")
    assert len(kept(tree)) == 3


def test_a_tree_that_moves_keeps_its_frames(config, tree: Path, tmp_path: Path) -> None:
    first = load_split(config(dataset="nmnist", root=str(tree)), 0, "train")
    tree.rename(tmp_path / "elsewhere")
    shown = Shown()
    again = load_split(config(dataset="nmnist", root=str(tmp_path / "elsewhere")), 0, "train", progress=shown)
    assert again.hash == first.hash
    assert shown.told == []


def test_the_recipe_s_folder(config, tree: Path, tmp_path: Path) -> None:
    load_split(config(dataset="nmnist", root=str(tree), cache=str(tmp_path / "cache")), 0, "train")
    assert not (tree / "aspk-frames").exists()
    assert len(list((tmp_path / "cache").glob("*.h5"))) == 1


def test_a_folder_that_cannot_be_written(config, tree: Path) -> None:
    (tree / "aspk-frames").write_text("a file")
    said = failure(config(dataset="nmnist", root=str(tree)))
    assert said.startswith(f"{tree / 'aspk-frames'}/nmnist-train-")
    assert said.endswith("\n  make room or allow writing there, or set data.cache to another folder")


def test_a_damaged_file_of_frames(config, tree: Path) -> None:
    settings = config(dataset="nmnist", root=str(tree))
    first = load_split(settings, 0, "train")
    path = tree / "aspk-frames" / kept(tree)[0]
    path.write_bytes(path.read_bytes()[:-1000])
    assert failure(settings) == (
        f"{path}: damaged or cut short, HDF5 cannot open it\n"
        "  delete it: the next command makes it again from the recordings"
    )
    path.unlink()
    assert load_split(settings, 0, "train").hash == first.hash


def test_the_folder_of_frames_is_no_class(config, recordings: Any, aedat4: Any, tmp_path: Path) -> None:
    for number in range(4):
        aedat4.write_aedat4(tmp_path / "cat" / f"{number}.aedat4", recordings.make(number))
    settings = config(dataset="cifar10dvs", root=str(tmp_path), image_size=8)
    assert load_split(settings, 0, "train").hash == load_split(settings, 0, "train").hash


def test_time_that_ran_backwards_is_told_each_time(config, recordings: Any, tree: Path) -> None:
    events = recordings.make(0)
    events["t"][0] = 150_000
    for digit in range(10):
        recordings.bin(tree / "Train" / str(digit) / "00001.bin", events)
    settings = config(dataset="nmnist", root=str(tree), validation=0.4)
    for _ in range(2):
        notes = [note for split in ("train", "validation") for note in load_split(settings, 0, split).notes]
        found = [note.removeprefix("time ran backwards in ") for note in notes if note.startswith("time ran")]
        assert sum(int(text.split()[0]) for text in found) == 10
        assert all(text.endswith(" recordings: their events were sorted") for text in found)


def test_one_bad_recording_is_named(config, tree: Path) -> None:
    path = tree / "Train" / "7" / "00002.bin"
    path.write_bytes(b"1234567")
    assert failure(config(dataset="nmnist", root=str(tree))) == (
        f"{path}: is cut short: 7 bytes are no whole number of events of 5 bytes\n"
        "  replace the file by a whole copy, or remove it"
    )
    assert kept(tree) == []


@pytest.mark.parametrize("pool", [False, True])
def test_of_many_bad_recordings_three_are_named(config, gestures: Path, pool: bool, request) -> None:
    if pool:
        request.getfixturevalue("two_processes")
    bad = [gestures / "ibmGestureTrain" / "user01_led" / f"{label}.npy" for label in range(2, 9)]
    for path in bad:
        path.write_bytes(b"")
    np.save(bad[1], np.zeros((0, 4)))
    assert failure(config(dataset="dvs128-gesture", root=str(gestures))) == (
        "data.root: 7 of 33 recordings of DVS128 Gesture cannot be used:\n"
        f"    {bad[0]} is cut short, or no .npy file\n"
        f"    {bad[1]} has no events\n"
        f"    {bad[2]} is cut short, or no .npy file\n"
        "    and 4 more\n"
        "  replace these files by whole copies, or remove them"
    )
    assert kept(gestures) == []


MAKE = """
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
import hashlib, os, sys, time
from contextlib import nullcontext
from pathlib import Path
import numpy as np
from autospikformer_cli.data import caching
from autospikformer_cli.data.events.building import frames_part
from autospikformer_cli.data.events.framing import Framing
from autospikformer_cli.data.events.layouts import list_recordings

def main():
    root, process_bytes, go_on = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    caching.PROCESS_BYTES, caching.TASK_BYTES, caching.MOST_PROCESSES = process_bytes, 500, 2
    os.cpu_count = lambda: 2
    told = []

    class Shown:
        def advance(self, n=1):
            print("advance", flush=True)
            while not go_on.exists():
                time.sleep(0.01)

    def progress(description, total, unit=""):
        told.append(description)
        print(description, flush=True)
        return nullcontext(Shown())

    listing = list_recordings("dvs128-gesture", root, "train")
    framing = Framing(4, "count", "separate", (128, 128), 16)
    cache = caching.cache_folder("frames", root, None)
    rows = np.arange(len(listing.recordings))
    frames = frames_part("dvs128-gesture", "train", listing, framing, cache).made(progress)(rows)
    made = sum(description.startswith("frames of") for description in told)
    print(hashlib.sha256(frames.tobytes()).hexdigest(), made, flush=True)

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "make.py"
    path.write_text(MAKE)
    return path


@contextmanager
def started(program: Path, tree: Path, process_bytes: int, go_on: Path) -> Iterator[subprocess.Popen[str]]:
    """go_on: a file, for which the process waits after the first recording."""
    command = [sys.executable, program, tree, str(process_bytes), go_on]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_of_two_processes_one_makes_the_frames_and_the_other_waits(
    program: Path, gestures: Path, tmp_path: Path, patience: float
) -> None:
    go_on = tmp_path / "go_on"
    with started(program, gestures, 2**30, go_on) as first:
        assert first.stdout is not None
        assert [first.stdout.readline() for _ in range(2)] == ["frames of DVS128 Gesture\n", "advance\n"]
        with started(program, gestures, 2**30, go_on) as second:
            assert second.stdout is not None
            assert second.stdout.readline() == "waiting for another process that makes frames of DVS128 Gesture\n"
            go_on.touch()
            ends = [process.communicate(timeout=patience) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], ends
    last = [out.splitlines()[-1].split() for out, _ in ends]
    assert last[0][0] == last[1][0]
    assert [int(made) for _, made in last] == [1, 0]
    assert len(kept(gestures)) == 1


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_is_ended_leaves_nothing_half(
    ending: signal.Signals, program: Path, gestures: Path, tmp_path: Path, config, patience: float, wait_until
) -> None:
    with started(program, gestures, 1, tmp_path / "never") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert [process.stdout.readline() for _ in range(2)] == ["frames of DVS128 Gesture\n", "advance\n"]
        group = process.pid
        if ending == signal.SIGKILL:
            process.kill()
        else:
            os.killpg(group, ending)  # as Ctrl-C on a terminal: to all of them
        process.wait(timeout=patience)
        wait_until(lambda: not processes_of(group))  # none that makes frames outlives the one that started it
        said = process.stderr.read()
    assert process.returncode != 0
    if ending == signal.SIGINT:
        assert said.count("Traceback") == 1  # of this program, which does not catch it
        assert list((gestures / "aspk-frames").glob(".*.tmp.*")) == []
    assert kept(gestures) == []
    assert len(load_split(config(dataset="dvs128-gesture", root=str(gestures), image_size=16), 0, "train")) == 22
    assert len(kept(gestures)) == 1
    assert list((gestures / "aspk-frames").glob(".*.tmp.*")) == []


def processes_of(group: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == group:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                found += [int(entry.name)] * (state != "Z")
        except OSError:
            continue
    return found
