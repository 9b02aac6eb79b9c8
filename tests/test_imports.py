"""Who may import whom: read from the import statements of every module."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import autospikformer_cli

PACKAGE = Path(autospikformer_cli.__file__).parent
NAME = PACKAGE.name

LAYERS = (
    {"errors", "bounds", "registry", "say", "units", "atomic_files", "child_processes", "wording"},
    {"space", "measurement", "count_tables", "recipe"},
    {"store"},
    {"search", "data", "spiking"},
    {"energy", "engine"},
    {"evaluation"},
    {"training", "analysis"},
    {"runs"},
    {"exchange"},
    {"api"},
    {"report"},
    {"cli"},
    {"commands"},
    {"__main__"},
)
"""A package may import packages of the rows above it, and of its own row in any order that makes no circle.

docs/architecture.md has the same table, and a test compares the two.
"""

RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}
COMMAND_LINE = {"commands", "cli"}
ONLY_IMPORTERS = {"h5py": {"store"}, "matplotlib": {"report"}, "plotly": {"report"}, "typer": COMMAND_LINE}
ONLY_MAKERS = {"Console": {"cli"}, "Interruption": {"cli"}, "Session": {"cli"}}
"""Who alone may call these classes."""
WITHOUT_TORCH = {*LAYERS[0], *LAYERS[1], "store", "search", "report", "api", "cli", "commands"}
TORCH = {"torch", "torchvision", "tonic"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def part_of(module: Path) -> str:
    """The top-level part that a module belongs to: recipe/load.py -> recipe."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Dotted names of everything imported anywhere in the module, for annotations only or not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def written_names(tree: ast.AST) -> Iterator[str]:
    """Names of the package's modules that stand in texts, as import_module and importlib.resources take them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(rf"^{NAME}(?:\.\w+)+(?=$|:)", node.value)


def parts_imported(module: Path) -> set[str]:
    """The other parts of the package that a module imports, by a statement or by a name in a text."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    dotted = (name.split(".") for name in (*imports_of(tree), *written_names(tree)))
    return {names[1] for names in dotted if names[0] == NAME and len(names) > 1} - {part_of(module)}


def strangers_imported(module: Path) -> set[str]:
    """The distributions' top-level packages that a module imports when it runs."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    return {name.split(".")[0] for name in imports_of(tree)} - {NAME}


def label(module: Path) -> str:
    """A module's path inside the package."""
    return str(module.relative_to(PACKAGE))


@pytest.mark.parametrize("module", MODULES, ids=label)
def test_left_never_imports_from_right(module: Path) -> None:
    if module == PACKAGE / "__init__.py":
        assert parts_imported(module) == {"api", "engine", "errors", "recipe"}  # for annotations: see below
        return
    own = part_of(module)
    wrong = sorted(part for part in parts_imported(module) if RANK[part] > RANK[own])
    assert not wrong, f"{own} imports {wrong}"


def test_parts_make_no_circle() -> None:
    graph: dict[str, set[str]] = {}
    for module in MODULES:
        graph.setdefault(part_of(module), set()).update(parts_imported(module))
    TopologicalSorter(graph).prepare()


def test_the_package_itself_imports_nothing_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {NAME}, sys; print(*[each for each in sys.modules if {NAME!r} in each])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [NAME]


@pytest.mark.parametrize("module", MODULES, ids=label)
def test_only_the_command_line_has_a_console(module: Path) -> None:
    calls = [
        node.func for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    ]
    made = {call.id for call in calls if isinstance(call, ast.Name)} & ONLY_MAKERS.keys()
    assert not [name for name in made if part_of(module) not in ONLY_MAKERS[name]]


@pytest.mark.parametrize("module", MODULES, ids=label)
def test_heavy_packages_have_one_importer(module: Path) -> None:
    own, strangers = part_of(module), strangers_imported(module)
    wrong = {name for name, importers in ONLY_IMPORTERS.items() if name in strangers and own not in importers}
    assert not wrong, f"{own} imports {sorted(wrong)}"


@pytest.mark.parametrize("module", [module for module in MODULES if part_of(module) in WITHOUT_TORCH], ids=label)
def test_values_know_nothing_of_torch(module: Path) -> None:
    assert not strangers_imported(module) & TORCH
