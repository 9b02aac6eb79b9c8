"""A table for a paper as values: columns, rows and footnotes, which every format is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich.console import RenderableType

RowSource = Literal["paper", "yours"]
CellValue = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class SheetColumn:
    """One column. key: its name in JSON. unit: "" for none. is_number: whether its cells are aligned as numbers."""

    key: str
    head: str
    unit: str = ""
    is_number: bool = False

    @property
    def title(self) -> str:
        """The head with its unit.

        >>> SheetColumn("energy", "Energy", "mJ").title
        'Energy (mJ)'
        """
        return f"{self.head} ({self.unit})" if self.unit else self.head


@dataclass(frozen=True, slots=True)
class Footnote:
    """A text under a table. mark: what its rows carry; "" for a note on the whole table."""

    mark: str
    text: str


@dataclass(frozen=True)
class SheetRow:
    """One line. source: whose numbers they are. cells: texts as printed, by column; a cell without a value is absent.

    marks: by column, the footnotes of a cell.
    """

    source: RowSource
    cells: Mapping[str, str]
    marks: Mapping[str, str] = field(default_factory=dict)

    def value(self, column: SheetColumn) -> CellValue:
        """The cell as a value: a number where the text is one, yes and no as a truth value."""
        text = self.cells.get(column.key)
        if text is None or text in ("yes", "no"):
            return None if text is None else text == "yes"
        for kind in (int, float) if column.is_number else ():
            try:
                return kind(text)
            except ValueError:
                continue
        return text


@dataclass(frozen=True)
class Sheet:
    """A table. cite: where the paper's rows are from; "" without such rows.

    advice: what the user may do about the table's weaknesses; no format has it. printed: what the format text shows, if
    that is not made of the columns.
    """

    name: str
    title: str
    columns: Sequence[SheetColumn]
    rows: Sequence[SheetRow]
    notes: Sequence[Footnote] = ()
    cite: str = ""
    advice: Sequence[str] = ()
    printed: RenderableType | None = field(default=None, compare=False)

    def notes_of(self, row: SheetRow) -> list[str]:
        """The texts of a row's footnotes. One of a column of numbers names the column."""
        found = []
        for column in self.columns:
            mark = row.marks.get(column.key)
            if mark is not None:
                text = next(note.text for note in self.notes if note.mark == mark)
                found.append(f"{column.head}: {text}" if column.is_number else text)
        return found


class FootnoteMarks:
    """Hands out a letter for each text: a, b, ..., z, aa, ab, ...; the same for an equal text."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def mark(self, text: str) -> str:
        """The letter of a footnote."""
        return self._marks.setdefault(text, letters(len(self._marks)))

    @property
    def notes(self) -> list[Footnote]:
        """The footnotes so far, in their order."""
        return [Footnote(mark, text) for text, mark in self._marks.items()]


def letters(number: int) -> str:
    """The mark of a footnote by its number.

    >>> letters(0), letters(25), letters(26), letters(702)
    ('a', 'z', 'aa', 'aaa')
    """
    found = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        found = chr(ord("a") + letter) + found
    return found
