"""Small but complete stores for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

from autospikformer_cli.measurement import (
    Candidate,
    InputCount,
    Measurement,
    Provenance,
    SpikeCount,
    StoredObjective,
    SynapseCount,
)
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.population import Population
from autospikformer_cli.store.supernet import Checkpoint, EpochRecord, TrainState

RECIPE = "seed = 3\n\n[train]\nepochs = 30\n\n[search]\ngenerations = 20\n"

SUBNET = Subnet(
    mlp_ratio=(Decimal("3.8"), Decimal("3.60")),
    num_heads=(12, 3),
    threshold=(Decimal("1.4"), Decimal("2.0")),
    tau=(Decimal(5), Decimal("1.25")),
    time_step=2,
    embed_dim=348,
)


@pytest.fixture
def provenance() -> Provenance:
    return Provenance("validation", "a" * 64, 250, "b" * 64, 256, "recalibrate", "sound", "c" * 64, "float32", "cpu", 3)


@pytest.fixture
def measurement() -> Measurement:
    return Measurement(
        correct=201,
        images=250,
        params=4_684_000,
        inputs=(
            InputCount("stem.0", (), (), 768_000, 1_327_104),
            InputCount("stem.1", (7, 9), (6, 8), 500, 40_000),
            InputCount("block.0.fc1", (12, 0), (5, 0), 300, 1_000),
        ),
        spikes=(SpikeCount("stem.0.lif", (7, 9), 64), SpikeCount("block.0.fc1.lif", (1, 2), 32)),
        synapses=(
            SynapseCount("stem.1", (4_000, 5_000), (3_500, 4_500)),
            SynapseCount("block.0.attn.q@k", (6, 0), (6, 0)),
        ),
        silent_channels=2,
        non_finite=1,
    )


@pytest.fixture
def population(provenance: Provenance, measurement: Measurement) -> Population:
    """Three candidates, the most accurate of which computes values that are not finite; two objectives of plugins."""
    finite = replace(measurement, correct=200, non_finite=0)
    return Population(
        recipe_name="quickstart",
        recipe_toml=RECIPE,
        provenance=provenance,
        candidates=(
            Candidate("g0-0", SUBNET, 0, measurement, {"latency": nan, "area": nan}),
            Candidate("g0-1", SUBNET, 1, finite, {"latency": 2.5, "area": 1e300}),
            Candidate("g0-2", SUBNET, 2, finite, {"latency": 0.1, "area": inf}),
        ),
        baseline=Candidate("baseline", SUBNET, 0, measurement, {"latency": 7.0, "area": -0.0}),
        state={"algorithm": "evolution", "generation": 4, "finished": False, "random": [3, [1, 2**32 - 1], None]},
        name="first",
        objectives=(
            StoredObjective("latency", "latency of a chip", "ms", "less", 0.0),
            StoredObjective("area", "area left", "", "more", 4.0),
        ),
    )


def checkpoint(*, epoch: int = 3, finished: bool = False, fill: float = 0.5, num_weights: int = 12) -> Checkpoint:
    """A checkpoint whose every array is filled with one number."""
    record = EpochRecord(1, 7, 2.25, 123.4, 33.3, 11.1, 8.5)
    return Checkpoint(
        recipe_name="quickstart",
        recipe_toml=RECIPE,
        state=TrainState(epoch, 2, finished, (record,) * epoch, 1.1, 64, 0.7),
        splits={"train": "d" * 64, "validation": "e" * 64},
        environment={"torch": "2.13.0", "device": "cpu"},
        weights={"head.weight": np.full((num_weights,), fill, np.float32)},
        optimizer={"step": np.array(fill, np.float64)},
    )


@pytest.fixture
def make_checkpoint() -> Callable[..., Checkpoint]:
    return checkpoint


@pytest.fixture
def subnet() -> Subnet:
    return SUBNET


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of runs, empty and relative: runs/ in a working folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASPK_RUNS", raising=False)
    folder = Path("runs")
    folder.mkdir()
    return folder


@pytest.fixture
def run(runs: Path) -> Path:
    """An empty folder runs/x."""
    folder = runs / "x"
    folder.mkdir()
    return folder
