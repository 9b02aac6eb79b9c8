"""A table for a paper as text, Markdown, LaTeX, CSV or JSON."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

from rich.console import RenderableType
from rich.constrain import Constrain

from autospikformer_cli.errors import UserError
from autospikformer_cli.report.fitted import FittedColumn, FittedTable
from autospikformer_cli.report.sheets import Footnote, Sheet, SheetColumn, SheetRow
from autospikformer_cli.report.tables import MAX_WIDTH
from autospikformer_cli.units import ABSENT
from autospikformer_cli.wording import choice_near

TABLE_FORMATS = ("text", "markdown", "latex", "csv", "json")
FORMAT_OF_SUFFIX = {".txt": "text", ".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json"}
"""The format that a file's name asks for."""
UNIT_WORDS = {"%": "percent", "µJ": "uJ", "M": "millions"}
"""What the header of CSV says for units that are no ASCII letters, or that are prefixes alone."""
LEFT_OUT_FIRST = (
    "design", "part", "group", "time_step", "params", "spikes", "fitness", "firing_rate", "cifar10dvs_time_step",
    "dvs128_time_step", "source",
)  # fmt: skip
"""Columns that a text table lacks on a narrow console, the first first."""
MOST_COLUMNS = 6
"""Of a LaTeX table with the usual room between its columns."""
NARROW_GAPS = "\\setlength{\\tabcolsep}{2.5pt}"
FITTED = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%"
"""A box that LaTeX makes smaller if it is wider than the text, and leaves as it is if not."""
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "|": r"\ensuremath{|}",
    "µ": r"\ensuremath{\mu}",
    "×": r"\ensuremath{\times}",
    "±": r"\ensuremath{\pm}",
    "–": "--",
    "$": r"\symbol{36}",  # \$ needs fonts that a small TeX lacks
    **{character: f"\\{character}" for character in "&%#_"},
}
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~])")


def chosen_format(name: str | None, to: Path | None, formats: Sequence[str] = TABLE_FORMATS) -> str:
    """The format that --format names, else the one of the file's name, else text. Raises UserError for others."""
    if name is not None:
        if name not in formats:
            raise UserError(f"{name!r} is no format of it", "--format", choice_near(name, formats))
        return name
    if to is None:
        return "text"
    found = FORMAT_OF_SUFFIX.get(to.suffix.lower())
    if found is None or found not in formats:
        suffixes = [suffix for suffix, each in FORMAT_OF_SUFFIX.items() if each in formats]
        fix = f"end it in {', '.join(suffixes[:-1])} or {suffixes[-1]}, or add --format {'|'.join(formats)}"
        raise UserError(f"the name of {to} does not say a format", "--to", fix)
    return found


def written_table(sheet: Sheet, chosen: str) -> str:
    """A table in a format that is text of its own: markdown, latex or csv."""
    return {"markdown": markdown_table, "latex": latex_table, "csv": csv_table}[chosen](sheet)


def text_form(sheet: Sheet) -> RenderableType:
    """A table as a terminal shows it, and a file: as wide as a page."""
    return Constrain(text_table(sheet), MAX_WIDTH) if sheet.printed is None else sheet.printed


def text_table(sheet: Sheet) -> FittedTable:
    """As a table of a terminal, like all others. Cells break at spaces; on a narrow one, columns are left out."""
    columns = {
        column.key: FittedColumn(
            f"{column.head}\n({column.unit})" if column.unit else column.head,
            [_marked(row, column, "{}", " [{}]") for row in sheet.rows],
            is_number=column.is_number,
            folds=not column.is_number,
        )
        for column in sheet.columns
    }
    begins = (place for place in range(1, len(sheet.rows)) if sheet.rows[place].source != sheet.rows[place - 1].source)
    notes = [f"{note.mark}: {note.text}" if note.mark else note.text for note in _all_notes(sheet)]
    return FittedTable(
        sheet.title, columns, [key for key in LEFT_OUT_FIRST if key in columns], frozenset(begins), notes
    )


def markdown_table(sheet: Sheet) -> str:
    """As a table of Markdown (GitHub's), with its title above and its notes below."""
    heads = [markdown_text(column.title) for column in sheet.columns]
    rules = ["---:" if column.is_number else "---" for column in sheet.columns]
    lines = [f"**{markdown_text(sheet.title)}**", ""]
    lines += [_pipes(heads), _pipes(rules)]
    for row in sheet.rows:
        cells = {key: markdown_text(text) for key, text in row.cells.items()}
        shown = SheetRow(row.source, cells, {key: markdown_text(mark) for key, mark in row.marks.items()})
        lines.append(_pipes(_marked(shown, column, "<sup>{}</sup>", "<sup>{}</sup>") for column in sheet.columns))
    for note in _all_notes(sheet):
        mark = f"<sup>{markdown_text(note.mark)}</sup> " if note.mark else ""
        lines += ["", f"{mark}{markdown_text(note.text)}"]
    return "\n".join(lines) + "\n"


