"""The paper's tables cell by cell, and each format of a table: as a reader of that format understands it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tomli
from markdown_it import MarkdownIt

from autospikformer_cli.errors import UserError
from autospikformer_cli.report.literature import LITERATURE_COLUMNS
from autospikformer_cli.report.own_tables import literature_sheet
from autospikformer_cli.report.paper import paper_document
from autospikformer_cli.report.rows import CandidateRow
from autospikformer_cli.report.sheets import Footnote, Sheet, SheetColumn, SheetRow
from autospikformer_cli.report.table_formats import (
    TABLE_FORMATS,
    chosen_format,
    csv_table,
    latex_table,
    markdown_table,
    table_document,
    text_table,
    written_table,
)
from autospikformer_cli.report.table_notes import mark_notes
from autospikformer_cli.space import parse_subnet

SHARED = Path(os.environ.get("ASPK_SHARED") or Path(__file__).resolve().parents[3] / "shared")
FIGURES = SHARED / "paper" / "tables.toml"
NAMES = tuple(LITERATURE_COLUMNS)
NASTY = r"a|b_c & 50 % <i>~{x}^\ $#µ×`*[l](u) “q” "
HOSTILE = Sheet(
    "front",
    f"Title {NASTY}",
    [
        SheetColumn("id", "Id"), SheetColumn("energy", "Energy", "µJ", is_number=True),
        SheetColumn("top1", "Acc", "%", is_number=True),
    ],
    [
        SheetRow("paper", {"id": NASTY, "energy": "0.50", "top1": "75.4"}, {"id": "a", "top1": "*"}),
        SheetRow("yours", {"id": 'x "y" z, w', "energy": "10/5"}),
    ],
    [Footnote("a", f"note {NASTY}"), Footnote("*", "starred"), Footnote("", "whole")],
    "cited",
)  # fmt: skip

WIDE = Sheet(
    "finish",
    "Title",
    [SheetColumn("id", "Id"), *(SheetColumn(f"n{n}", f"Number {n}", "points", is_number=True) for n in range(14))],
    [SheetRow("yours", {"id": "c0123", **{f"n{n}": "1234.56" for n in range(14)}})],
)


def names(cells: dict[str, str]) -> dict[str, str]:
    return {key: text for key, text in cells.items() if key != "source"}


def printed(name: str) -> list[dict[str, str]]:
    return [names(dict(row.cells)) for row in literature_sheet(name).rows]


def text_of(values: Any) -> str:
    return ", ".join(map(str, values))


def expected(figures: dict[str, Any], name: str) -> Iterator[dict[str, str]]:
    """The cells that a row of tables.toml has, as it writes them."""
    groups = {"pareto": "Pareto", "top20": "top", "top": "top", "baseline": "baseline"}
    for row in figures[name]:
        cells = {
            short: str(row[key])
            for key, short in {
                "method": "method", "architecture": "architecture", "params_m": "params", "energy_mj": "energy",
                "time_step": "time_step", "cifar10": "cifar10", "cifar100": "cifar100", "top1": "top1", "name": "name",
                "firing_rate": "firing_rate",
            }.items()
            if key in row
        }  # fmt: skip
        if "groups" in row:
            cells["group"] = ", ".join(groups[group] for group in row["groups"])
            if row["groups"] == ["baseline"]:
                cells["name"] = "Spikformer 4-384"
        if name == "table2":
            cells |= {"threshold": text_of(row["threshold"]), "tau": text_of(row["tau"])}
        if name == "table3":
            cells["candidate"] = f"({text_of(row['candidate'])})"
            cells |= {"part": {"transformer_small": "A", "transformer_large": "B"}.get(row["space"], "")}
        if name == "table4":
            cells["design"] = row.get("design", "manual")
        if name == "table5":
            cells["spikes"] = "yes" if row["spikes"] else "no"
            for dataset in ("cifar10dvs", "dvs128"):
                for key in ("time_step", "top1"):
                    if key in row.get(dataset, {}):
                        cells[f"{dataset}_{key}"] = str(row[dataset][key])
        yield {key: text for key, text in cells.items() if text}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.skipif(not FIGURES.is_file(), reason="no figures of the paper: ../shared/paper/tables.toml is absent")
def test_the_paper_prints_cell_by_cell(name: str) -> None:
    figures = tomli.loads(FIGURES.read_text(encoding="utf-8"), parse_float=Decimal)
    assert printed(name) == list(expected(figures, name))


@pytest.mark.skipif(not FIGURES.is_file(), reason="no figures of the paper: ../shared/paper/tables.toml is absent")
def test_augmentation_is_marked_where_the_paper_marks_it() -> None:
    figures = tomli.loads(FIGURES.read_text(encoding="utf-8"))["table5"]
    for row, figure in zip(literature_sheet("table5").rows, figures, strict=True):
        starred = [key for key, mark in row.marks.items() if mark == "*"]
        assert starred == [f"{key}_top1" for key in ("cifar10dvs", "dvs128") if figure.get(key, {}).get("aug")]


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_the_package_is_printed_in_every_format(name: str, render: Any) -> None:
    """With all its digits: 4.20 stays 4.20."""
    sheet = literature_sheet(name)
    numbers = [text for row in sheet.rows for text in row.cells.values()]
    for chosen in set(TABLE_FORMATS) - {"json", "text"}:
        written = written_table(sheet, chosen)
        assert not [text for text in numbers if text not in written.replace("\\_", "_")], chosen
    shown = " ".join(render(text_table(sheet), 100))
    assert not [text for text in numbers if max(map(len, text.split())) < 8 and text.split()[0] not in shown]
    if name == "table4":
        assert "4.20" in shown
        assert len(sheet.rows) == len(paper_document()["table4"]["rows"]) == 22


def test_footnotes_of_the_rows() -> None:
    sheet = literature_sheet("table4")
    noted = {row.cells["architecture"]: sheet.notes_of(row) for row in sheet.rows if row.marks}
    assert noted == {
        "ResNet-19": ["of Deng et al. (2022), who trained it themselves"],
        "Auto-Spikformer S_Tl2": ["on CIFAR100, Table 3 prints 78.05 % for the same candidate"],
        "Auto-Spikformer S_Tl3": [
            "counting gives 10.85 M parameters; no reading of its candidate in Table 3 gives 8.46 M"
        ],
    }
    assert sheet.cite.startswith("Che et al. 2024")


@pytest.mark.parametrize("sheet", [*map(literature_sheet, NAMES), HOSTILE], ids=[*NAMES, "hostile"])
def test_markdown_is_one_table_with_the_same_cells(sheet: Sheet) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown_table(sheet))
    rows: list[list[str]] = []
    for place, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        if token.type in ("th_open", "td_open"):
            children = tokens[place + 1].children or []
            rows[-1].append("".join(child.content for child in children if child.type in ("text", "text_special")))
    assert [column.title for column in sheet.columns] == rows[0]
    assert len(rows) == 1 + len(sheet.rows)
    for row, cells in zip(sheet.rows, rows[1:], strict=True):
        for column, cell in zip(sheet.columns, cells, strict=True):
            text = " ".join(row.cells.get(column.key, "–" if column.is_number else "").split())
            assert cell == text + row.marks.get(column.key, "")


@pytest.mark.parametrize("sheet", [*map(literature_sheet, NAMES), HOSTILE], ids=[*NAMES, "hostile"])
def test_csv_has_units_in_its_header_and_the_same_cells(sheet: Sheet) -> None:
    head, *rows = csv.reader(StringIO(csv_table(sheet)))
    assert head[-1] == "notes"
    assert len(rows) == len(sheet.rows)
    for row, cells in zip(sheet.rows, rows, strict=True):
        assert cells[:-1] == [row.cells.get(column.key, "") for column in sheet.columns]
        assert cells[-1] == "; ".join(sheet.notes_of(row))
    units = {"%": "_percent", "mJ": "_mJ", "µJ": "_uJ", "M": "_millions", "": ""}
    assert head[:-1] == [f"{column.key}{units[column.unit]}" for column in sheet.columns]


@pytest.mark.parametrize("name", NAMES)
def test_pandas_reads_the_csv(name: str) -> None:
    """Each column of numbers as numbers, in the unit that its head says."""
    sheet = literature_sheet(name)
    frame = pd.read_csv(StringIO(csv_table(sheet)))
    assert len(frame) == len(sheet.rows)
    for column, head in zip(sheet.columns, frame.columns, strict=False):
        if column.is_number and not any("/" in row.cells.get(column.key, "") for row in sheet.rows):
            assert frame[head].dtype.kind in "if", head
            expected = [float(row.cells.get(column.key) or "nan") for row in sheet.rows]
            assert frame[head].tolist() == pytest.approx(expected, nan_ok=True)


def test_pandas_reads_units_and_sources_of_table_4() -> None:
    frame = pd.read_csv(StringIO(csv_table(literature_sheet("table4"))))
    assert frame["energy_mJ"].dtype == "float64"
    assert frame["cifar100_percent"].max() == 81.02
    assert frame["source"].unique().tolist() == ["paper"]


def test_json_has_numbers_and_nulls() -> None:
    document = json.loads(json.dumps(table_document(literature_sheet("table4"))))
    diet, auto = document["rows"][1]["cells"], document["rows"][17]["cells"]
    assert (diet["time_step"], diet["energy"], diet["cifar100"]) == ("10/5", None, 64.07)
    assert (auto["params"], auto["time_step"], auto["design"]) == (4.69, 4, "auto")
    spikes = [row["cells"]["spikes"] for row in table_document(literature_sheet("table5"))["rows"]]  # type: ignore[attr-defined]
    assert spikes == [False, False, *[True] * 11]


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("name", NAMES)
def test_no_word_of_a_text_table_is_cut(name: str, width: int, render: Any) -> None:
    sheet = literature_sheet(name)
    lines = render(text_table(sheet), width)
    words = {word.rstrip("*") for word in " ".join(lines).split()}
    assert max(map(len, lines)) <= width
    dropped = next((line.partition(": ")[2] for line in lines if line.startswith("not shown at this width: ")), "")
    shown = [column for column in sheet.columns if column.title not in dropped.split(", ")]
    assert len(shown) >= len(sheet.columns) - 3
    assert words >= {word for column in shown for word in column.title.split()}
    assert words >= {word for row in sheet.rows for column in shown for word in row.cells.get(column.key, "").split()}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no TeX: pdflatex is not on the path")
@pytest.mark.parametrize("sheet", [*map(literature_sheet, NAMES), HOSTILE, WIDE], ids=[*NAMES, "hostile", "wide"])
def test_latex_compiles_and_fits_the_text(sheet: Sheet, tmp_path: Path) -> None:
    used = "".join(f"\\usepackage{{{name}}}\n" for name in ("booktabs", "graphicx", "siunitx"))
    head = f"\\documentclass{{article}}\n{used}\\begin{{document}}\n"
    (tmp_path / "table.tex").write_text(f"{head}{latex_table(sheet)}\\end{{document}}\n", encoding="utf-8")
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "table.pdf").stat().st_size > 0
    assert "Overfull" not in done.stdout


def test_latex_aligns_numbers_and_braces_the_rest() -> None:
    lines = latex_table(HOSTILE).splitlines()
    star = "\\textsuperscript{*}"
    form = f"\\begin{{tabular}}{{lS[table-format=1.2]S[table-format=2.1, table-space-text-post={star}]}}"
    assert form in lines
    assert any(line.endswith(f"\\textsuperscript{{a}} & 0.50 & 75.4{star} \\\\") for line in lines)
    assert "x ``y'' z, w & {10/5} & {--} \\\\" in lines
    assert lines.count("\\midrule") == 2


def test_a_file_says_its_format() -> None:
    assert chosen_format(None, None) == "text"
    assert chosen_format(None, Path("a.TEX")) == "latex"
    assert chosen_format("csv", Path("a.tex")) == "csv"
    with pytest.raises(UserError, match="did you mean latex"):
        chosen_format("latx", None)
    with pytest.raises(UserError, match=r"does not say a format\n  end it in .*\.tex, \.csv or \.json, or add"):
        chosen_format(None, Path("a.docx"))


SUBNET = parse_subnet("(1, 2, 2, 1, 2, 2, 32)")
# answers: a bit for each of 20 images
BASELINE = CandidateRow("baseline", SUBNET, 2.0, 50.0, answers=b"\xaa\xaa\xa0")
EQUAL = CandidateRow("c1", SUBNET, 1.0, 50.0, answers=b"\x55\x55\x50")
BY_CHANCE = CandidateRow("c2", SUBNET, 1.0, 55.0, answers=b"\xaa\xaa\xb0")
FAR_BETTER = CandidateRow("c3", SUBNET, 1.0, 100.0, answers=b"\xff\xff\xf0")
UNTESTED = CandidateRow("c4", SUBNET, 1.0, 55.0)
WORSE = CandidateRow("c5", SUBNET, 1.0, 0.0, answers=b"\x00\x00\x00")
DEARER = CandidateRow("c6", SUBNET, 3.0, 100.0, answers=b"\xff\xff\xf0")


HIGHER = "higher than the baseline's (McNemar's exact test, p < 0.05)"
ALIKE = "not told apart from the baseline's (McNemar's exact test, p >= 0.05)"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([WORSE], {"-": "lower than the baseline's (McNemar's exact test, p < 0.05)"}),
        ([EQUAL], {"~": ALIKE}),
        ([FAR_BETTER], {"+": HIGHER}),
        ([DEARER], {"+": HIGHER}),
        ([EQUAL, FAR_BETTER], {"+": HIGHER, "~": ALIKE}),
        ([BY_CHANCE], {"~": ALIKE}),
        ([UNTESTED], {"?": "not tested against the baseline's, as answers by image are not stored"}),
        (
            [BY_CHANCE, UNTESTED],
            {"~": ALIKE, "?": "not tested against the baseline's, as answers by image are not stored"},
        ),
    ],
)
def test_marks_say_what_applies_to_the_rows_at_hand(rows: list[CandidateRow], said: dict[str, str]) -> None:
    expected = [Footnote(mark, f"accuracy {text}") for mark, text in said.items()]
    assert list(mark_notes(rows, BASELINE)) == expected
    assert not list(mark_notes(rows, None))


def test_the_papers_symbols_are_explained() -> None:
    texts = {name: [note.text for note in literature_sheet(name).notes] for name in NAMES}
    assert (
        "Fr: mean firing rate, in spikes a neuron and time step, over all layers of spiking neurons" in texts["table2"]
    )
    assert any(text.startswith("Candidate: (depth, MLP ratios,") for text in texts["table3"])
    assert all("T: number of time steps" in texts[name] for name in ("table2", "table4", "table5"))
