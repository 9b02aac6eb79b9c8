"""What every test has: a folder of its own to work in, the command line in process, and the real data where it is."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.__main__ import main

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("ASPK_SHARED") or REPOSITORY.parent / "shared")
NO_SHARED = "no real data: ASPK_SHARED is not set and ../shared/data is absent"


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The one JSON document of --json."""
        return json.loads(self.stdout)


Aspk = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder without any of the user's settings; texts are 120 columns wide."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASPK_RUNS", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


@pytest.fixture
def aspk(capsys: pytest.CaptureFixture[str]) -> Aspk:
    """aspk("train", "quickstart") -> Outcome, in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        exit_code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(exit_code, captured.out, captured.err)

    return run


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For arrays of a few hundred numbers, where a second thread only waits if the machine is busy."""
    import numba
    import torch

    before = torch.get_num_threads(), numba.get_num_threads()
    numba.set_num_threads(1)
    torch.set_num_threads(1)
    yield
    numba.set_num_threads(before[1])
    torch.set_num_threads(before[0])


@pytest.fixture(scope="session")
def numpy_spikformer() -> Any:
    """The module tests/reference/numpy_spikformer.py: the network once more, without torch and without this package."""
    path = REPOSITORY / "tests" / "reference" / "numpy_spikformer.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; skips without it."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(NO_SHARED)
    return folder


@pytest.fixture(scope="session")
def cifar10_root(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data.root with the genuine CIFAR10 batches in it."""
    return _unpacked("cifar10", shared_data, tmp_path_factory)


@pytest.fixture(scope="session")
def cifar100_root(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data.root with the genuine CIFAR100 batches in it."""
    return _unpacked("cifar100", shared_data, tmp_path_factory)


def _unpacked(name: str, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp(name)
    subprocess.run([sys.executable, shared_data / "unpack.py", name, root], check=True, stdout=subprocess.DEVNULL)
    return root


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `shared` or `gpu` are skipped, with the reason, where there is none."""
    for item in items:
        if item.get_closest_marker("shared") and not (SHARED / "data").is_dir():
            item.add_marker(pytest.mark.skip(reason=NO_SHARED))
        if item.get_closest_marker("gpu") and not _has_gpu():
            item.add_marker(pytest.mark.skip(reason="torch finds no CUDA device"))


@cache
def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
