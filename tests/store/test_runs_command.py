"""`aspk runs`: a table for a reader, a document for a program."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from autospikformer_cli.cli.session import Session
from autospikformer_cli.commands.runs import runs as runs_command
from autospikformer_cli.store.population import Population, save_population
from autospikformer_cli.store.supernet import Checkpoint, save_checkpoint

NOON = datetime(2025, 3, 1, 12, 0).astimezone()


@pytest.fixture
def two_runs(runs: Path, population: Population, make_checkpoint: Callable[..., Checkpoint]) -> None:
    for name, seconds in (("[old]", 60), ("new", 0)):
        (runs / name).mkdir()
        save_checkpoint(runs / name, make_checkpoint(finished=True))
        save_population(runs / name, population)
        for store in (runs / name).iterdir():
            os.utime(store, (NOON.timestamp() - seconds,) * 2)
    (runs / "[old]" / "supernet.h5").write_bytes(b"")
    os.utime(runs / "[old]" / "supernet.h5", (NOON.timestamp() - 60,) * 2)


@pytest.mark.usefixtures("two_runs")
def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    runs_command(Session())
    shown = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert [cells for cells in shown if cells] == [
        ["new", "quickstart", "searching, generation 4 of 20", "2025-03-01 12:00", "80.40 % on validation"],
        ["[old]", "-", "damaged (supernet.h5)", "2025-03-01 11:59", "-"],
    ]


@pytest.mark.usefixtures("two_runs")
def test_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    runs_command(Session(json=True))
    listed = json.loads(capsys.readouterr().out)["runs"]
    assert listed[0] == {
        "name": "new",
        "recipe": "quickstart",
        "state": "searching, generation 4 of 20",
        "date": NOON.isoformat(timespec="seconds"),
        "best_top1": 80.4,
        "split": "validation",
    }
    assert (listed[1]["recipe"], listed[1]["best_top1"]) == (None, None)


@pytest.mark.usefixtures("runs")
def test_nothing_to_list(capsys: pytest.CaptureFixture[str]) -> None:
    runs_command(Session())
    assert capsys.readouterr().out == "there is no run under runs; train one first: aspk train quickstart\n"
    runs_command(Session(json=True))
    assert json.loads(capsys.readouterr().out) == {"runs": []}
