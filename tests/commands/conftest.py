"""A tiny supernet on the digits, trained and searched once; every test gets copies. And commands in new processes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.cli.__main__ import main

TINY = """\
# Two blocks of 24 channels at most, five epochs.
extends = "quickstart"

[model]
calibration_images = 32

[space]
mlp_ratio = [2, 3]
embed_dim = [16, 24]
time_step = [2, 3]

[train]
epochs = 5
warmup_epochs = 1
validation_images = 60

[search]
population = 6
parents = 3
generations = 3
images = 60
"""
PAUSED = """\
import json, os, runpy, signal, sys, threading
from autospikformer_cli.store.pace import SavingPace

moment = json.loads(sys.argv[1])
written, thread = {}, None

def pause(event, arguments):
    global thread
    if thread == threading.get_ident():  # what this thread does next after the renaming
        thread = None
        signal.raise_signal(signal.SIGSTOP)
    if event == "os.rename" and os.path.basename(arguments[1]) == moment["name"]:
        path = os.path.abspath(arguments[1])
        written[path] = written.get(path, 0) + 1
        if (list(written).index(path) + 1, written[path]) == (moment["file"], moment["number"]):
            if moment["before"]:
                signal.raise_signal(signal.SIGSTOP)
            else:
                thread = threading.get_ident()

SavingPace.is_due = lambda self: True
sys.addaudithook(pause)
sys.argv[:] = ["aspk", *sys.argv[2:]]
runpy.run_module("autospikformer_cli", run_name="__main__")
"""
"""aspk that saves as often as it can, and stops itself (SIGSTOP) when it puts a file in its place: no clock decides how
far it is then."""


class Background:
    """aspk in another process, in the working folder of the test, stopped at a moment."""

    def __init__(self, arguments: Sequence[str], moment: Mapping[str, object], patience: float) -> None:
        program = [sys.executable, "-c", PAUSED, json.dumps(moment)]
        self.process = subprocess.Popen(
            [*program, *arguments, "--threads", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._patience = patience

    def has_stopped(self) -> bool:
        """Whether the moment has come; fails if the process has ended instead."""
        changed = os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT | os.WNOHANG)
        assert changed is None or changed.si_code == os.CLD_STOPPED, self.process.communicate()
        return changed is not None

    def kill(self) -> None:
        """SIGKILL, and be gone."""
        self.process.kill()
        self.process.communicate()
        assert self.process.returncode == -signal.SIGKILL

    def interrupt(self) -> tuple[int, str, str]:
        """Ctrl-C, and go on; returns exit code, standard output and standard error."""
        self.process.send_signal(signal.SIGINT)
        self.process.send_signal(signal.SIGCONT)
        stdout, stderr = self.process.communicate(timeout=self._patience)
        return self.process.returncode, stdout, stderr


@pytest.fixture
def background(
    patience: float, wait_until: Callable[[Callable[[], bool]], None]
) -> Iterator[Callable[..., Background]]:
    """background("search", at="evolution-alpha0.5-seed0.h5") -> Background, stopped; none survives the test.

    It stops after it has put a file of the name `at` in its place, or with `before` just before that. file: the first,
    second, ... of several such files. number: the first, second, ... time that this file is written.
    """
    begun: list[Background] = []

    def start(*arguments: object, at: str, file: int = 1, number: int = 1, before: bool = False) -> Background:
        moment = {"name": at, "file": file, "number": number, "before": before}
        begun.append(Background([*map(str, arguments)], moment, patience))
        wait_until(begun[-1].has_stopped)
        return begun[-1]

    yield start
    for each in begun:
        each.process.kill()
        each.process.communicate()


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Layers this small gain nothing from a second thread, and wait for it where other processes keep it busy.

    A training's last bits are those of its number of threads, so it is the same for every process here.
    """
    import numba
    import torch

    before = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    yield
    torch.set_num_threads(before[0])
    numba.set_num_threads(before[1])


@pytest.fixture(autouse=True)
def tiny_recipe(own_folder: Path) -> Path:
    """tiny.toml in the working folder."""
    recipe = own_folder / "tiny.toml"
    recipe.write_text(TINY)
    return Path("tiny.toml")


def document_of(*arguments: object) -> Any:
    """Run a command in this process; its JSON document."""
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        assert main([*map(str, arguments), "--json", "--quiet"]) == 0
    return json.loads(written.getvalue())


@pytest.fixture(scope="package")
def train_tiny(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, Any]]:
    """train_tiny("data.test=0.5") -> a run trained under these keys, and the document of its training."""

    def train(*keys: str) -> tuple[Path, Any]:
        folder = tmp_path_factory.mktemp("trained")
        (folder / "tiny.toml").write_text(TINY)
        options = [word for key in keys for word in ("--set", key)]
        return folder / "tiny", document_of("train", folder / "tiny.toml", "--run", folder / "tiny", *options)

    return train


@pytest.fixture(scope="package")
def search_copy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], tuple[Path, Any]]:
    """search_copy(run) -> a copy of the run, searched, and the document of its search."""

    def search(run: Path) -> tuple[Path, Any]:
        folder = tmp_path_factory.mktemp("searched") / "tiny"
        shutil.copytree(run, folder)
        document = document_of("search", "--run", folder)
        return folder, document | {"run": "runs/tiny"}  # where each test has its copy

    return search


@pytest.fixture(scope="package")
def trained_once(train_tiny: Callable[..., tuple[Path, Any]]) -> tuple[Path, Any]:
    """The trained run, not to be written to, and the document of its training."""
    return train_tiny()


@pytest.fixture(scope="package")
def searched_once(trained_once: tuple[Path, Any], search_copy: Callable[[Path], tuple[Path, Any]]) -> tuple[Path, Any]:
    """The searched run, not to be written to, and the document of its search."""
    return search_copy(trained_once[0])


@pytest.fixture
def trained(trained_once: tuple[Path, Any], own_folder: Path) -> Path:
    """runs/tiny, trained."""
    return _copied(trained_once[0])


@pytest.fixture
def searched(searched_once: tuple[Path, Any], own_folder: Path) -> Path:
    """runs/tiny, trained and searched."""
    return _copied(searched_once[0])


def _copied(run: Path) -> Path:
    to = Path("runs") / run.name
    shutil.copytree(run, to)
    return to
