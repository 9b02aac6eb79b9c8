"""evaluate --timing: by stage both engines' times, its input and its work; and when there is nothing to compare."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from autospikformer_cli.engine.timing import StageTiming
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.report.timing_table import timing_document, timing_table
from autospikformer_cli.store.evaluations import load_evaluations

Aspk = Callable[..., Any]
STAGES = [
    *("patch_embed.proj_conv", "patch_embed.proj_conv1", "patch_embed.proj_conv2", "patch_embed.proj_conv3"),
    *("patch_embed.maxpool3", "patch_embed.rpe_conv"),
    *("block.0.attn.q_linear, k_linear, v_linear", "block.0.attn.k@v, q@(k@v)", "block.0.attn.proj_linear"),
    *("block.0.mlp.fc1_linear", "block.0.mlp.fc2_linear", "head"),
]
"""Of one block, where the last convolution alone is pooled."""


def layers_of(stage: str) -> list[str]:
    """The layers whose counts a stage has; the attention products as executed on 16 tokens and heads 8 wide."""
    first, *others = stage.split(", ")
    return [first, *(f"block.0.attn.{name}" for name in others)]


def an_image(measured: Measurement, kind: str, layers: list[str]) -> float:
    """Events or passes of some layers and one image, as the evaluation counted them."""
    return sum(sum(getattr(c, kind)) for c in measured.synapses if c.operation in layers) / measured.images


def test_a_profile_counts_what_the_evaluation_does(aspk: Aspk, trained: Path) -> None:
    """32 images are one batch, so all passes are over the images that were evaluated."""
    options = ("--subnet", "smallest", "--images", "32", "--json")
    document = aspk("evaluate", *options, "--timing", "--quiet").document
    stages = document.pop("timing")
    assert [stage["stage"] for stage in stages] == STAGES
    assert document == aspk("evaluate", *options).document

    measured = load_evaluations(trained)[0].measurement
    rates = {count.layer: count for count in measured.inputs}
    spikes = {count.layer: sum(count.spikes) / measured.images for count in measured.spikes}
    for stage in stages:
        assert stage["event_driven_s"] > 0
        assert stage["ratio"] == pytest.approx(stage["dense_s"] / stage["event_driven_s"])
        name, layers = stage["stage"], layers_of(stage["stage"])
        assert stage["layers"] == ([] if "maxpool" in name else layers)
        reads_spikes = name not in (STAGES[0], "patch_embed.maxpool3", "head")
        assert (stage["synaptic_events"] is not None) == (stage["input_rate"] is not None) == reads_spikes
        if reads_spikes:
            assert stage["synaptic_events"] == an_image(measured, "events", layers) > 0
            assert stage["passes"] == an_image(measured, "passes", layers)
            assert stage["passes"] <= stage["synaptic_events"]
        if reads_spikes and "k@v" not in name:
            count = rates[layers[0]]
            assert stage["input_rate"] == pytest.approx(count.rate)
            assert stage["nonzero_rate"] == pytest.approx(sum(count.nonzeros) / (count.size * len(count.nonzeros)))
    emitted = [stage["spikes"] for stage in stages if stage["spikes"] is not None]
    assert sum(emitted) == pytest.approx(sum(spikes.values()))


def test_a_profile_for_a_reader(aspk: Aspk, trained: Path) -> None:
    done = aspk("evaluate", "--subnet", "smallest", "--images", "70", "--timing", "--threads", "1")
    assert done.exit_code == 0, done.stderr
    assert "timing: 6/6 passes" in done.stderr
    words = " ".join(done.stdout.split())
    assert "Where the time of (1, 2, 2, 1, 2, 2, 16) goes" in words
    assert "medians of 5 passes of 32 images, over the first 64 test images in turn, on 1 thread" in words
    rows = [re.split("  +", line)[0] for line in done.stdout.splitlines()]
    assert " ".join(STAGES) in " ".join(rows)


def test_stages_that_do_not_profit_are_named() -> None:
    fast = StageTiming("fast", 1e-3, 4e-3, 0.1, 0.1, 2000.0, 2000.0, 10.0)
    dense = StageTiming("dense", 3e-3, 1e-3, 0.6, 0.5, 6000.0, 5000.0, 20.0)
    real = StageTiming("real", 2e-3, 1e-3, None, None, None, None, 5.0)
    assert [stage["ratio"] for stage in timing_document([fast, dense])] == pytest.approx([4, 1 / 3])
    text = rendered([fast, dense, real])
    assert "fires too densely to profit (ratio below 1): dense\n" in text
    assert "slower, with no spikes to skip: real\n" in text
    total = next(line.split() for line in text.splitlines() if line.startswith("total"))
    assert total == ["total", "6.000", "6.000", "1.00", "8.000", "k", "7.000", "k", "35"]
    assert "every stage profits (no ratio below 1)" in rendered([fast])


def test_a_narrow_terminal_cuts_no_number() -> None:
    wide = StageTiming("block.10.attn.proj_linear", 1.234567, 2.345678, 0.123, 0.123, 123.4e6, 123.4e6, 123.4e3)
    text = rendered([wide], 80)
    assert "…" not in text
    assert text.count("1234.567") == text.count("2345.678") == 2


def rendered(stages: list[StageTiming], width: int = 120) -> str:
    written = io.StringIO()
    Console(file=written, width=width).print(timing_table("Where the time goes", stages))
    return "".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines())


def test_there_must_be_two_engines(aspk: Aspk, trained: Path) -> None:
    done = aspk("evaluate", "--subnet", "largest", "--timing", "--engine", "dense")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: --timing: the dense engine alone has nothing to be compared with\n  leave out --engine dense\n"
    )
    assert load_evaluations(trained) == ()


def test_an_ann_has_no_profile(aspk: Aspk) -> None:
    ann = ("--set", 'model.network="transformer"', "--set", "train.epochs=1", "--set", "train.warmup_epochs=0")
    assert aspk("train", "tiny.toml", *ann, "--quiet").exit_code == 0
    done = aspk("evaluate", "--subnet", "largest", "--timing")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: --timing: the event-driven engine cannot run an ANN, which has no events\n  leave it out\n"
    )
