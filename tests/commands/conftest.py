"""A tiny supernet on the digits, trained and searched once; every test gets copies. And commands in new processes."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
SECONDS = 120.0
"""The longest that a test waits for another process."""


class Background:
    """aspk in another process, in the working folder of the test."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "autospikformer_cli", *arguments, "--threads", "1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """Return as soon as something is so; the process must still run then."""
        end = time.monotonic() + SECONDS
        while not happened():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end
            time.sleep(0.002)

    def kill(self) -> None:
        """SIGKILL, and be gone."""
        self.process.kill()
        self.process.communicate()
        assert self.process.returncode == -signal.SIGKILL

    def interrupt(self) -> tuple[int, str, str]:
        """Ctrl-C; returns exit code, standard output and standard error."""
        self.process.send_signal(signal.SIGINT)
        stdout, stderr = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, stdout, stderr


@pytest.fixture
def background() -> Iterator[Callable[..., Background]]:
    """background("search", "--json") -> Background; none survives the test."""
    begun: list[Background] = []

    def start(*arguments: object) -> Background:
        begun.append(Background(*map(str, arguments)))
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
def trained_once(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The trained run, not to be written to, and the document of its training."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.toml").write_text(TINY)
    return folder / "tiny", document_of("train", folder / "tiny.toml", "--run", folder / "tiny")


@pytest.fixture(scope="package")
def searched_once(trained_once: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The searched run, not to be written to, and the document of its search."""
    folder = tmp_path_factory.mktemp("searched") / "tiny"
    shutil.copytree(trained_once[0], folder)
    return folder, document_of("search", "--run", folder)


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
