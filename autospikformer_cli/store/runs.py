"""The folders of runs: making, finding, locking and listing them.

A run is a folder with a supernet.h5, under `runs/` or under the folder that ASPK_RUNS names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path

from filelock import FileLock, Timeout

from autospikformer_cli.atomic_files import explaining_refusal
from autospikformer_cli.errors import UserError
from autospikformer_cli.store.evaluations import EVALUATIONS_FILE
from autospikformer_cli.store.holder import read_holder, remove_holder, write_holder
from autospikformer_cli.store.searches import search_file, search_names
from autospikformer_cli.store.supernet import SUPERNET_FILE
from autospikformer_cli.wording import nearest_names

RUN_LOCK = ".run.lock"
TRAIN_FIRST = "train one first: aspk train quickstart"
LOST = "restore it from a copy, or train the same recipe there again: aspk train RECIPE --run FOLDER"


def runs_folder() -> Path:
    """The folder of all runs: ASPK_RUNS, else runs/ in the working folder."""
    return Path(os.environ.get("ASPK_RUNS") or "runs")


def prepared_run(path: Path) -> Path:
    """The folder at `path`, made if it is absent. Raises UserError if it cannot be made."""
    return _made(path, exist_ok=True)


def new_run(run: Path) -> Path:
    """Make a new folder: DIR or, if that exists, DIR-2, DIR-3... Raises UserError if none can be made."""
    for candidate in chain([run], (run.with_name(f"{run.name}-{number}") for number in count(2))):
        try:
            return _made(candidate, exist_ok=False)
        except FileExistsError:
            continue
    raise AssertionError("count() ends nowhere")


def _made(run: Path, *, exist_ok: bool) -> Path:
    try:
        run.parent.mkdir(parents=True, exist_ok=True)
        run.mkdir(exist_ok=exist_ok)
    except OSError as error:
        if isinstance(error, FileExistsError) and run.exists() and not exist_ok:
            raise
        raise UserError(
            f"the run's folder cannot be made: {error.strerror}",
            str(run),
            "set ASPK_RUNS to a folder that can be written",
        ) from error
    return run


RunPath = str | os.PathLike[str] | None
"""A run's folder, or its name under the folder of all runs; None for the newest run."""


def resolve_run(run: RunPath, where: str = "--run") -> Path:
    """The run in a folder, or of a name; without one, the newest run. Raises UserError, located at `where`, if there is
    none, or one here and one under the folder of all runs.
    """
    if run is None:
        runs = run_folders()
        if not runs:
            _require_no_lost_supernet()
            raise UserError(f"there is no run under {runs_folder()}", fix=TRAIN_FIRST)
        return runs[0]
    path = named_run(run)
    if is_run(path):
        _require_one_of_the_name(run, where)
        return path
    near = nearest_names(path.name, [run.name for run in run_folders()])
    option = "--run " if where == "--run" else ""
    fix = f"did you mean {option}{runs_folder() / near[0]}?" if near else "list the runs: aspk runs"
    folder = next((each for each in (path, runs_folder() / path) if each.is_dir()), None)
    if folder is None:
        raise UserError(f"there is no run {path}, here or under {runs_folder()}", where, fix)
    raise UserError(f"{folder} is not a run, it has no {SUPERNET_FILE}", where, LOST if _has_results(folder) else fix)


def _require_no_lost_supernet() -> None:
    """Raises UserError if a folder under that of all runs has results without the supernet that they are of."""
    folders = sorted(runs_folder().iterdir()) if runs_folder().is_dir() else []
    lost = next((each for each in folders if each.is_dir() and _has_results(each)), None)
    if lost is not None:
        raise UserError(f"it has no {SUPERNET_FILE}, and results of one", str(lost), LOST)


def _has_results(folder: Path) -> bool:
    return bool(search_names(folder)) or (folder / EVALUATIONS_FILE).is_file()


def named_run(run: str | os.PathLike[str]) -> Path:
    """The folder that --run names: as it is written, or under the folder of all runs if only there is a run."""
    path = Path(run)
    named = runs_folder() / path
    return named if not is_run(path) and is_run(named) else path


def run_to_write(run: str | os.PathLike[str]) -> Path:
    """The folder that --run names for a run that may be new. A bare name is one under the folder of all runs, unless
    that run is here. A new folder here is ./NAME. Raises UserError if there is a run here and one there.
    """
    path = named_run(run)
    if not _is_bare(run):
        return path
    _require_one_of_the_name(run)
    return path if is_run(path) else runs_folder() / path


def _is_bare(run: str | os.PathLike[str]) -> bool:
    """Whether a text has no folder in it, so that it may be a name."""
    text = os.fspath(run)
    return text not in (os.curdir, os.pardir) and not any(sep in text for sep in (os.sep, os.altsep) if sep)


def _require_one_of_the_name(run: str | os.PathLike[str], where: str = "--run") -> None:
    """Raises UserError if a bare name is a run here, and another one under the folder of all runs.

    A Path may have lost its ./, as one that was found here has. So it is never refused.
    """
    here, there = Path(run), runs_folder() / run
    if isinstance(run, str) and _is_bare(run) and is_run(here) and is_run(there) and not here.samefile(there):
        what = f"{here} is a run here, and there is {there}, too"
        raise UserError(what, where, f"write which one: {there} or {os.curdir}{os.sep}{here}")


def is_run(path: Path) -> bool:
    """Whether a folder holds a supernet. One that may not be looked into does not."""
    try:
        return (path / SUPERNET_FILE).is_file()
    except OSError:
        return False


def run_folders(folder: Path | None = None) -> list[Path]:
    """The runs in a folder, newest first: that of which a store was written last; of equal ones, the last by name.

    folder: None for the folder of all runs.
    """
    folder = folder or runs_folder()
    runs = [run for run in folder.iterdir() if is_run(run)] if folder.is_dir() else []
    return sorted(runs, key=lambda run: (last_written(run), run.name), reverse=True)


def last_written(run: Path) -> int:
    """When a store of a run was written last: its supernet, a search or its evaluations. In nanoseconds since 1970."""
    searches = [search_file(run, name) for name in search_names(run)]
    stores = [run / SUPERNET_FILE, run / EVALUATIONS_FILE, *searches]
    return max(path.stat().st_mtime_ns for path in stores if path.is_file())


@contextmanager
def run_lock(run: Path, command: str | None = None) -> Iterator[None]:
    """Lock a run for writing. Raises UserError at once if another process has locked it.

    command: what other processes report as the holder; by default this process's subcommand or script. The operating
    system frees the lock of a process that dies.
    """
    lock = FileLock(run / RUN_LOCK)
    with explaining_refusal(run, "allow writing there, or copy the run elsewhere", "the run cannot be locked"):
        try:
            lock.acquire(timeout=0)
            write_holder(run, command or _command_line())
        except Timeout:
            fix = "wait until it ends, or choose another run with --run"
            raise UserError(f"{run} is in use by {read_holder(run) or 'another process'}", fix=fix) from None
        except OSError:
            lock.release()
            raise
    try:
        yield
    finally:
        remove_holder(run)
        lock.release()


def _command_line() -> str:
    """The program and its subcommand, 'aspk search', or the script that uses the Python API, 'study.py'."""
    program, *words = sys.argv[:2] or [""]
    path = Path(program)
    if path.stem != "aspk" and path.parts[-2:] != (__name__.partition(".")[0], "__main__.py"):
        return "python" if program in ("", "-c") else path.name
    return " ".join(["aspk", *(word for word in words if not word.startswith("-"))])
