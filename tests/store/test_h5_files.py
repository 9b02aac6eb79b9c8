"""Files are whole or absent, and every array in them is checked."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from autospikformer_cli.errors import UserError
from autospikformer_cli.exchange.state_dict_file import read_state_dict
from autospikformer_cli.store import files
from autospikformer_cli.store.divergence import DIVERGENCE_FILE, read_divergence
from autospikformer_cli.store.evaluations import EVALUATIONS_FILE, load_evaluations
from autospikformer_cli.store.files import (
    SEARCHES_FOLDER,
    get,
    get_json,
    get_text,
    get_texts,
    open_h5,
    put,
    put_header,
    put_json,
    put_text,
    put_texts,
    write_h5,
)
from autospikformer_cli.store.holder import HOLDER_NAME, read_holder
from autospikformer_cli.store.population import Population, load_population, read_search, save_population
from autospikformer_cli.store.searches import PRESENT_FILE, find_search, present_search
from autospikformer_cli.store.supernet import Checkpoint, load_checkpoint, load_weights, save_checkpoint

MakeCheckpoint = Callable[..., Checkpoint]

SUPERNET_REMEDY = "\n  restore it from a copy, or delete it and train again: aspk train RECIPE"
POPULATION_REMEDY = "\n  restore it from a copy, or delete it and search again: aspk search --run runs/x"

ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
    np.array(7, np.int64),
    np.array([np.nan, -0.0, np.inf]),
    np.zeros((0, 4), np.float32),
    np.array([True, False]),
    np.arange(5, dtype=">i4"),
    np.arange(2000, dtype=np.uint8),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype.str}{array.shape}")
@pytest.mark.parametrize("compress", [False, True])
def test_an_array_comes_back_with_its_dtype_and_shape(tmp_path: Path, array: files.Array, compress: bool) -> None:
    path = tmp_path / "a.h5"
    write_h5(path, lambda file: (put_header(file, "supernet", ""), put(file, "x", array, compress=compress))[0])
    with open_h5(path, "supernet") as file:
        read = get(file, "x")
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    assert read.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("values", "kind"),
    [([], "|i1"), ([-1, 127], "|i1"), ([128], "<i2"), ([-32769], "<i4"), ([2**31], "<i8"), ([2**63 - 1, -1], "<i8")],
)
def test_whole_numbers_are_as_wide_as_the_widest(tmp_path: Path, values: list[int], kind: str) -> None:
    def fill(file: h5py.File) -> None:
        files.put_header(file, "frames", "")
        files.put_integers(file, "column", values)

    files.write_h5(tmp_path / "a.h5", fill)
    with files.open_h5(tmp_path / "a.h5", "frames") as file:
        found = files.get(file, "column")
    assert (found.tolist(), found.dtype.str) == (values, kind)


def test_texts_and_structures_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    structure = {"ä": [1, 2.5, None, True, {"deep": "ü" * 100_000}], "loss": float("inf")}

    def fill(file: h5py.File) -> None:
        put_header(file, "supernet", "seed = 0 # ≥")
        put_texts(file, "texts", ["", "é", "日本語 "])
        put_texts(file, "none", [])
        put_text(file, "empty", "")
        put_json(file, "structure", structure)

    write_h5(path, fill)
    with open_h5(path, "supernet") as file:
        assert get_texts(file, "texts") == ["", "é", "日本語 "]
        assert get_texts(file, "none") == []
        assert get_text(file, "empty") == ""
        assert get_text(file, "recipe") == "seed = 0 # ≥"
        assert get_json(file, "structure") == structure


@pytest.mark.parametrize("kind", ["folder", "FIFO", "device"])
def test_what_is_no_file_is_refused_before_it_is_opened(run: Path, kind: str) -> None:
    """To open a FIFO that nobody writes would wait for ever; a device may have no end."""
    (run / SEARCHES_FOLDER).mkdir(exist_ok=True)
    paths = [run / SEARCHES_FOLDER / "mine.h5", run / EVALUATIONS_FILE, run / HOLDER_NAME, run / DIVERGENCE_FILE,
             run / SEARCHES_FOLDER / PRESENT_FILE, run / "weights.pth"]  # fmt: skip
    for path in paths:
        if kind == "folder":
            path.mkdir()
        elif kind == "FIFO":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")
    for path, read in zip(paths, (lambda: read_search(run, "mine"), lambda: load_evaluations(run)), strict=False):
        with pytest.raises(UserError) as refused:
            read()
        assert (refused.value.what, refused.value.where) == (f"it is a {kind}, not a file", str(path))
    assert read_holder(run) is None
    assert present_search(run) == "mine"
    with pytest.raises(UserError, match=f"it is a {kind}, not a file"):
        read_divergence(run)
    with pytest.raises(UserError, match="it does not say which search is the present one"):
        find_search(run)
    with pytest.raises(UserError, match=f"it is a {kind}, not a file"):
        read_state_dict(run / "weights.pth")


def test_what_cannot_come_back_equal_is_not_stored(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"^state\.random\[0\] is of type tuple, which JSON does not give back$"):
        write_h5(tmp_path / "a.h5", lambda file: put_json(file, "state", {"random": [(1, 2)]}))
    with pytest.raises(ValueError, match=r"^a text with a NUL character cannot be stored$"):
        write_h5(tmp_path / "a.h5", lambda file: put_text(file, "t", "a\0"))
    assert list(tmp_path.iterdir()) == []


@contextmanager
def largest_file(num_bytes: int) -> Iterator[None]:
    """Makes the operating system refuse to let any file of this process grow beyond that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_breaks_off_leaves_the_old_file_and_nothing_else(
    run: Path, make_checkpoint: MakeCheckpoint
) -> None:
    save_checkpoint(run, make_checkpoint(fill=1.0))
    larger = make_checkpoint(fill=2.0, num_weights=500_000)
    with pytest.raises(UserError) as caught, largest_file(1_000_000):
        save_checkpoint(run, larger)
    assert str(caught.value) == (
        "runs/x/supernet.h5: cannot be written: File too large\n"
        "  make room or allow writing there, then run the same command again"
    )
    assert [path.name for path in run.iterdir()] == ["supernet.h5"]
    assert load_weights(run)["head.weight"][0] == 1.0


