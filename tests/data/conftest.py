"""Configurations and recordings for the tests of the data package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest


@dataclass(frozen=True)
class Config:
    """The keys of a recipe's [data] that the package reads."""

    dataset: str = "digits"
    root: str = "data"
    download: bool = False
    image_size: int | None = None
    normalise: Any = "dataset"
    background: tuple[int, int, int] = (255, 255, 255)
    validation: float = 0.1
    test: float = 0.2
    train_images: int | None = None
    split_seed: int | None = None
    augment: str = "spikformer"
    frames: int = 4
    split_by: str = "count"
    polarity: str = "separate"
    cache: str | None = None
    memory: int = 4000
    known_images: Any = None
    unknown: None = None


@pytest.fixture
def config() -> Callable[..., Config]:
    return lambda **changes: replace(Config(), **changes)


@pytest.fixture
def moments() -> Callable[..., SimpleNamespace]:
    return lambda mean, std: SimpleNamespace(mean=mean, std=std)
