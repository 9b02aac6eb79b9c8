"""aspk analyze: mean SSIM of the embedding's channels."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

from autospikformer_cli.analysis.redundancy import channel_similarity
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.runs.trained_run import open_run

Aspk = Callable[..., Any]

TINY_OF_ONE = """\
extends = "quickstart"
[space]
embed_dim = [1, 8]
num_heads = [1]
[train]
epochs = 1
warmup_epochs = 0
validation_images = 20
"""


def test_the_document(aspk: Aspk, trained: Path) -> None:
    document = aspk("analyze", "--images", "12", "--json").document
    assert set(document) == {
        "schema_version", "origin", "subnet", "split", "images", "engine", "mean_ssim", "ssim_by_channel", "most",
        "least", "order", "matrix", "fidelity", "switches", "resolved",
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
    assert document["most"] == order[:-21:-1]
    assert document["least"] == order[:20]


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
    assert np.array(document["matrix"]) == pytest.approx(matrix, abs=0)
    tau = kendalltau(range(16), expected, alternative="greater")
    assert document["order"]["kendall_tau"] == pytest.approx(tau.statistic)
    assert document["order"]["p_higher"] == pytest.approx(tau.pvalue)


def test_a_table_for_a_reader(aspk: Aspk, searched: Path) -> None:
    done = aspk("analyze", "--subnet", "best", "--images", "3", "--channels", "2")
    said = "no analysis is named, so this is aspk analyze channels; others: blocks, genes, spikes, ranking\n"
    assert (done.exit_code, done.stderr) == (0, said)
    assert done.stdout.startswith("Redundancy of the embedding of (")
    assert re.search(r"mean over all (16|24) channels: -?\d\.\d{3}; 3 validation images", done.stdout)
    assert "most of the redundant channels are found at higher-order channels" in " ".join(done.stdout.split())
    assert re.search(
        r"Kendall's tau-b of channel and mean SSIM -?\d\.\d{3}: p [=<] \S+ that higher channels are more redundant, "
        r"p [=<] \S+ that lower ones are \(exact permutation tests, one-sided\)",
        " ".join(done.stdout.split()),
    )
    assert len(re.findall(r"^ *[12] +\d+ +-?\d\.\d{4} +\d+ +-?\d\.\d{4} *$", done.stdout, re.MULTILINE)) == 2


@pytest.mark.parametrize(("width", "mm"), [((), 85), (("--width", "double"), 174)])
def test_the_picture_is_that_of_the_report(aspk: Aspk, trained: Path, width: tuple[str, ...], mm: int) -> None:
    done = aspk("analyze", "channels", "--images", "3", "--figure", "own.svg", *width)
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"figure: own.svg, {mm} x " in done.stdout
    assert aspk("report", "--figure", "similarity", "--to", "report.svg", *width).exit_code == 0
    assert Path("own.svg").read_bytes() == Path("report.svg").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--figure", "a.gif"), "error: a.gif: a picture is written as .png, .svg or .pdf, not as .gif"),
        (("--figure", "a"), "error: a: a picture is written as .png, .svg or .pdf, not as a file without a suffix"),
        (("--figure", "nowhere/a.png"), "error: nowhere/a.png: there is no folder nowhere"),
        (("--figure", "folder.png"), "error: folder.png: a folder of this name is there"),
        (("--figure", "a.png", "--width", "wide"), "error: --width: 'wide' is no width"),
        (("--width", "double"), "error: --width: it acts on figures only"),
    ],
)
def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_read(
    aspk: Aspk, words: tuple[str, ...], said: str
) -> None:
    """There is not even a run."""
    Path("folder.png").mkdir()
    done = aspk("analyze", "channels", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(said)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc, in which nobody may write")
def test_a_disk_that_refuses_is_found_before_anything_is_read(aspk: Aspk) -> None:
    done = aspk("analyze", "channels", "--figure", "/proc/a.png")
    assert done.stderr.startswith("error: /proc/a.png: cannot be written: ")


def test_a_network_with_one_channel_has_no_redundancy(aspk: Aspk) -> None:
    Path("one.toml").write_text(TINY_OF_ONE)
    assert aspk("train", "one.toml").exit_code == 0
    done = aspk("analyze", "channels", "--subnet", "smallest")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: --subnet: a single channel is similar to no other")


def test_a_missing_run(aspk: Aspk) -> None:
    done = aspk("analyze")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: there is no run under runs\n  train one first: aspk train quickstart\n"
