"""How loops are compiled: once on a machine, and cached between runs."""

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
    "spiking/lif_gradient.py",
    "spiking/pool_kernels.py",
    "spiking/vector_code.py",
    "spiking/vectors.py",
    "engine/kernels.py",
    "engine/trained_kernels.py",
    "engine/attention.py",
    "analysis/similarity_loops.py",
)
"""Files whose code ends up in compiled loops."""
UNCOUNTED = {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {}
"""Switches off numba's counts of references to arrays. numba has this option, but does not promise to keep it."""


def inlined(function: Loop) -> Loop:
    """Compile a function as part of the loop that calls it. It must not allocate arrays."""
    loop: Loop = njit(forceinline=True, **UNCOUNTED)(function)
    return loop


def compiled(*, parallel: bool = False, allocates: bool = True) -> Callable[[Loop], Loop]:
    """Compile a loop that lets other threads run.

    numba caches it next to the package, or in the user's cache folder if the package is not writable. NUMBA_CACHE_DIR
    overrides both. If no folder is writable, every process compiles the loop anew.
    parallel: the loop has a `prange`.
    allocates: the loop makes arrays. A loop that makes none need not count references, most of a short loop's time.
    """
    options = {"nogil": True, "parallel": parallel} | ({} if allocates else UNCOUNTED)

    def compile_loop(function: Loop) -> Loop:
        try:
            loop = njit(cache=True, **options)(function)
            cache_file = loop._cache._cache_file
            # numba compares this stamp with the index's, and compiles anew if they differ.
            cache_file._source_stamp = (cache_file._source_stamp, _sources())
            cache_file._load_index = _forgiving(cache_file._load_index)
        except (RuntimeError, AttributeError):  # no writable folder, or a cache that would not notice new sources
            loop = njit(**options)(function)
        return loop  # type: ignore[no-any-return]

    return compile_loop


def _forgiving(load_index: Callable[[], dict[Any, Any]]) -> Callable[[], dict[Any, Any]]:
    """Treat an unreadable index as empty. Its types may have gone with the sources that it was made from."""

    def load() -> dict[Any, Any]:
        try:
            return load_index()
        except Exception:  # unpickling the index of another version can raise anything
            return {}

    return load


@cache
def _sources() -> str:
    """A hash of all files that loops are made of. numba itself only watches a loop's own file."""
    package = Path(__file__).parents[1]
    return hashlib.sha256(b"".join((package / name).read_bytes() for name in LOOP_FILES)).hexdigest()
