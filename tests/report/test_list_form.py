"""A console that is too narrow for a table gets a list. No number loses a digit on any console."""

from __future__ import annotations

import re
from collections import Counter
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.text import Text

from autospikformer_cli.report.list_form import is_cut
from autospikformer_cli.report.tables import PageTable, plain_table

NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")


def shown(table: RenderableType, width: int) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def energies() -> PageTable:
    table = plain_table("Pareto front: 2 of 320", "p < 0.05")
    table.add_column("Id", no_wrap=True, overflow="fold")
    table.add_column("Energy\n(µJ)", justify="right", no_wrap=True, overflow="fold")
    table.add_column("Acc (%)", justify="right", no_wrap=True, overflow="fold")
    table.add_row("c0066", "0.2998", "96.10 (93.6–97.7)")
    table.add_row("c0314", "0.3412", Text("96.38 (94.0–97.9)"))
    return table


def test_it_is_a_table_as_long_as_it_fits() -> None:
    fitting = [width for width in range(12, 60) if "Id: c0066" not in shown(energies(), width)]
    assert fitting == list(range(fitting[0], 60))
    lines = [line.rstrip() for line in shown(energies(), fitting[0]).splitlines()]
    assert lines[-2].split() == ["c0314", "0.3412", "96.38", "(94.0–97.9)"]
    assert max(map(len, lines)) == fitting[0]


def test_the_list() -> None:
    assert [line.rstrip() for line in shown(energies(), 24).splitlines()] == [
        "Pareto front: 2 of 320",
        "",
        "Id: c0066",
        "Energy (µJ): 0.2998",
        "Acc (%): 96.10",
        "(93.6–97.7)",
        "",
        "Id: c0314",
        "Energy (µJ): 0.3412",
        "Acc (%): 96.38",
        "(94.0–97.9)",
        "",
        "p < 0.05",
    ]


def test_a_table_without_heads_is_a_list_of_facts() -> None:
    grid = PageTable.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("accuracy", "98.3286 %")
    assert shown(grid, 19) == "accuracy  98.3286 %\n"
    assert [line.rstrip() for line in shown(grid, 14).splitlines()] == ["accuracy:", "98.3286 %"]


@pytest.mark.parametrize("width", [1, 3, 7])
def test_a_number_longer_than_a_line_goes_on_in_the_next(width: int) -> None:
    text = shown(energies(), width)
    digits = "".join(re.findall(r"\d", text))
    assert digits == "".join(re.findall(r"\d", "2 320 0066 0.2998 96.10 93.6 97.7 0314 0.3412 96.38 94.0 97.9 0.05"))


numbers = st.decimals(0, 10**9, places=3).map(str) | st.integers(0, 10**9).map("{:,}".format)


@settings(max_examples=60)
@given(
    st.integers(2, 5).flatmap(
        lambda num: st.lists(st.lists(numbers, min_size=num, max_size=num), min_size=1, max_size=4)
    ),
    st.booleans(),
    st.integers(16, 110),
    st.booleans(),
)
def test_every_number_is_whole(rows: list[list[str]], no_wrap: bool, width: int, framed: bool) -> None:
    """The longest has 13 characters, and a frame takes 4."""
    table = plain_table("title")
    for place in range(len(rows[0]) if rows else 1):
        table.add_column(f"h{place}", no_wrap=no_wrap, overflow="fold" if place % 2 else "ellipsis", justify="right")
    for row in rows:
        table.add_row(*row)
    text = shown(Panel(table) if framed and width > 17 else table, width)
    expected = Counter(number for row in rows for cell in row for number in NUMBERS.findall(cell))
    assert not expected - Counter(NUMBERS.findall(text))


def test_what_is_cut() -> None:
    table = energies()
    whole = shown(table, 60)
    assert not is_cut(table, whole, 60)
    assert is_cut(table, whole.replace("0.2998", "0.299"), 60)
    assert is_cut(table, whole.replace("Energy", "Energ"), 60)
    assert is_cut(table, whole.replace("c0066", "c0…"), 60)
    assert is_cut(table, whole, 20)
