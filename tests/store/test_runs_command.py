"""`aspk runs`: a table for a reader, a document for a program."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import h5py
import numpy as np
import pytest

from autospikformer_cli.cli.session import Session
from autospikformer_cli.commands.runs import list_all, show_searches
from autospikformer_cli.errors import UserError
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.evaluations import Evaluation, append_evaluation
from autospikformer_cli.store.population import (
    HypervolumeHistory,
    Population,
    load_population,
    read_search,
    save_population,
)
from autospikformer_cli.store.searches import make_present
from autospikformer_cli.store.similarity import Similarity, save_similarity
from autospikformer_cli.store.soundness import require_sound
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
        "damaged": [],
    }
    assert listed[1]["damaged"] == ["supernet.h5"]
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


SEARCH = "searches/first.h5"


def cut(run: Path, file: str) -> None:
    content = (run / file).read_bytes()
    (run / file).write_bytes(content[: len(content) * 9 // 10])


def without(member: str) -> Callable[[Path, str], None]:
    def remove(run: Path, file: str) -> None:
        with h5py.File(run / file, "r+") as opened:
            del opened[member]

    return remove


def changed(member: str) -> Callable[[Path, str], None]:
    def add_one(run: Path, file: str) -> None:
        with h5py.File(run / file, "r+") as opened:
            array = opened[member][...]
            array.flat[0] += 1
            opened[member][...] = array

    return add_one


@pytest.fixture
def whole_run(run: Path, population: Population, subnet: Subnet, make_checkpoint: Callable[..., Checkpoint]) -> Path:
    """A run with one file of each kind."""
    save_checkpoint(run, make_checkpoint(finished=True))
    save_population(run, replace(population, hypervolume=HypervolumeHistory((0.5,), {})))
    assert population.baseline is not None
    measured = population.baseline.measurement
    evaluation = Evaluation(subnet, "test", population.provenance, measured, None, "2025-03-01", "seed = 3")
    append_evaluation(run, evaluation, recipe_name="quickstart")
    save_similarity(run, Similarity(subnet, np.eye(3), "validation", 9, "dense", 3, "seed = 3"))
    return run


@pytest.mark.parametrize(
    ("file", "harm"),
    [
        *((file, cut) for file in ("supernet.h5", SEARCH, "evaluations.h5", "similarity.h5")),
        *(("supernet.h5", without(name)) for name in ("weights/head.weight", "optimizer", "history/loss", "state")),
        *(
            (SEARCH, without(name))
            for name in ("layers/macs", "spikes", "synapses/events", "answers/bits", "layer_names", "candidates/subnet",
                         "candidates/generation", "baseline", "baseline/layers/step", "hypervolume/share", "recipe")
        ),
        *(("evaluations.h5", without(name)) for name in ("candidates/finetuned", "spikes/neurons")),
        ("similarity.h5", without("matrix")),
        (SEARCH, changed("candidates/correct")),
    ],
)  # fmt: skip
def test_damage_shows_in_the_list(
    whole_run: Path, capsys: pytest.CaptureFixture[str], file: str, harm: Callable[[Path, str], None]
) -> None:
    list_all(Session(json=True))
    assert json.loads(capsys.readouterr().out)["runs"][0]["damaged"] == []
    harm(whole_run, file)
    list_all(Session(json=True))
    assert json.loads(capsys.readouterr().out)["runs"][0]["damaged"] == [file]
    list_all(Session())
    shown = "".join(capsys.readouterr().out.split())
    assert "damaged" in shown
    if file != "supernet.h5":
        show_searches(Session(json=True), whole_run)
        document = json.loads(capsys.readouterr().out)
        (search,) = document["searches"]
        assert (search["state"] == f"damaged ({file})") == (file == SEARCH)
        assert [each["file"] for each in document["unusable"]] == [file] * (file != SEARCH)


@pytest.mark.parametrize(
    ("file", "member"),
    [
        ("supernet.h5", "weights/head.weight"),
        (SEARCH, "layers/input_sum"),
        ("evaluations.h5", "layers/macs"),
        ("similarity.h5", "matrix"),
    ],
)
def test_an_array_that_is_another_one_shows_in_the_list_of_its_run(
    whole_run: Path, capsys: pytest.CaptureFixture[str], file: str, member: str
) -> None:
    changed(member)(whole_run, file)
    show_searches(Session(), whole_run)
    shown = " ".join(capsys.readouterr().out.split())
    if file == SEARCH:
        assert "damaged (searches/first.h5)" in shown
    else:
        assert f"! {file}: damaged, '{member}' does not match its SHA-256" in shown


def test_every_array_that_is_written_is_required(whole_run: Path) -> None:
    """So a column that is added to a file is added there, too. What older files lack is not required."""
    later = {"name", "origin", "plugin_objectives", "timing"}
    files = (("supernet.h5", "supernet"), (SEARCH, "population"), ("similarity.h5", "similarity"))
    not_missed = []
    for file, kind in files:
        content = (whole_run / file).read_bytes()
        for name in datasets(whole_run / file):
            without(name)(whole_run, file)
            with suppress(UserError):
                require_sound(whole_run / file, kind)
                not_missed.append(name)
            (whole_run / file).write_bytes(content)
    assert {name for name in not_missed if "objectives/" not in name} == later & set(not_missed)


def datasets(path: Path) -> list[str]:
    found: list[str] = []
    with h5py.File(path) as opened:
        opened.visititems(lambda name, each: found.append(name) if isinstance(each, h5py.Dataset) else None)
    return found


def test_a_file_that_was_renamed_by_hand(
    whole_run: Path, capsys: pytest.CaptureFixture[str], population: Population
) -> None:
    folder = whole_run / "searches"
    (folder / "first.h5").rename(folder / "mine.h5")
    (folder / "mine (copy).h5").write_bytes((folder / "mine.h5").read_bytes())
    (folder / ".host.1.00000000.tmp.mine.h5").write_bytes(b"")
    show_searches(Session(json=True), whole_run)
    document = json.loads(capsys.readouterr().out)
    assert [(each["name"], each["written_as"]) for each in document["searches"]] == [("mine", "first")]
    rule = "letters, digits and . _ + -, first a letter or digit; not population-N"
    assert document["unusable"] == [
        {"file": "searches/mine (copy).h5", "what": f"its name is none of a search, rename it: {rule}"}
    ]
    show_searches(Session(), whole_run)
    shown = " ".join(capsys.readouterr().out.split())
    assert "! mine was written as first: its file was renamed, or copied" in shown
    assert "! searches/mine (copy).h5: its name is none of a search" in shown
    with pytest.raises(UserError, match="its file was renamed, it is now --search mine"):
        load_population(whole_run, "first")
    with pytest.raises(UserError, match=r"mine \(copy\).h5 has a name that is none of a search; rename it"):
        load_population(whole_run, "mine (copy)")
    save_population(whole_run, load_population(whole_run, "mine"))
    assert read_search(whole_run, "mine").written_as is None
    assert replace(population, name="mine", hypervolume=HypervolumeHistory((0.5,), {})) == load_population(whole_run)
