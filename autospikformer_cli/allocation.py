"""Memory of freed tensors is kept by the process instead of going back to the system."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGEST = 2**31 - 1
"""Bytes: the parameters are C ints."""


def keep_freed_memory() -> None:
    """Ask glibc to reuse large blocks. A training step allocates the same tensors again and again, and fetching their
    pages anew from the system each time costs a third of it. Does nothing where there is no glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, LARGEST)
