"""Runs are made, found, locked and listed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autospikformer_cli.errors import UserError
from autospikformer_cli.runs.listing import RunSummary, list_runs
from autospikformer_cli.store import files
from autospikformer_cli.store.population import Population, save_population
from autospikformer_cli.store.runs import new_run, prepared_run, resolve_run, run_lock, run_to_write, runs_folder
from autospikformer_cli.store.supernet import Checkpoint, Origin, save_checkpoint

Trained = Callable[..., Path]


@pytest.fixture
def trained(make_checkpoint: Callable[..., Checkpoint]) -> Trained:
    """Makes a run whose supernet.h5 was last written that many seconds after 1970."""

    def make(run: Path, *, seconds: float, finished: bool = True) -> Path:
        run.mkdir(exist_ok=True)
        save_checkpoint(run, make_checkpoint(finished=finished))
        os.utime(run / "supernet.h5", (seconds, seconds))
        return run

    return make


def message(path: str | Path | None) -> str:
    with pytest.raises(UserError) as caught:
        resolve_run(path)
    return str(caught.value)


def test_new_runs_are_numbered(runs: Path) -> None:
    assert [new_run(runs_folder() / "q").name for _ in range(3)] == ["q", "q-2", "q-3"]
    assert prepared_run(runs_folder() / "q") == Path("runs/q")
    assert prepared_run(runs_folder() / "other").is_dir()


def test_new_runs_of_several_threads_are_distinct(runs: Path) -> None:
    made: list[Path] = []
    threads = [threading.Thread(target=lambda: made.append(new_run(runs_folder() / "q"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8


def test_the_folder_of_runs_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASPK_RUNS", str(tmp_path / "deep" / "er"))
    assert new_run(runs_folder() / "q") == tmp_path / "deep" / "er" / "q"
    monkeypatch.setenv("ASPK_RUNS", "")
    assert runs_folder() == Path("runs")


def test_a_folder_that_cannot_be_made(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("")
    monkeypatch.setenv("ASPK_RUNS", "file")
    for make in (lambda: new_run(runs_folder() / "q"), lambda: prepared_run(Path("file/q"))):
        with pytest.raises(UserError) as caught:
            make()
        assert str(caught.value) == (
            "file/q: the run's folder cannot be made: File exists\n  set ASPK_RUNS to a folder that can be written"
        )


def test_the_newest_run_is_the_one_written_last(runs: Path, trained: Trained, population: Population) -> None:
    trained(runs / "a", seconds=2000)
    trained(runs / "b", seconds=1000)
    (runs / "empty").mkdir()
    (runs / "file").write_text("")
    assert resolve_run(None) == runs / "a"
    assert resolve_run(runs / "b") == runs / "b"
    assert resolve_run(Path("runs/b/")) == runs / "b"
    save_population(runs / "b", population)
    os.utime(runs / "b" / "searches" / "first.h5", (3000, 3000))
    assert (resolve_run(None), list_runs()[0].name) == (runs / "b", "b")


def test_a_run_is_named_as_its_folder_is(runs: Path, trained: Trained) -> None:
    trained(runs / "b", seconds=1)
    assert resolve_run("b") == resolve_run(Path("b/")) == resolve_run("runs/b") == runs / "b"
    trained(Path("c"), seconds=2)
    assert resolve_run("c") == Path("c")
    trained(Path("b"), seconds=2)
    assert message("b") == ("--run: b is a run here, and there is runs/b, too\n  write which one: runs/b or ./b")
    assert resolve_run("./b") == resolve_run(resolve_run("./b")) == Path("b")


@pytest.mark.parametrize(
    ("text", "folder"),
    [("new", "runs/new"), ("./new", "new"), ("deep/new", "deep/new"), (".", "."), ("..", ".."), ("here", "here")],
)
def test_where_a_new_run_is_written(runs: Path, trained: Trained, text: str, folder: str) -> None:
    trained(Path("here"), seconds=1)
    assert run_to_write(text) == Path(folder)


def test_a_name_is_one_run_where_all_runs_lie_here(
    runs: Path, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASPK_RUNS", ".")
    trained(Path("b"), seconds=1)
    assert resolve_run("b") == run_to_write("b") == Path("b")


def test_no_run_at_all(runs: Path) -> None:
    expected = "there is no run under runs\n  train one first: aspk train quickstart"
    assert message(None) == expected
    runs.rmdir()
    assert message(None) == expected


def test_results_whose_supernet_is_gone(run: Path, runs: Path, trained: Trained) -> None:
    """By a name, by a path, or without one."""
    trained(runs / "b", seconds=1)
    searches = runs / "b" / "searches"
    searches.mkdir()
    (searches / "first.h5").touch()
    (runs / "b" / "supernet.h5").unlink()
    remedy = "restore it from a copy, or train the same recipe there again: aspk train RECIPE --run FOLDER"
    assert message(None) == f"runs/b: it has no supernet.h5, and results of one\n  {remedy}"
    for name in ("b", runs / "b"):
        assert message(name) == f"--run: runs/b is not a run, it has no supernet.h5\n  {remedy}"


def test_a_folder_that_is_not_a_run(run: Path, runs: Path, trained: Trained) -> None:
    trained(runs / "b", seconds=1)
    assert message(run) == "--run: runs/x is not a run, it has no supernet.h5\n  list the runs: aspk runs"
    assert message(Path("nowhere")) == "--run: there is no run nowhere, here or under runs\n  list the runs: aspk runs"


HOLD = """
import sys
sys.path[:0] = {path!r}
sys.argv = ["aspk", "search", "--quiet"]
from pathlib import Path
from autospikformer_cli.store.runs import run_lock
with run_lock(Path({run!r})):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_that_may_not_be_looked_into_hides_no_run(runs: Path, trained: Trained) -> None:
    run = trained(runs / "there", seconds=1)
    (runs / "loop").symlink_to("loop")
    assert resolve_run(None) == run
    assert [each.name for each in list_runs()] == ["there"]


