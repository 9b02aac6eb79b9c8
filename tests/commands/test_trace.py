"""aspk train --trace: a file of trace events that a browser opens, written whole, and over no store."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.runs.step_trace import TRACED_STEPS, trace_document
from autospikformer_cli.store.supernet import load_checkpoint, weights_hash
from autospikformer_cli.training.step_times import STEP_PARTS, Span

Aspk = Callable[..., Any]
WORDS = (
    "train", "tiny.toml", "--set", "train.epochs=2", "--set", "train.warmup_epochs=0",
    "--set", "data.train_images=128", "--set", "train.batch=32", "--quiet",
)  # fmt: skip


def spans_of(content: str) -> list[dict[str, Any]]:
    """The complete events of a trace, checked as the format asks for."""
    document = json.loads(content)
    assert isinstance(document["traceEvents"], list)
    for event in document["traceEvents"]:
        assert event["ph"] in ("M", "X")
        assert isinstance(event["pid"], int)
    spans = [event for event in document["traceEvents"] if event["ph"] == "X"]
    for span in spans:
        assert isinstance(span["tid"], int)
        assert span["ts"] >= 0
        assert span["dur"] >= 0
    return spans


def test_the_parts_of_each_step_are_in_it(aspk: Aspk) -> None:
    assert aspk(*WORDS, "--run", "plain").exit_code == 0
    done = aspk(*WORDS, "--trace", "steps.json", "--json")
    assert done.exit_code == 0, done.stderr
    assert "step_times" not in done.document
    spans = spans_of(Path("steps.json").read_text())
    steps = [span for span in spans if span["name"] == "step"]
    assert [span["args"]["step"] for span in steps] == [1, 2, 3, 4, 5, 6, 7, 8]
    for step in steps:
        parts = [s for s in spans if s["args"]["step"] == step["args"]["step"] and s["name"] != "step"]
        assert {part["name"] for part in parts} == set(STEP_PARTS)
        assert [part["name"] for part in parts][:3] == ["data", "forward", "backward"]
        for part in parts:
            assert step["ts"] <= part["ts"]
            assert part["ts"] + part["dur"] <= step["ts"] + step["dur"] + 1e-3
        for before, after in pairwise(parts):
            assert before["ts"] + before["dur"] <= after["ts"] + 1e-3
    plain, traced = (load_checkpoint(Path("runs") / name) for name in ("plain", "tiny"))
    assert weights_hash(plain.weights) == weights_hash(traced.weights)


def test_with_timing_both_are_told(aspk: Aspk) -> None:
    done = aspk(*WORDS, "--trace", "steps.json", "--timing", "--json")
    assert done.document["step_times"]["steps"] == 8
    seconds = sum(s["dur"] for s in spans_of(Path("steps.json").read_text()) if s["name"] == "forward") / 1e6
    assert seconds == pytest.approx(done.document["step_times"]["forward_s"])


def test_events_by_hand() -> None:
    spans = [Span("data", 7, 2.0, 0.5), Span("forward", 7, 2.5, 1.0), Span("data", 8, 4.0, 0.25)]
    events = [event for event in trace_document(spans, "a title")["traceEvents"] if event["ph"] == "X"]  # type: ignore[attr-defined]
    assert [(e["name"], e["args"]["step"], e["ts"], e["dur"]) for e in events] == [
        ("step", 7, 0.0, 1.5e6), ("data", 7, 0.0, 0.5e6), ("forward", 7, 0.5e6, 1e6),
        ("step", 8, 2e6, 0.25e6), ("data", 8, 2e6, 0.25e6),
    ]  # fmt: skip


def test_it_has_the_first_steps_only(aspk: Aspk) -> None:
    few = [word.replace("batch=32", "batch=1") for word in WORDS]
    assert aspk(*few, "--trace", "steps.json").exit_code == 0
    steps = [span for span in spans_of(Path("steps.json").read_text()) if span["name"] == "step"]
    assert len(steps) == TRACED_STEPS < 256


def test_a_finished_run_has_nothing_to_trace(aspk: Aspk) -> None:
    assert aspk(*WORDS).exit_code == 0
    done = aspk(*[word for word in WORDS if word != "--quiet"], "--trace", "steps.json")
    assert done.exit_code == 0
    assert "no step was trained, so steps.json is not written\n" in done.stderr
    assert not Path("steps.json").exists()


def test_what_cannot_be_written_is_said_before_the_training(aspk: Aspk, own_folder: Path) -> None:
    assert aspk(*WORDS).exit_code == 0
    store = Path("runs/tiny/supernet.h5")
    before = store.read_bytes()
    Path("folder").mkdir()
    for path, what in (
        (store, "this file holds results of a run"),
        (Path("folder"), "this is a folder"),
        (Path("absent/steps.json"), "there is no folder absent"),
    ):
        done = aspk(*WORDS, "--run", "other", "--trace", path)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith("error: ")
        assert what in done.stderr
    assert store.read_bytes() == before
    assert not Path("runs/other").exists()


def test_a_fifo_is_written_into(aspk: Aspk) -> None:
    """As every file that a command writes."""
    os.mkfifo("pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text()))
    reader.start()
    assert aspk(*WORDS, "--trace", "pipe").exit_code == 0
    reader.join()
    assert len([span for span in spans_of(read[0]) if span["name"] == "step"]) == 8
    assert Path("pipe").is_fifo()
