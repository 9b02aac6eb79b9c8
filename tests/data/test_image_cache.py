"""Images that do not fit into data.memory: decoded once onto the disk, read batch by batch, the same to the bit."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from autospikformer_cli.data import caching, image_packing, images
from autospikformer_cli.data.images import ImageSet, load_split
from autospikformer_cli.data.reading import FileReader, LazyImages
from autospikformer_cli.errors import UserError

SPLITS = ("train", "validation", "test")
PER_CLASS = 10
FIX = "make room or allow writing there, or set data.cache to another folder"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three classes of noise, in three sizes; one file has two pages."""
    generator = np.random.default_rng(0)
    for label in "abc":
        for number in range(PER_CLASS):
            path = tmp_path / "set" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            height, width = [(8, 8), (12, 9), (9, 14)][number % 3]
            Image.fromarray(generator.integers(0, 256, (height, width, 3), np.uint8)).save(path)
    pages = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    (tmp_path / "set" / "a" / "0.png").unlink()
    pages[0].save(tmp_path / "set" / "a" / "0.tiff", save_all=True, append_images=pages[1:])
    return tmp_path / "set"


@pytest.fixture
def settings(config, root: Path):
    return config(dataset="folder", root=str(root), image_size=8, memory=0)


@pytest.fixture
def files_of_seven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "FILE_BYTES", 7 * 8 * 8 * 3)


def cached(root: Path) -> list[Path]:
    return sorted((root / "aspk-images").glob("[!.]*.h5"), key=lambda path: path.stat().st_mtime_ns)


def failure(settings: Any) -> UserError:
    with pytest.raises(UserError) as raised:
        load_split(settings, 0, "train")
    return raised.value


def in_memory(settings: Any, split: str = "train") -> ImageSet:
    return load_split(type(settings)(**{**vars(settings), "memory": 4000}), 0, split)


