"""The similarity of channels comes back as it was stored, and not for other weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autospikformer_cli.errors import UserError
from autospikformer_cli.space import parse_subnet
from autospikformer_cli.store.similarity import SIMILARITY_FILE, Similarity, load_similarity, save_similarity
from autospikformer_cli.store.supernet import Checkpoint, TrainState, save_checkpoint

MATRIX = np.array([[1.0, -0.25], [-0.25, 1.0]])
STORED = Similarity(parse_subnet("(1, 3, 2, 1, 2, 3, 40)"), MATRIX, "validation", 64, "dense", 7, "seed = 0\n")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    state = TrainState(epoch=7, step=0, finished=True, history=(), loss_sum=0.0, images=0, seconds=0.0)
    checkpoint = Checkpoint(
        recipe_name="x", recipe_toml="", state=state, splits={}, environment={}, weights={}, optimizer={}
    )
    save_checkpoint(tmp_path, checkpoint)
    return tmp_path


def test_it_comes_back(run: Path) -> None:
    save_similarity(run, STORED)
    found = load_similarity(run)
    assert (found.matrix == MATRIX).all()
    assert replace(found, matrix=MATRIX).__dict__ == STORED.__dict__


def test_absent_stale_and_damaged_ones_are_said(run: Path) -> None:
    with pytest.raises(UserError, match="no similarity of channels is stored") as absent:
        load_similarity(run)
    assert absent.value.fix == f"measure it: aspk analyze channels --run {run}"
    save_similarity(run, replace(STORED, epochs=6))
    with pytest.raises(UserError, match="measured after 6 epochs, and the run has been trained on to 7"):
        load_similarity(run)
    save_similarity(run, STORED)
    content = bytearray((run / SIMILARITY_FILE).read_bytes())
    (run / SIMILARITY_FILE).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="damaged") as damaged:
        load_similarity(run)
    assert damaged.value.fix == f"delete it and measure again: aspk analyze channels --run {run}"