def latex_table(sheet: Sheet) -> str:
    """As a LaTeX table, no wider than the text: booktabs rules, siunitx columns of numbers, notes below."""
    heads = " & ".join(_latex_head(column) for column in sheet.columns)
    lines = [
        "% \\usepackage{booktabs}",
        "% \\usepackage{graphicx}",
        "% \\usepackage{siunitx}",
        "\\begin{table}",
        "\\centering",
        *([NARROW_GAPS] if len(sheet.columns) > MOST_COLUMNS else ()),
        f"\\caption{{{latex_text(sheet.title)}}}",
        FITTED,
        f"\\begin{{tabular}}{{{''.join(_latex_column(sheet, column) for column in sheet.columns)}}}",
        "\\toprule",
        f"{heads} \\\\",
        "\\midrule",
    ]
    for place, row in enumerate(sheet.rows):
        if place and row.source != sheet.rows[place - 1].source:
            lines.append("\\midrule")
        lines.append(f"{' & '.join(_latex_cell(row, column) for column in sheet.columns)} \\\\")
    lines += ["\\bottomrule", "\\end{tabular}}"]
    notes = [
        f"{_superscript(note.mark)} {latex_text(note.text)}\\par" if note.mark else f"{latex_text(note.text)}\\par"
        for note in _all_notes(sheet)
    ]
    if notes:
        lines += ["\\par\\smallskip", "\\begin{minipage}{\\linewidth}\\footnotesize", *notes, "\\end{minipage}"]
    return "\n".join([*lines, "\\end{table}"]) + "\n"


def csv_table(sheet: Sheet) -> str:
    """As CSV. The header has the units, a row's last cell its footnotes; an empty cell has no value."""
    written = StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([*(csv_head(column) for column in sheet.columns), "notes"])
    for row in sheet.rows:
        cells = (row.cells.get(column.key, "") for column in sheet.columns)
        writer.writerow([*cells, "; ".join(sheet.notes_of(row))])
    return written.getvalue()


def csv_head(column: SheetColumn) -> str:
    """A column's name in CSV.

    >>> csv_head(SheetColumn("cifar10", "CIFAR10", "%")), csv_head(SheetColumn("energy", "Energy", "µJ"))
    ('cifar10_percent', 'energy_uJ')
    """
    return f"{column.key}_{UNIT_WORDS.get(column.unit, column.unit)}" if column.unit else column.key


def table_document(sheet: Sheet) -> dict[str, object]:
    """As JSON. Numbers are numbers; a cell without a value is null."""
    return {
        "table": sheet.name,
        "title": sheet.title,
        "columns": [{"key": each.key, "head": each.head, "unit": each.unit} for each in sheet.columns],
        "rows": [
            {
                "source": row.source,
                "cells": {column.key: row.value(column) for column in sheet.columns},
                "marks": dict(row.marks),
            }
            for row in sheet.rows
        ],
        "notes": [{"mark": note.mark, "text": note.text} for note in sheet.notes],
        "cite": sheet.cite,
    }


def markdown_text(text: str) -> str:
    r"""A text in which Markdown finds no syntax.

    >>> markdown_text("a|b_c"), markdown_text("<b>")
    ('a\\|b\\_c', '\\<b\\>')
    """
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def latex_text(text: str) -> str:
    r"""A text in which LaTeX finds no command.

    >>> latex_text('50 % of "my_run"')
    "50 \\% of ``my\\_run''"
    """
    parts = "".join(_LATEX.get(character, character) for character in " ".join(text.split())).split('"')
    return "".join(f"{part}{('``', chr(39) * 2)[place % 2]}" for place, part in enumerate(parts[:-1])) + parts[-1]


def _all_notes(sheet: Sheet) -> list[Footnote]:
    return [*sheet.notes, *([Footnote("", sheet.cite)] if sheet.cite else [])]


def _marked(row: SheetRow, column: SheetColumn, of_number: str, of_text: str) -> str:
    """A cell with its mark. of_number, of_text: how a mark stands after a number, and after a text."""
    text, mark = row.cells.get(column.key, ABSENT if column.is_number else ""), row.marks.get(column.key)
    return text if mark is None else text + (of_number if column.is_number else of_text).format(mark)


def _pipes(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _superscript(mark: str) -> str:
    return f"\\textsuperscript{{{latex_text(mark)}}}"


def _latex_head(column: SheetColumn) -> str:
    if column.is_number and column.unit:  # in two lines: heads are wider than numbers
        return f"{{\\shortstack{{{latex_text(column.head)}\\\\({latex_text(column.unit)})}}}}"
    title = latex_text(column.title)
    return f"{{{title}}}" if column.is_number else title


def _latex_column(sheet: Sheet, column: SheetColumn) -> str:
    """The type of a column: S for numbers, wide enough for the widest of them."""
    if not column.is_number:
        return "l"
    texts = [row.cells[column.key] for row in sheet.rows if _is_number(row, column)]
    values = [text.removeprefix("-").partition(".") for text in texts]
    sign = "-" * any(text.startswith("-") for text in texts)
    whole, part = (max((len(value[place]) for value in values), default=place == 0) for place in (0, 2))
    marks = [row.marks[column.key] for row in sheet.rows if column.key in row.marks]
    space = f", table-space-text-post={_superscript(max(marks, key=len))}" if marks else ""
    return f"S[table-format={sign}{int(whole)}.{int(part)}{space}]"


def _latex_cell(row: SheetRow, column: SheetColumn) -> str:
    mark = _superscript(row.marks[column.key]) if column.key in row.marks else ""
    text = row.cells.get(column.key, ABSENT if column.is_number else "")
    if column.is_number and not _is_number(row, column):
        return f"{{{latex_text(text)}{mark}}}"
    return f"{latex_text(text)}{mark}"


def _is_number(row: SheetRow, column: SheetColumn) -> bool:
    return not isinstance(row.value(column), str | bool | None)
