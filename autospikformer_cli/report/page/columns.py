"""Columns of numbers as one block of bytes, which a browser reads as typed arrays."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

ALIGNMENT = 8
"""Every column begins at a multiple of it, as typed arrays need."""


class ColumnBlock:
    """Columns in the order in which they were added. Equal ones are kept once."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, bytes], int] = {}

    def add(self, values: Iterable[Any] | NDArray[Any], dtype: DTypeLike) -> int:
        """Keep a column. Returns the number under which `directory` has it."""
        column = np.asarray(values if isinstance(values, np.ndarray) else list(values), dtype)
        key = (column.dtype.name, column.astype(column.dtype.newbyteorder("<")).tobytes())
        return self._places.setdefault(key, len(self._places))

    def add_whole(self, values: Iterable[int] | NDArray[Any]) -> int:
        """Keep whole numbers from 0 on in the smallest type that holds them."""
        column = np.asarray(values if isinstance(values, np.ndarray) else list(values), np.int64)
        return self.add(column, np.min_scalar_type(int(column.max(initial=0))))

    def directory(self) -> list[list[object]]:
        """Of each column its type, its first byte and its number of values."""
        found: list[list[object]] = []
        start = 0
        for dtype, content in self._places:
            found.append([dtype, start, len(content) // np.dtype(dtype).itemsize])
            start += len(content) + _padding(len(content))
        return found

    def content(self) -> bytes:
        """All columns, least byte first."""
        return b"".join(content + bytes(_padding(len(content))) for _, content in self._places)


def packed(content: bytes) -> str:
    """Bytes as text: compressed, then in base64. The same bytes give the same text."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")


def _padding(length: int) -> int:
    return -length % ALIGNMENT
