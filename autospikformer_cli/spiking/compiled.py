"""How loops are compiled: once on a machine, kept between runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.options import DefaultOptions

Loop = Callable[..., Any]

LOOP_FILES = (
    "spiking/compiled.py",
    "spiking/lif_kernels.py",
    "engine/vectors.py",
    "engine/kernels.py",
    "engine/attention.py",
)
"""Whose code is in compiled loops."""
UNCOUNTED = {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {}
"""Without counting references to arrays: an option that numba has, but does not promise to keep."""


def inlined(function: Loop) -> Loop:
    """Compiled as part of the loop that calls it; makes no arrays."""
    part: Loop = njit(forceinline=True, **UNCOUNTED)(function)
    return part


def compiled(*, parallel: bool = False, allocates: bool = True) -> Callable[[Loop], Loop]:
    """A compiled loop that lets other threads run.

    It is kept beside the package, or where that cannot be written in the user's cache folder, or in NUMBA_CACHE_DIR if
    that is set; where nothing can be written it is compiled anew in every process. parallel: it has a `prange`.
    allocates: it makes arrays; one that does not need not count references, most of a short loop's time.
    """
    options = {"nogil": True, "parallel": parallel} | ({} if allocates else UNCOUNTED)

    def compile_loop(function: Loop) -> Loop:
        try:
            loop = njit(cache=True, **options)(function)
            kept = loop._cache._cache_file
            kept._source_stamp = (kept._source_stamp, _sources())
            kept._load_index = _forgiving(kept._load_index)
        except (RuntimeError, AttributeError):  # no place for a cache, or one that would not notice new sources
            loop = njit(**options)(function)
        return loop  # type: ignore[no-any-return]

    return compile_loop


def _forgiving(load_index: Callable[[], dict[Any, Any]]) -> Callable[[], dict[Any, Any]]:
    """An index that cannot be read is an empty one. Its types may have gone with the sources that it was made from."""

    def load() -> dict[Any, Any]:
        try:
            return load_index()
        except Exception:  # unpickling what another version wrote fails in any way
            return {}

    return load


@cache
def _sources() -> str:
    """A hash of all files that loops are made of: numba itself looks at a loop's own alone."""
    package = Path(__file__).parents[1]
    return hashlib.sha256(b"".join((package / name).read_bytes() for name in LOOP_FILES)).hexdigest()
