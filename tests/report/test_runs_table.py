"""The searches of a run: their names are never broken, and how they were measured is said once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from rich.console import RenderableType

from autospikformer_cli.measurement import Provenance
from autospikformer_cli.report.runs_table import SearchesTable
from autospikformer_cli.runs.listing import SearchSummary

Render = Callable[[RenderableType, int], list[str]]
NOON = datetime(2025, 3, 1, 12, 0).astimezone()
LONG = "evolution-alpha0.5-seed0-params20000-energy1e_06-mutation_one_gene-p_mu-961f031a"


def summary(name: str, images: int = 359, present: bool = False) -> SearchSummary:
    measured = Provenance("validation", "0", images, "0", 128, "recalibrate", "sound", "0", "float32", "cpu", 30)
    return SearchSummary(name, present, "searched", NOON, 320, 3, 98.333, measured, "c0198", 97.772)


def damaged(name: str) -> SearchSummary:
    return SearchSummary(name, False, f"damaged (searches/{name}.h5)", NOON)


def test_how_they_were_measured_is_said_once(render: Render) -> None:
    lines = render(SearchesTable("Searches of x", [summary("first", present=True), summary("other")]), 80)
    rows = [line.split() for line in lines[3:5]]
    assert rows == [
        ["first", "*", "searched", "320", "(3", "rejected)", "c0198", "(97.77", "%)", "98.33", "%"],
        ["other", "searched", "320", "(3", "rejected)", "c0198", "(97.77", "%)", "98.33", "%"],
    ]
    told = [line for line in lines if line.startswith("measured")]
    assert told == ["measured: 359 validation images, BatchNorm recalibrate, dense, float32, cpu"]


def test_no_accuracy_looks_like_that_of_another_candidate(render: Render) -> None:
    """The chosen one has its own accuracy next to it, and the heads say whose the other one is."""
    lines = render(SearchesTable("Searches of x", [summary("first")]), 80)
    assert lines[1].split() == ["Search", "State", "Candidates", "Chosen", "Highest", "top-1"]
    note = "chosen: by the search, with its top-1; highest top-1: of its most accurate candidate, often another one"
    assert note in " ".join(lines)


def test_searches_that_were_measured_otherwise_are_numbered(render: Render) -> None:
    listed = [summary("first"), summary("other", images=60), damaged("torn")]
    lines = render(SearchesTable("Searches of x", listed), 100)
    assert [line.split()[-1] for line in lines[3:6]] == ["(1)", "(2)", "–"]
    assert "measured (2): 60 validation images, BatchNorm recalibrate, dense, float32, cpu" in lines
    assert not any(line.startswith("*") for line in lines)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_name_is_not_broken(render: Render, width: int) -> None:
    """Where a table has no room for it, it has a line of its own."""
    lines = render(SearchesTable("Searches of x", [summary(LONG, present=True), summary("x"), damaged("torn")]), width)
    assert {LONG, "x", "torn"} < set(lines)
    text = " ".join(" ".join(lines).split())
    assert (
        f"{LONG} * searched, candidates 320 (3 rejected), chosen c0198 (97.77 %), highest top-1 98.33 % x searched"
        in text
    )
    assert "torn damaged (searches/torn.h5), candidates 0" in text


def test_a_name_that_is_longer_than_the_console_loses_nothing(render: Render) -> None:
    lines = render(SearchesTable("Searches of x", [summary(LONG)]), 50)
    assert "".join(lines[1:3]) == LONG
