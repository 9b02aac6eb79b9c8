"""How much freed memory stays with the process."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from pathlib import Path

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGEST_C_INT = 2**31 - 1
"""Bytes. glibc takes these parameters as C ints."""
IDLE = 2**27
"""Bytes by which a process may grow before it returns memory that it does not use."""

_most_used: int | None = None


def keep_freed_memory() -> None:
    """Ask glibc to reuse large blocks. Does nothing without glibc.

    A training step allocates the same tensors again and again. Getting their pages anew from the system costs a third
    of the step.
    """
    global _most_used
    libc = _glibc()
    if libc is not None:
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, LARGEST_C_INT)
        _most_used = _most_used or 0


def give_back_idle_memory() -> None:
    """Return freed memory once the process is IDLE bytes larger than after any earlier return.

    Blocks of ever different sizes leave pieces that fit nothing. Does nothing unless `keep_freed_memory` was called.
    """
    global _most_used
    libc = _glibc()
    if libc is not None and _most_used is not None and _resident() > _most_used + IDLE:
        libc.malloc_trim(0)
        _most_used = max(_most_used, _resident())


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


@cache
def _glibc() -> ctypes.CDLL | None:
    libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
