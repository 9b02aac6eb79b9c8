"""What a reader of the whole package meets: one meaning for each name, docstrings, and functions that fit on a page."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import autospikformer_cli

PACKAGE = Path(autospikformer_cli.__file__).parent
ROOT = Path(__file__).parents[1]
MODULES = sorted(PACKAGE.rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").glob("*/src/**/*.py"))

LEAST_SHARE_WITH_DOCSTRING = 0.95
MOST_LINES = 60
TYPE_VARIABLES = {"T", "W"}
"""Names of type variables, which each module may bind to its own types."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def parsed(module: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(module.read_text(encoding="utf-8"))


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, also those under `if` and `try`."""
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            branches = [node.body, node.orelse]
            if isinstance(node, ast.Try):
                branches += [node.finalbody, *(handler.body for handler in node.handlers)]
            for branch in branches:
                yield from top_level(branch)
        else:
            yield node


def definitions(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Each public name that a module defines at its top level, with the text of its definition."""
    for node in top_level(module.body):
        names: list[str] = []
        value: ast.AST | None = node
        if isinstance(node, Function | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            inside = [name for target in node.targets for name in ast.walk(target)]
            names, value = [name.id for name in inside if isinstance(name, ast.Name)], node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names, value = [node.target.id], node.value
        for name in names:
            if value is not None and not name.startswith("_") and not is_type_variable(name, value):
                yield name, ast.unparse(value)


def is_type_variable(name: str, value: ast.AST) -> bool:
    """Whether a definition is a type variable of the names that may repeat."""
    return name in TYPE_VARIABLES and isinstance(value, ast.Call) and ast.unparse(value.func) == "TypeVar"


def test_a_name_means_one_thing_in_the_whole_package() -> None:
    meanings: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for module in MODULES:
        for name, text in definitions(parsed(module)):
            meanings[name][text].append(str(module.relative_to(PACKAGE)))
    wrong = {name: sorted(map(str, texts.values())) for name, texts in meanings.items() if len(texts) > 1}
    assert not wrong


def public(node: ast.Module | ast.ClassDef) -> Iterator[Function | ast.ClassDef]:
    """Public classes, functions and methods, without overloads."""
    for child in top_level(node.body):
        if not isinstance(child, Function | ast.ClassDef) or child.name.startswith("_"):
            continue
        if "overload" in map(ast.unparse, child.decorator_list):
            continue
        yield child
        if isinstance(child, ast.ClassDef):
            yield from public(child)


def test_what_is_public_has_a_docstring() -> None:
    num, without = 0, []
    for module in (*MODULES, *PLUGINS):
        tree, place = parsed(module), module.relative_to(ROOT)
        documented = [(str(place), tree), *((f"{place}:{node.lineno} {node.name}", node) for node in public(tree))]
        num += len(documented)
        without += [where for where, node in documented if ast.get_docstring(node) is None]
    assert len(without) <= (1 - LEAST_SHARE_WITH_DOCSTRING) * num, without


def test_a_function_fits_on_a_page() -> None:
    long = {
        f"{module.relative_to(ROOT)}:{node.lineno} {node.name}": lines
        for module in (*MODULES, *PLUGINS)
        for node in ast.walk(parsed(module))
        if isinstance(node, Function) and (lines := (node.end_lineno or 0) - node.lineno + 1) > MOST_LINES
    }
    assert not long
