"""`aspk runs`: a table for a reader, a document for a program."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from autospikformer_cli.cli.session import Session
from autospikformer_cli.commands.runs import list_all, show_searches
from autospikformer_cli.store.population import Population, save_population
from autospikformer_cli.store.searches import make_present
from autospikformer_cli.store.supernet import Checkpoint, save_checkpoint

NOON = datetime(2025, 3, 1, 12, 0).astimezone()


@pytest.fixture
def two_runs(runs: Path, population: Population, make_checkpoint: Callable[..., Checkpoint]) -> None:
    for name, seconds in (("[old]", 60), ("new", 0)):
        (runs / name).mkdir()
        save_checkpoint(runs / name, make_checkpoint(finished=True))
        save_population(runs / name, population)
        for store in ("supernet.h5", "searches/first.h5"):
            os.utime(runs / name / store, (NOON.timestamp() - seconds,) * 2)
    (runs / "[old]" / "supernet.h5").write_bytes(b"")
    os.utime(runs / "[old]" / "supernet.h5", (NOON.timestamp() - 60,) * 2)


@pytest.mark.usefixtures("two_runs")
def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    list_all(Session())
    shown = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert [cells for cells in shown if cells] == [
        ["new", "quickstart", "searching, generation 4 of 20", "1", "2025-03-01 12:00", "80.00 % on validation"],
        ["[old]", "–", "damaged (supernet.h5)", "0", "2025-03-01 11:59", "–"],
    ]


@pytest.mark.usefixtures("two_runs")
def test_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    list_all(Session(json=True))
    listed = json.loads(capsys.readouterr().out)["runs"]
    assert listed[0] == {
        "name": "new",
        "recipe": "quickstart",
        "state": "searching, generation 4 of 20",
        "date": NOON.isoformat(timespec="seconds"),
        "best_top1": 80.0,
        "split": "validation",
        "best_search": "first",
        "searches": 1,
    }
    assert (listed[1]["recipe"], listed[1]["best_top1"]) == (None, None)


@pytest.mark.usefixtures("runs")
def test_nothing_to_list(capsys: pytest.CaptureFixture[str]) -> None:
    list_all(Session())
    assert capsys.readouterr().out == "there is no run under runs; train one first: aspk train quickstart\n"
    list_all(Session(json=True))
    assert json.loads(capsys.readouterr().out) == {"schema_version": 1, "runs": []}


@pytest.mark.usefixtures("two_runs")
def test_the_searches_of_a_run(capsys: pytest.CaptureFixture[str], population: Population) -> None:
    save_population(Path("runs/new"), replace(population, name="other", state={"generation": 1, "finished": True}))
    make_present(Path("runs/new"), "first")
    (Path("runs/new/searches") / "torn.h5").write_bytes(b"")
    show_searches(Session(json=True), Path("new"))
    document = json.loads(capsys.readouterr().out)
    assert document["run"] == "runs/new"
    columns = ("name", "present", "state", "candidates", "rejected", "best_top1", "images", "engine")
    assert [[search[each] for each in columns] for search in document["searches"]] == [
        ["first", True, "searching, generation 4 of 20", 3, 1, 80.0, 250, "dense"],
        ["other", False, "searched", 3, 1, 80.0, 250, "dense"],
        ["torn", False, "damaged (searches/torn.h5)", 0, None, None, None, None],
    ]
    show_searches(Session(), Path("new"))
    text = capsys.readouterr().out
    assert text.splitlines()[0].strip() == "Searches of runs/new"
    assert "first *" in text
    assert "other *" not in text
    assert "3 (1 rejected)" in text
