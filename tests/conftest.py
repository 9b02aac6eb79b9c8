"""What every test has: a folder of its own to work in, the command line in process, and the real data where it is."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from autospikformer_cli.cli.__main__ import main

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("ASPK_SHARED") or REPOSITORY.parent / "shared")
NO_SHARED = "no real data: ASPK_SHARED is not set and ../shared/data is absent"
TORCH_SEED = 67280421310721
"""With which torch itself begins."""
PATIENCE = 1800.0
"""Seconds that a test waits for another process. Only a process that hangs needs so long."""

# No property fails for a slow machine or an unlucky draw. Other draws: pytest --hypothesis-seed=random
settings.register_profile(
    "aspk",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("aspk")


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


@pytest.fixture(scope="session")
def patience() -> float:
    """Seconds after which a process that has not ended hangs."""
    return PATIENCE


def _wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """wait_until(happened) returns as soon as another process has made something so."""
    return _wait_until


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
def gpu() -> Any:
    """The module tests/gpu_stand_in.py: a device that is none, on which the path of a GPU runs."""
    module = _module(REPOSITORY / "tests" / "gpu_stand_in.py")
    module.stand_in_device()  # torch must know it before it computes its first gradient
    return module


@pytest.fixture(scope="session")
def numpy_spikformer() -> Any:
    """The module tests/reference/numpy_spikformer.py: the network once more, without torch and without this package."""
    return _module(REPOSITORY / "tests" / "reference" / "numpy_spikformer.py")


@pytest.fixture(scope="session")
def invented_run() -> Any:
    """invented_run(path, num) of tests/reference/invented_run.py: a run with a search that nobody made."""
    return _module(REPOSITORY / "tests" / "reference" / "invented_run.py").invented_run


@pytest.fixture(scope="session")
def leaf_counter() -> Any:
    """The module tests/reference/leaf_counter.py: counts of other authors' networks, without this package."""
    return _module(REPOSITORY / "tests" / "reference" / "leaf_counter.py")


@pytest.fixture(scope="session")
def watcher_class() -> Any:
    """Watcher of tests/reference/watching.py: `watcher.on(run)` is a forward pass that it watches."""
    return _module(REPOSITORY / "tests" / "reference" / "watching.py").Watcher


@pytest.fixture
def watcher(watcher_class: Any) -> Any:
    """A watcher of forward passes."""
    return watcher_class()


EVENT = np.dtype([("x", np.int32), ("y", np.int32), ("t", np.int64), ("p", np.int8)])


class Recordings:
    """Recordings of events, and the files that data sets keep them in."""

    @staticmethod
    def make(seed: int, num: int = 60, side: int = 34, duration: int = 200_000) -> NDArray[Any]:
        """num events on a sensor of side x side pixels, ordered by time."""
        generator = np.random.default_rng(seed)
        events = np.zeros(num, EVENT)
        events["x"], events["y"] = generator.integers(0, side, (2, num))
        events["t"] = np.sort(generator.integers(0, duration, num))
        events["p"] = generator.integers(0, 2, num)
        return events

    @staticmethod
    def bin(path: Path, events: NDArray[Any]) -> Path:
        """N-MNIST's format: 8 bits x, 8 bits y, 1 bit polarity, 23 bits time; y = 240 adds 2^13 to what follows."""
        content = bytearray()
        overflows = 0
        for x, y, t, p in events.tolist():
            while t - overflows * 2**13 >= 2**23:
                content += bytes([0, 240, 0, 0, 0])
                overflows += 1
            bits = t - overflows * 2**13
            content += bytes([x, y, p << 7 | bits >> 16, bits >> 8 & 255, bits & 255])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    @staticmethod
    def npy(path: Path, events: NDArray[Any], dtype: str = "<i8") -> Path:
        """DVS128 Gesture's as tonic keeps it: (N, 4) of x, y, p, t in milliseconds."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.stack([events["x"], events["y"], events["p"], events["t"] // 1000], axis=1).astype(dtype))
        return path

    def nmnist(self, root: Path, per_class: int = 3, part: str = "Train") -> Path:
        """A tree of N-MNIST with so many recordings of each digit."""
        for digit in range(10):
            for number in range(per_class):
                self.bin(root / part / str(digit) / f"{number:05}.bin", self.make(100 * digit + number))
        return root


@pytest.fixture(scope="session")
def recordings() -> Recordings:
    return Recordings()


@pytest.fixture(scope="session")
def aedat4() -> Any:
    """The module tests/data/aedat4.py: a writer of AEDAT 4."""
    return _module(REPOSITORY / "tests" / "data" / "aedat4.py")


def _module(path: Path) -> Any:
    """A module that lies beside the tests, which no import finds."""
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


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What a test draws without a generator of its own does not depend on the tests before it."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(TORCH_SEED)


@cache
def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
