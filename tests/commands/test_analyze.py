"""aspk analyze: mean SSIM of the embedding's channels."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospikformer_cli.analysis.redundancy import channel_similarity
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.trained_run import open_run

Aspk = Callable[..., Any]


def test_the_document(aspk: Aspk, trained: Path) -> None:
    document = aspk("analyze", "--images", "12", "--json").document
    assert set(document) == {
        "schema_version", "origin", "subnet", "split", "images", "engine", "mean_ssim", "ssim_by_channel", "most",
        "least", "fidelity", "switches", "resolved",
    }  # fmt: skip
    assert document["subnet"] == load_recipe("tiny.toml").space.search_space().largest().to_numbers()
    assert (document["split"], document["images"], document["engine"]) == ("validation", 12, "event_driven")
    values = document["ssim_by_channel"]
    assert len(values) == 24
    assert all(-1 <= value <= 1 for value in values)
    assert document["mean_ssim"] == pytest.approx(np.mean(values))
    order = sorted(range(24), key=lambda channel: values[channel])
    assert len(document["most"]) == len(document["least"]) == 20
    assert min(values[channel] for channel in document["most"]) == values[order[4]]
    assert max(values[channel] for channel in document["least"]) == values[order[19]]


def test_values_are_means_over_the_other_channels(aspk: Aspk, trained: Path) -> None:
    document = aspk("analyze", "--subnet", "smallest", "--images", "5", "--json").document
    run = open_run(trained)
    subnet = run.recipe.space.search_space().smallest()
    rates = run.evaluator().embedding_rates(subnet, run.images("validation").first(5)).numpy()
    assert rates.shape == (5, 16, 4, 4)
    assert 0 <= rates.min() <= rates.max() <= 1
    matrix = channel_similarity(rates.astype(np.float64))
    expected = (matrix.sum(1) - 1) / 15
    assert document["ssim_by_channel"] == pytest.approx(expected.tolist(), abs=1e-9)


def test_a_table_for_a_reader(aspk: Aspk, searched: Path) -> None:
    done = aspk("analyze", "--subnet", "best", "--images", "3", "--channels", "2")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("Redundancy of the embedding of (")
    assert re.search(r"mean over all (16|24) channels: -?\d\.\d{3}; 3 validation images", done.stdout)
    assert len(re.findall(r"^ *[12] +\d+ +-?\d\.\d{4} +\d+ +-?\d\.\d{4} *$", done.stdout, re.MULTILINE)) == 2


def test_a_missing_run(aspk: Aspk) -> None:
    done = aspk("analyze")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: there is no run under runs\n  train one first: aspk train quickstart\n"
