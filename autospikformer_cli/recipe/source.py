"""The line of each key in a TOML text, by a scan of a text that tomli has already accepted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import tomli

Path = tuple[str | int, ...]
"""Keys, and positions in arrays, from the top of the document."""

_PART = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_DOTTED_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*")
_SPACE = re.compile(r"[ \t]*")
_SPACE_AND_COMMENTS = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}|\'{3}.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''',
    re.DOTALL,
)
_BARE_VALUE = re.compile(r"[^,\]}\n#]+")


def key_parts(text: str) -> tuple[str, ...]:
    """A dotted key's parts, unquoted. Raises TOMLDecodeError if the text is not a key.

    >>> key_parts('search."population"')
    ('search', 'population')
    """
    if not _DOTTED_KEY.fullmatch(text.strip(" \t")):
        raise tomli.TOMLDecodeError("Invalid key", text, 0)
    parts: list[str] = []
    node: Any = tomli.loads(f"{text} = 0")
    while isinstance(node, Mapping):
        ((part, node),) = node.items()
        parts.append(part)
    return tuple(parts)


def key_lines(text: str) -> dict[Path, int]:
    """The line, from 1, of every table header, key and array element of a valid TOML document."""
    scan = _Scan(text)
    scan.document()
    return scan.lines


class _Scan:
    """A position that moves once through the text and notes lines."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.lines: dict[Path, int] = {}
        self.num_tables: dict[Path, int] = {}
        """The number of tables opened so far, for every array of tables."""

    def document(self) -> None:
        table: Path = ()
        self.skip(_SPACE_AND_COMMENTS)
        while self.position < len(self.text):
            if self.text[self.position] == "[":
                table = self.header()
            else:
                self.key_and_value(table)
            self.skip(_SPACE_AND_COMMENTS)

    def skip(self, pattern: re.Pattern[str]) -> str:
        """Move past the pattern and return its text. Raises ValueError if it is not here."""
        found = pattern.match(self.text, self.position)
        if found is None:
            raise ValueError(f"character {self.position} is not valid TOML")
        self.position = found.end()
        return found[0]

    def note(self, path: Path, position: int) -> None:
        """Note the position's line for a path, and for those of its parents that have none yet."""
        line = self.text.count("\n", 0, position) + 1
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)

    def header(self) -> Path:
        start = self.position
        brackets = 2 if self.text.startswith("[[", start) else 1
        self.position += brackets
        self.skip(_SPACE)
        *outer, last = key_parts(self.skip(_DOTTED_KEY))
        path: Path = ()
        for part in outer:
            path = self.newest((*path, part))
        path = (*path, last)
        if brackets == 2:
            self.num_tables[path] = self.num_tables.get(path, 0) + 1
        path = self.newest(path)
        self.note(path, start)
        self.skip(_SPACE)
        self.position += brackets
        return path

    def newest(self, path: Path) -> Path:
        """The path into the last table of an array of tables; any other path itself."""
        return (*path, self.num_tables[path] - 1) if path in self.num_tables else path

    def key_and_value(self, table: Path) -> None:
        start = self.position
        path = (*table, *key_parts(self.skip(_DOTTED_KEY)))
        self.note(path, start)
        self.skip(_SPACE)
        self.position += len("=")
        self.skip(_SPACE)
        self.value(path)

    def value(self, path: Path) -> None:
        match self.text[self.position]:
            case "[":
                self.items(path, "]")
            case "{":
                self.items(path, "}")
            case '"' | "'":
                self.skip(_STRING)
            case _:
                self.skip(_BARE_VALUE)

    def items(self, path: Path, closing: str) -> None:
        """The elements of an array, or the keys of an inline table, up to the closing bracket."""
        self.position += 1
        self.skip(_SPACE_AND_COMMENTS)
        index = 0
        while self.text[self.position] != closing:
            if closing == "}":
                self.key_and_value(path)
            else:
                self.note((*path, index), self.position)
                self.value((*path, index))
                index += 1
            self.skip(_SPACE_AND_COMMENTS)
            if self.text[self.position] == ",":
                self.position += 1
                self.skip(_SPACE_AND_COMMENTS)
        self.position += 1