def test_a_run_in_use_names_its_holder_and_a_killed_holder_frees_it(run: Path) -> None:
    code = HOLD.format(path=[str(Path(files.__file__).parents[2])], run=str(run))
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(UserError) as caught, run_lock(run):
            pass
        holder.kill()
    assert str(caught.value) == (
        f"runs/x is in use by process {holder.pid} (aspk search)\n"
        "  wait until it ends, or choose another run with --run"
    )
    with run_lock(run):
        pass


def in_use(run: Path) -> str:
    with pytest.raises(UserError) as caught, run_lock(run):
        pass
    return str(caught.value).splitlines()[0]


def test_a_lock_holds_inside_one_process_too(run: Path) -> None:
    with run_lock(run, "aspk train"):
        assert in_use(run) == f"runs/x is in use by process {os.getpid()} (aspk train)"
        (run / ".run.lock.json").unlink()
        assert in_use(run) == "runs/x is in use by another process"
    with run_lock(run):
        pass
    assert not (run / ".run.lock.json").exists()


def test_a_run_that_cannot_be_locked(runs: Path) -> None:
    (runs / "f").write_text("")
    with pytest.raises(UserError) as caught, run_lock(runs / "f"):
        pass
    assert str(caught.value) == (
        "runs/f: the run cannot be locked: File exists\n  allow writing there, or copy the run elsewhere"
    )


def best_top1(run: RunSummary) -> float | None:
    return None if run.best is None else run.best.best_top1


def test_the_list_says_how_far_each_run_is(
    runs: Path, population: Population, trained: Trained, make_checkpoint: Callable[..., Checkpoint]
) -> None:
    assert list_runs() == []
    trained(runs / "a", seconds=100)
    trained(runs / "b", seconds=200, finished=False)
    save_population(trained(runs / "c", seconds=300), population)
    os.utime(runs / "c" / "searches" / "first.h5", (350, 350))
    save_population(trained(runs / "d", seconds=400), replace(population, state={"generation": 20, "finished": True}))
    os.utime(runs / "d" / "searches" / "first.h5", (500, 500))
    imported = replace(make_checkpoint(finished=True), origin=Origin("x.pth", "0" * 64, ()))
    (runs / "e").mkdir()
    save_checkpoint(runs / "e", imported)
    os.utime(runs / "e" / "supernet.h5", (50, 50))
    listed = list_runs()
    assert [(run.name, run.recipe, run.state, run.date.timestamp(), best_top1(run)) for run in listed] == [
        ("d", "quickstart", "searched", 500, 80.0),
        ("c", "quickstart", "searching, generation 4 of 20", 350, 80.0),
        ("b", "quickstart", "training, epoch 3 of 30", 200, None),
        ("a", "quickstart", "trained", 100, None),
        ("e", "quickstart", "imported", 50, None),
    ]


def test_damaged_runs_hide_no_others(runs: Path, population: Population, trained: Trained) -> None:
    trained(runs / "a", seconds=100)
    for name, damaged, seconds in (("b", "supernet.h5", 200), ("c", "searches/first.h5", 300)):
        save_population(trained(runs / name, seconds=seconds), population)
        (runs / name / damaged).write_bytes(b"")
        for store in ("supernet.h5", "searches/first.h5"):
            os.utime(runs / name / store, (seconds, seconds))
    assert [(run.name, run.recipe, run.state, best_top1(run)) for run in list_runs()] == [
        ("c", "quickstart", "damaged (searches/first.h5)", None),
        ("b", None, "damaged (supernet.h5)", None),
        ("a", "quickstart", "trained", None),
    ]
