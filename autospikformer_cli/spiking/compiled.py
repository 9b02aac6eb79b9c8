"""How loops are compiled: once on a machine, kept between runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

Loop = Callable[..., Any]


def inlined(function: Loop) -> Loop:
    """Compiled as part of the loop that calls it; makes no arrays."""
    part: Loop = njit(forceinline=True, _nrt=False)(function)
    return part


def compiled(*, parallel: bool = False, allocates: bool = True) -> Callable[[Loop], Loop]:
    """A compiled loop that lets other threads run.

    It is kept beside the package, or where that cannot be written in the user's cache folder, or in NUMBA_CACHE_DIR if
    that is set; where nothing can be written it is compiled anew in every process. parallel: it has a `prange`.
    allocates: it makes arrays; one that does not need not count references, most of a short loop's time.
    """
    options = {"nogil": True, "parallel": parallel, "_nrt": allocates}

    def compile_loop(function: Loop) -> Loop:
        try:
            loop: Loop = njit(cache=True, **options)(function)
        except RuntimeError:  # there is no place for a cache
            loop = njit(**options)(function)
        return loop

    return compile_loop