def test_a_missing_folder_is_told(runs: Path, make_checkpoint: MakeCheckpoint) -> None:
    with pytest.raises(UserError) as caught:
        save_checkpoint(runs / "absent", make_checkpoint())
    assert str(caught.value).startswith("runs/absent/supernet.h5: cannot be written: No such file or directory\n")


WRITER = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from autospikformer_cli.store.supernet import save_checkpoint
from conftest import checkpoint
number = 0
while True:
    number += 1
    save_checkpoint(Path(sys.argv[1]), checkpoint(fill=float(number), epoch=number % 5, num_weights=500_000))
    print(number, flush=True)
"""


def start_writer(run: Path) -> subprocess.Popen[str]:
    path = [str(Path(__file__).parent), str(Path(files.__file__).parents[2])]  # each has a conftest.py
    command = [sys.executable, "-c", WRITER.format(path=path), str(run)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def require_whole(run: Path) -> float:
    """The number that all arrays of a checkpoint were filled with; fails where they disagree."""
    read = load_checkpoint(run)
    values = {
        float(value) for array in (*read.weights.values(), *read.optimizer.values()) for value in np.unique(array)
    }
    assert len(values) == 1
    number = values.pop()
    assert read.state.epoch == number % 5
    return number


def test_killed_while_writing_the_file_is_the_old_or_the_new_one(run: Path, make_checkpoint: MakeCheckpoint) -> None:
    last = 0.0
    for delay in (0.0, 0.004, 0.009, 0.015, 0.022):
        with start_writer(run) as writer:
            assert writer.stdout is not None
            finished = [int(writer.stdout.readline()) for _ in range(2)][-1]
            time.sleep(delay)
            writer.send_signal(signal.SIGKILL)
            finished = max([finished, *(int(line) for line in writer.stdout)])
        last = require_whole(run)
        assert last in (finished, finished + 1)
    save_checkpoint(run, make_checkpoint(fill=last))
    assert [path.name for path in run.iterdir()] == ["supernet.h5"], "temporary files of killed writers are removed"


def test_two_processes_write_and_a_third_reads_whole_files(run: Path) -> None:
    with start_writer(run) as first, start_writer(run) as second:
        try:
            for writer in (first, second):
                assert writer.stdout is not None
                writer.stdout.readline()
            for _ in range(20):
                require_whole(run)
            assert [first.poll(), second.poll()] == [None, None]
        finally:
            first.kill()
            second.kill()


def message(action: Callable[[Path], object], run: Path) -> str:
    with pytest.raises(UserError) as caught:
        action(run)
    return str(caught.value)


def test_a_file_that_is_not_hdf5(run: Path) -> None:
    for content in (b"", b"weights"):
        (run / "supernet.h5").write_bytes(content)
        assert message(load_weights, run) == "runs/x/supernet.h5: not an HDF5 file" + SUPERNET_REMEDY


def test_a_file_that_may_not_be_read_is_not_called_damaged(run: Path) -> None:
    """It would be a pity to delete it."""
    path = run / "supernet.h5"
    path.symlink_to("supernet.h5")
    with pytest.raises(UserError) as caught, open_h5(path, "supernet"):
        pass
    reason = "Too many levels of symbolic links"
    assert str(caught.value) == f"runs/x/supernet.h5: cannot be read: {reason}\n  allow reading it"


def test_a_file_cut_short(run: Path, make_checkpoint: MakeCheckpoint) -> None:
    save_checkpoint(run, make_checkpoint())
    path = run / "supernet.h5"
    path.write_bytes(path.read_bytes()[:-100])
    expected = "runs/x/supernet.h5: damaged or cut short, HDF5 cannot open it" + SUPERNET_REMEDY
    assert message(load_checkpoint, run) == expected


def test_a_flipped_bit_in_an_array(run: Path, make_checkpoint: MakeCheckpoint) -> None:
    save_checkpoint(run, make_checkpoint(fill=0.5))
    path = run / "supernet.h5"
    content = bytearray(path.read_bytes())
    place = content.index(np.full(12, 0.5, np.float32).tobytes())
    content[place + 5] ^= 1
    path.write_bytes(content)
    expected = "runs/x/supernet.h5: damaged, 'weights/head.weight' does not match its SHA-256" + SUPERNET_REMEDY
    assert message(load_weights, run) == expected


def test_an_array_that_is_gone(run: Path, make_checkpoint: MakeCheckpoint) -> None:
    save_checkpoint(run, make_checkpoint())
    with h5py.File(run / "supernet.h5", "r+") as file:
        del file["weights/head.weight"]
    expected = "runs/x/supernet.h5: damaged, 'weights/head.weight' is missing" + SUPERNET_REMEDY
    assert message(load_weights, run) == expected


def test_a_changed_header(run: Path, population: Population) -> None:
    save_population(run, population)
    with h5py.File(run / "searches/first.h5", "r+") as file:
        file.attrs["schema_version"] = 2
    expected = "runs/x/searches/first.h5: damaged, its header does not match its SHA-256" + POPULATION_REMEDY
    assert message(load_population, run) == expected


def test_a_file_of_another_schema(run: Path, population: Population, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(files, "SCHEMA_VERSION", 9)
        newer.setattr(files, "aspk_version", lambda: "9.1.0")
        save_population(run, population)
    assert message(load_population, run) == (
        "runs/x/searches/first.h5: written in schema 9, this aspk reads schema 1\n"
        "  read it with aspk 9.1.0, which wrote it"
    )


def test_a_file_of_another_kind(run: Path, make_checkpoint: MakeCheckpoint) -> None:
    save_checkpoint(run, make_checkpoint())
    (run / "searches").mkdir()
    (run / "supernet.h5").rename(run / "searches/first.h5")
    expected = "runs/x/searches/first.h5: a supernet file where a population file belongs" + POPULATION_REMEDY
    assert message(load_population, run) == expected


def test_an_hdf5_file_of_someone_else(run: Path) -> None:
    with h5py.File(run / "supernet.h5", "w") as file:
        file["weights"] = [1, 2]
    expected = "runs/x/supernet.h5: not written by aspk, it has no schema_version" + SUPERNET_REMEDY
    assert message(load_weights, run) == expected


def test_every_flipped_byte_is_noticed_or_harmless(run: Path, population: Population) -> None:
    save_population(run, population)
    path = run / "searches/first.h5"
    whole = path.read_bytes()
    errors = []
    for place in range(0, len(whole), 151):
        content = bytearray(whole)
        content[place] ^= 0x41
        path.write_bytes(content)
        try:
            found = load_population(run)
            assert found == population
            assert [each.plugin_values["latency"] for each in found.candidates][1:] == [2.5, 0.1]
        except UserError as error:
            errors.append(error)
    assert len(errors) > len(whole) // 151 // 2
    assert {(error.where, error.fix) for error in errors} == {("runs/x/searches/first.h5", POPULATION_REMEDY.strip())}


def test_the_hash_depends_on_dtype_shape_and_bytes_but_not_on_memory_order() -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    assert files.array_hash(array) == files.array_hash(np.asfortranarray(array))
    others = [array.reshape(3, 2), array.astype(np.int64), array.view(np.uint32), array + 1]
    assert len({files.array_hash(other) for other in [array, *others]}) == 5
