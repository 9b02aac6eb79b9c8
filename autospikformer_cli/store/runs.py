"""The folders of runs: making, finding, locking and listing them.

A run is a folder with a supernet.h5, under `runs/` or under the folder that ASPK_RUNS names.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from filelock import FileLock, Timeout

from autospikformer_cli.atomic_files import explaining_refusal, write_whole
from autospikformer_cli.errors import UserError
from autospikformer_cli.store import evaluations, population, supernet
from autospikformer_cli.wording import nearest_names

RUN_LOCK = ".run.lock"
HOLDER_NAME = ".run.lock.json"
TRAIN_FIRST = "train one first: aspk train quickstart"


@dataclass(frozen=True)
class RunSummary:
    """A run in one line.

    recipe: None if it cannot be read. date: of the last write. best_top1: in percent, on the split's images.
    """

    name: str
    recipe: str | None
    state: str
    date: datetime
    best_top1: float | None
    split: str | None = None


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
"""A run's folder; None for the newest run."""


def resolve_run(run: RunPath) -> Path:
    """The run in a folder; without one, the run with the newest supernet.h5. Raises UserError if there is none."""
    if run is None:
        runs = run_folders()
        if not runs:
            raise UserError(f"there is no run under {runs_folder()}", fix=TRAIN_FIRST)
        return max(runs, key=lambda run: (run / supernet.SUPERNET_FILE).stat().st_mtime_ns)
    path = Path(run)
    if is_run(path):
        return path
    near = nearest_names(path.name, [run.name for run in run_folders()])
    fix = f"did you mean --run {runs_folder() / near[0]}?" if near else "list the runs: aspk runs"
    if not path.is_dir():
        raise UserError(f"there is no folder {path}", "--run", fix)
    raise UserError(f"{path} is not a run, it has no {supernet.SUPERNET_FILE}", "--run", fix)


def is_run(path: Path) -> bool:
    """Whether a folder holds a supernet."""
    return (path / supernet.SUPERNET_FILE).is_file()


def run_folders(folder: Path | None = None) -> list[Path]:
    """The runs in a folder, by name. folder: None for the folder of all runs."""
    folder = folder or runs_folder()
    return [run for run in sorted(folder.iterdir()) if is_run(run)] if folder.is_dir() else []


@contextmanager
def run_lock(run: Path, command: str | None = None) -> Iterator[None]:
    """Lock a run for writing. Raises UserError at once if another process has locked it.

    command: what other processes report as the holder; by default this process's subcommand or script. The operating
    system frees the lock of a process that dies.
    """
    lock = FileLock(run / RUN_LOCK)
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "command": command or _command_line()}
    with explaining_refusal(run, "allow writing there, or copy the run elsewhere", "the run cannot be locked"):
        try:
            lock.acquire(timeout=0)
            write_whole(run / HOLDER_NAME, json.dumps(holder).encode())
        except Timeout:
            fix = "wait until it ends, or choose another run with --run"
            raise UserError(f"{run} is in use by {_holder(run)}", fix=fix) from None
        except OSError:
            lock.release()
            raise
    try:
        yield
    finally:
        (run / HOLDER_NAME).unlink(missing_ok=True)
        lock.release()


def _command_line() -> str:
    """The program and its subcommand, 'aspk search', or the script that uses the Python API, 'study.py'."""
    program, *words = sys.argv[:2] or [""]
    path = Path(program)
    if path.stem != "aspk" and path.parts[-2:] != (__name__.partition(".")[0], "__main__.py"):
        return "python" if program in ("", "-c") else path.name
    return " ".join(["aspk", *(word for word in words if not word.startswith("-"))])


def _holder(run: Path) -> str:
    """Who has locked the run, as that process wrote it; 'another process' until it has written."""
    try:
        holder = json.loads((run / HOLDER_NAME).read_text())
    except (OSError, ValueError):
        return "another process"
    place = "" if holder["host"] == socket.gethostname() else f" on {holder['host']}"
    return f"process {holder['pid']}{place} ({holder['command']})"


def list_runs() -> list[RunSummary]:
    """All runs, newest first. A run with a damaged file is listed as damaged."""
    return sorted((_summary(run) for run in run_folders()), key=lambda run: (run.date, run.name), reverse=True)


def _summary(run: Path) -> RunSummary:
    date = datetime.fromtimestamp(max(path.stat().st_mtime for path in _stores(run))).astimezone()
    try:
        training = supernet.read_training(run)
    except UserError:
        return RunSummary(run.name, None, f"damaged ({supernet.SUPERNET_FILE})", date, None)
    recipe = training.recipe_name
    if not (run / population.POPULATION_FILE).is_file():
        return RunSummary(run.name, recipe, _training_state(training), date, None)
    try:
        search = population.read_search(run)
    except UserError:
        return RunSummary(run.name, recipe, f"damaged ({population.POPULATION_FILE})", date, None)
    return RunSummary(run.name, recipe, _search_state(search), date, search.best_top1, search.provenance.split)


def _stores(run: Path) -> list[Path]:
    names = (supernet.SUPERNET_FILE, population.POPULATION_FILE, evaluations.EVALUATIONS_FILE)
    return [run / name for name in names if (run / name).is_file()]


def _training_state(training: supernet.Training) -> str:
    if training.origin is not None:
        return "imported"
    if training.state.finished:
        return "trained"
    return f"training, epoch {training.state.epoch}{_of(training.recipe_toml, 'train', 'epochs')}"


def _search_state(search: population.SearchProgress) -> str:
    if search.state.get("finished"):
        return "searched"
    generation = search.state.get("generation", 0)
    return f"searching, generation {generation}{_of(search.recipe_toml, 'search', 'generations')}"


def _of(recipe_toml: str, section: str, key: str) -> str:
    """' of 30' from a recipe's key; an empty text if the recipe lacks it."""
    try:
        return f" of {tomllib.loads(recipe_toml)[section][key]}"
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        return ""
