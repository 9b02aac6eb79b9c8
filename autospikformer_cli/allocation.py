"""Whether the memory of freed tensors stays with the process, or goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGEST = 2**31 - 1
"""Bytes: the parameters are C ints."""
GIVEN_BACK = 2**20
"""Bytes of a block from which on it goes back at once."""

_is_kept = False


def keep_freed_memory() -> None:
    """Ask glibc to reuse large blocks. A training step allocates the same tensors again and again, and fetching their
    pages anew from the system each time costs a third of it. Does nothing where there is no glibc.
    """
    global _is_kept
    _is_kept = True
    _set(2**30, LARGEST)


@contextmanager
def freed_memory_given_back() -> Iterator[None]:
    """Inside, large blocks are not kept: blocks of ever different sizes would be left in pieces that fit nothing."""
    if not _is_kept:
        yield
        return
    _set(GIVEN_BACK, GIVEN_BACK)
    try:
        yield
    finally:
        keep_freed_memory()


def _set(mmap_threshold: int, trim_threshold: int) -> None:
    mallopt = _mallopt()
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, mmap_threshold)
        mallopt(M_TRIM_THRESHOLD, trim_threshold)


@cache
def _mallopt() -> Callable[[int, int], int] | None:
    return getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform.startswith("linux") else None