class Shown:
    """What was told of the progress."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.advanced: list[tuple[int, dict[str, Any]]] = []

    @contextmanager
    def __call__(self, description: str, total: int, unit: str = "") -> Iterator[Shown]:
        self.told.append((description, total))
        yield self

    def advance(self, n: int = 1, **shown: Any) -> None:
        self.advanced.append((n, shown))


@pytest.mark.parametrize("several_files", [False, True])
def test_on_disk_and_in_memory_are_the_same_bits(settings, root: Path, several_files: bool, request) -> None:
    if several_files:
        request.getfixturevalue("files_of_seven")
    for split in SPLITS:
        direct = in_memory(settings, split)  # no file is in the cache yet
        assert isinstance(direct.images, torch.Tensor)
        assert not cached(root) or split != "train"
        lazy = load_split(settings, 0, split)
        assert isinstance(lazy.images, LazyImages)
        assert (lazy.hash, lazy.notes, lazy.files) == (direct.hash, direct.notes, direct.files)
        assert lazy.images.shape == tuple(direct.images.shape)
        rows = torch.tensor([2, 0, 1, 1])
        for which in (rows, slice(1, 3), slice(None)):
            assert torch.equal(lazy.images[which], direct.images[which])
        for ours, theirs in zip(lazy.images.split(4), direct.images.split(4), strict=True):
            assert torch.equal(ours, theirs)
        first = lazy.first(2)
        assert isinstance(first.images, LazyImages)
        assert first.hash == direct.first(2).hash
    assert len(cached(root)) == (5 if several_files else 1)
    assert in_memory(settings).hash == load_split(settings, 0, "train").hash


def test_what_is_read_ahead_is_what_is_asked_for(settings) -> None:
    lazy, direct = load_split(settings, 0, "train"), in_memory(settings)
    batches = torch.randperm(len(lazy), generator=torch.Generator().manual_seed(0)).split(4)
    for rows, following in zip(batches, [*batches[1:], torch.tensor([], dtype=torch.int64)], strict=True):
        lazy.read_ahead(following)
        assert torch.equal(lazy.images[rows], direct.images[rows])
    lazy.read_ahead(batches[0])  # something else is asked for then
    assert torch.equal(lazy.images[batches[1]], direct.images[batches[1]])


def test_another_process_opens_the_files_itself(settings) -> None:
    lazy = load_split(settings, 0, "train")
    sent = pickle.dumps(lazy.images)
    assert len(sent) < 2000 < lazy.images.nbytes
    again = pickle.loads(sent)  # noqa: S301
    assert torch.equal(again[:], lazy.images[:])


def test_images_are_decoded_and_checked_once(settings, root: Path) -> None:
    shown = Shown()
    for _ in range(2):
        load_split(settings, 0, "train", progress=shown)
    assert shown.told == [(f"images of {root}", 30), ("checking the train split", 21)]
    load_split(settings, 1, "train", progress=shown)  # another seed draws other images of the same cache
    assert shown.told[2:] == [("checking the train split", 21)]
    small = load_split(type(settings)(**{**vars(settings), "memory": 4000}), 0, "validation", progress=shown)
    assert isinstance(small.images, torch.Tensor)
    assert len(shown.told) == 3


def test_several_processes_decode_what_one_decodes(settings, root: Path, monkeypatch) -> None:
    for name, value in (("PROCESS_BYTES", 1), ("TASK_BYTES", 1000), ("MOST_PROCESSES", 2)):
        monkeypatch.setattr(caching, name, value)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert load_split(settings, 0, "train").hash == in_memory(settings).hash
    assert len(cached(root)) == 1


def test_a_file_that_changes_is_decoded_again(settings, root: Path, files_of_seven: None) -> None:
    before = load_split(settings, 0, "train")
    Image.new("RGB", (8, 8)).save(root / before.files[0])
    after = load_split(settings, 0, "train")
    assert after.hash != before.hash
    assert after.hash == in_memory(settings).hash
    assert len(cached(root)) == 6  # of the five files one had to be made again
    (root / before.files[1]).unlink()
    assert len(load_split(settings, 0, "train")) < len(before)
    assert load_split(settings, 0, "train").hash == in_memory(settings).hash


def test_the_first_damaged_file_is_named_while_the_others_are_decoded(settings, root: Path) -> None:
    for number in (3, 5):
        (root / "b" / f"{number}.png").write_bytes(b"")
    shown = Shown()
    with pytest.raises(UserError, match="2 of 30 images"):
        load_split(settings, 0, "train", shown)
    named = [told for _, told in shown.advanced]
    assert named == [{}] * 13 + [{"unusable": str(Path("b") / "3.png")}] * 17


def test_files_that_are_decoded_into_memory_show_how_far_that_is(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "DECODED_IMAGES", 8)
    shown = Shown()
    held = load_split(type(settings)(**{**vars(settings), "memory": 4000}), 0, "train", shown)
    assert isinstance(held.images, torch.Tensor)
    assert shown.told == [("decoding the train split", 21)]
    assert [number for number, _ in shown.advanced] == [8, 8, 5]


def test_another_way_of_decoding_makes_it_again(config, settings, root: Path, monkeypatch) -> None:
    load_split(settings, 0, "train")
    for change in ({"image_size": 6}, {"background": (0, 0, 0)}):
        load_split(type(settings)(**{**vars(settings), **change}), 0, "train")
    monkeypatch.setattr(image_packing.metadata, "version", lambda name: "of tomorrow")
    load_split(settings, 0, "train")
    assert len(cached(root)) == 4


@pytest.mark.parametrize("number", [1, 5])
def test_files_that_are_no_images_are_named_and_what_was_made_is_kept(
    settings, root: Path, files_of_seven: None, number: int
) -> None:
    bad = [root / "c" / f"{each}.png" for each in range(1, 1 + number)]
    for path in bad:
        path.write_bytes(path.read_bytes()[:40])
    error = failure(settings)
    if number == 1:
        assert str(error) == f"data.root: {bad[0]} is not a readable image\n  repair the file, or remove it"
    else:
        assert str(error) == (
            f"data.root: 5 of 7 images of {root} cannot be used:\n"
            + "".join(f"    {path} is not a readable image\n" for path in bad[:3])
            + "    and 2 more\n  replace these files by whole copies, or remove them"
        )
    assert len(cached(root)) == 3
    before = [path.stat().st_mtime_ns for path in cached(root)]
    for path in bad:
        Image.new("RGB", (8, 8)).save(path)
    load_split(settings, 0, "train")
    assert [path.stat().st_mtime_ns for path in cached(root)][:3] == before


@pytest.mark.parametrize("damage", ["pixel", "short", "other"])
def test_a_damaged_file_of_the_cache(settings, root: Path, damage: str) -> None:
    lazy = load_split(settings, 0, "train")
    (path,) = cached(root)
    content = bytearray(path.read_bytes())
    pixels = lazy.images[:1].numpy().tobytes()
    content[content.index(pixels)] ^= 1
    path.unlink()  # who has it open reads the old one
    path.write_bytes({"pixel": bytes(content), "short": bytes(content[:-900]), "other": b"no HDF5"}[damage])
    assert lazy.images[:1].numpy().tobytes() == pixels
    with pytest.raises(UserError) as raised:
        load_split(settings, 0, "train").images[:1]
    assert raised.value.where == str(path)
    assert raised.value.fix == "delete it: the next command makes it again from the image files"


def test_a_cache_that_cannot_be_written(settings, root: Path) -> None:
    (root / "aspk-images").write_text("a file")
    error = failure(settings)
    assert (error.where or "").startswith(f"{root / 'aspk-images'}/folder-train-")
    assert error.fix == FIX
    load_split(type(settings)(**{**vars(settings), "cache": str(root.parent / "cache")}), 0, "train")


def test_a_disk_without_room(settings, root: Path) -> None:
    huge = type(settings)(**{**vars(settings), "image_size": 10_000_000})
    error = failure(huge)
    assert error.what.startswith(f"the decoded images of {root} need 9,000,000.0 GB, ")
    assert error.what.endswith(f" GB are free at {root / 'aspk-images'}")
    assert (error.where, error.fix) == ("data.cache", FIX)
    assert not (root / "aspk-images").exists()


def test_digits_that_are_resized_need_no_cache(config, tmp_path: Path) -> None:
    large = {"image_size": 16, "root": str(tmp_path)}
    lazy, direct = load_split(config(**large, memory=0), 0, "test"), load_split(config(**large), 0, "test")
    assert isinstance(lazy.images, LazyImages)
    assert lazy.hash == direct.hash
    assert torch.equal(lazy.images[:5], direct.images[:5])
    assert list(tmp_path.iterdir()) == []


def test_frames_of_events_are_read_from_their_cache(config, recordings: Any, tmp_path: Path) -> None:
    tree = recordings.nmnist(tmp_path / "nmnist")
    settings = {"dataset": "nmnist", "root": str(tree), "validation": 0.4}
    lazy, direct = load_split(config(**settings, memory=0), 0, "train"), load_split(config(**settings), 0, "train")
    assert isinstance(lazy.images, LazyImages)
    assert (lazy.hash, lazy.notes) == (direct.hash, direct.notes)
    assert torch.equal(lazy.images[:], direct.images)
    assert lazy.images[:1].dtype == direct.images.dtype


MAKE = """
import hashlib, sys
from contextlib import nullcontext
from pathlib import Path
import numpy as np
from autospikformer_cli.data import caching
from autospikformer_cli.data.folders import list_images
from autospikformer_cli.data.image_packing import images_part

