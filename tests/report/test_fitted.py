"""A table that fits: what gives way first, what is said of it, and a list where nothing helps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rich.console import RenderableType

from autospikformer_cli.report.fitted import FittedColumn, FittedTable

COLUMNS = {
    "name": FittedColumn("Name", ["first", "second"], is_number=False),
    "interval": FittedColumn("Acc (%)", ["97.22 (95.0–98.5)", "98.61 (96.8–99.4)"], short=["97.22", "98.61"]),
    "params": FittedColumn("Params", ["120.4 k", "93.1 k"]),
}
TABLE = FittedTable("Title", COLUMNS, ("interval", "params"), notes=["a note"])
Render = Callable[[RenderableType, int], list[str]]


@pytest.mark.parametrize(
    ("width", "row", "left_out"),
    [
        (40, "first   97.22 (95.0–98.5)  120.4 k", ""),
        (30, "first     97.22  120.4 k", ""),
        (20, "first     97.22", "not shown at this width: Params"),
        (8, "Name: first", ""),
    ],
)
def test_cells_are_shortened_before_columns_are_left_out(render: Render, width: int, row: str, left_out: str) -> None:
    lines = render(TABLE, width)
    text = " ".join(" ".join(lines).split())
    assert (row in lines) == (width > 8)
    assert ("not shown" in text) == bool(left_out)
    assert left_out in text
    assert text.endswith("a note")
    for value in ("97.22", "98.61"):
        assert value in text
    if width == 8:
        assert "120.4 k" in text
        assert max(map(len, lines)) <= 8


def test_a_folded_column_takes_what_is_left(render: Render) -> None:
    genes = FittedColumn("Candidate", ["(1, 4, 2, 1, 2, 4, 32)"], is_number=False, folds=True)
    table = FittedTable("T", {"genes": genes, "top1": FittedColumn("Acc", ["97.22"])}, ("genes",))
    assert render(table, 40)[-1] == "(1, 4, 2, 1, 2, 4, 32)  97.22"
    assert [line.strip() for line in render(table, 25)[-2:]] == ["(1, 4, 2, 1, 2, 4,  97.22", "32)"]
    assert render(table, 15)[3:] == ["97.22", "not shown at", "this width:", "Candidate"]
