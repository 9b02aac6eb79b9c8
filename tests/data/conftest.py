"""Configurations and recordings for the tests of the data package."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

EVENT = np.dtype([("x", np.int32), ("y", np.int32), ("t", np.int64), ("p", np.int8)])


@dataclass(frozen=True)
class Config:
    """The keys of a recipe's [data] that the package reads."""

    dataset: str = "digits"
    root: str = "data"
    download: bool = False
    image_size: int | None = None
    normalise: Any = "dataset"
    validation: float = 0.1
    test: float = 0.2
    augment: str = "spikformer"
    frames: int = 4
    split_by: str = "count"
    polarity: str = "separate"
    cache: str | None = None


@pytest.fixture
def config() -> Callable[..., Config]:
    return lambda **changes: replace(Config(), **changes)


@pytest.fixture
def moments() -> Callable[..., SimpleNamespace]:
    return lambda mean, std: SimpleNamespace(mean=mean, std=std)


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
    """The module aedat4.py beside this file."""
    path = Path(__file__).with_name("aedat4.py")
    spec = importlib.util.spec_from_file_location("aedat4_writer", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
