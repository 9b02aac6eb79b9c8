"""One line about a command, read without importing anything of it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint


def summary_of(point: EntryPoint) -> str:
    """The first line of the docstring of an entry point's module, else its distribution's summary, else nothing.

    Neither the module nor a parent package is imported, so a plugin that is slow or broken costs nothing here.
    """
    # A plugin's own finder, its source or its metadata may fail in any way; the list of commands must not.
    try:
        line = _docstring_line(point.module)
    except Exception:
        line = ""
    return line or (point.dist.metadata["Summary"] if point.dist is not None else None) or ""


def _docstring_line(module: str) -> str:
    spec = _find(module)
    get_source = getattr(spec.loader, "get_source", None) if spec else None
    source = get_source(module) if get_source else None
    docstring = ast.get_docstring(ast.parse(source)) if source else None
    return docstring.strip().splitlines()[0] if docstring else ""


def _find(module: str) -> ModuleSpec | None:
    """Like importlib.util.find_spec, which would import the parent packages."""
    spec: ModuleSpec | None = None
    path: Sequence[str] | None = None
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        found = (finder.find_spec(name, path, None) for finder in sys.meta_path if hasattr(finder, "find_spec"))
        spec = next((candidate for candidate in found if candidate is not None), None)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    return spec