caching.FILE_BYTES = 7 * 8 * 8 * 3

class Shown:
    def advance(self, n=1):
        print("advance", flush=True)
        if len(sys.argv) > 2:
            sys.stdin.readline()

def progress(description, total, unit=""):
    print(description, flush=True)
    return nullcontext(Shown())

root = sys.argv[1]
part = images_part(root, "train", list_images(root, "train").paths, 8, (255, 255, 255), Path(root) / "aspk-images")
print(hashlib.sha256(part.made(progress)(np.arange(30)).data).hexdigest(), flush=True)
assert "torch" not in sys.modules
"""


def test_after_kill_the_next_goes_on_and_two_at_once_make_each_file_once(
    settings, root: Path, tmp_path: Path, patience: float, files_of_seven: None
) -> None:
    (tmp_path / "make.py").write_text(MAKE)
    command = [sys.executable, str(tmp_path / "make.py"), str(root)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "slowly"], **pipes) as killed:
        assert killed.stdin is not None
        assert killed.stdout is not None
        for _ in range(9):  # one file is whole, and the next one begun
            assert killed.stdout.readline()
            killed.stdin.write("\n")
            killed.stdin.flush()
        killed.send_signal(signal.SIGKILL)
    (whole,) = cached(root)
    before = whole.stat().st_mtime_ns
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    told = [process.communicate(timeout=patience)[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    made = [line for lines in told for line in lines if line.startswith("images of")]
    assert len(made) == 4  # of the five, each by one of the two
    assert whole.stat().st_mtime_ns == before
    paths = [str(path) for path in sorted(root.glob("[abc]/*"))]
    pixels = FileReader(paths, 8, settings.background)(np.arange(30))
    assert {lines[-1] for lines in told} == {hashlib.sha256(pixels.data).hexdigest()}
    assert len(cached(root)) == 5
    assert list((root / "aspk-images").glob(".*.tmp.*")) == []
