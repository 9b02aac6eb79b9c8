"""A table as a list, a value a line: what a console too narrow for the table gets. No number ever loses a digit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

_NUMBER = re.compile(r"(?<![\w.,/-])\d+(?:[.,]\d+)*")
"""One that stands alone. A name may go on in the next line, whatever it has: evolution-alpha0.5-seed0."""
_CHARACTER = re.compile(r"\S")


def is_cut(table: Table, shown: str, width: int) -> bool:
    """Whether a console shows less than all of a table: a number that is not whole, or any other character that is cut.

    shown: the table as rich renders it. A console cuts what is wider than its `width`.
    Without an ellipsis, nobody would see that 0.299 was cut to 0.29.
    """
    heads = [_plain(column.header) for column in table.columns] if table.show_header else []
    texts = [*heads, *(_plain(cell) for column in table.columns for cell in column.cells)]
    texts += [_plain(table.title or ""), _plain(table.caption or "")]
    parts = ((_NUMBER, texts), (_CHARACTER, texts))
    if any(cell_len(line) > width for line in shown.splitlines()):
        return True
    return any(_found(pattern, those) - _found(pattern, [shown]) for pattern, those in parts)


def listed_values(table: Table) -> Iterator[Text]:
    """Each row's values, a line each after the head of its column; title first, caption last."""
    if table.title:
        yield _folded(table.title)
        yield Text()
    heads = [" ".join(_plain(column.header).split()) for column in table.columns]
    for row in zip(*(column.cells for column in table.columns), strict=True):
        if not table.show_header:  # the first cell says what the others are
            yield from (_folded(cell, _plain(row[0])) for cell in row[1:])
            continue
        yield from (_folded(cell, head) for head, cell in zip(heads, row, strict=True) if _plain(cell).strip())
        yield Text()
    if table.caption:
        yield _folded(table.caption)


def _folded(cell: RenderableType, head: str = "") -> Text:
    """A cell on lines of its own. A number that is longer than a line goes on in the next one."""
    text = cell.copy() if isinstance(cell, Text) else Text(_plain(cell))
    text.plain = text.plain.replace("\n", " ")
    line = Text.assemble(f"{head}: " if head else "", text)
    line.overflow, line.no_wrap = "fold", False
    return line


def _found(pattern: re.Pattern[str], texts: Iterable[str]) -> Counter[str]:
    return Counter(part for text in texts for part in pattern.findall(text))


def _plain(cell: RenderableType) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)
