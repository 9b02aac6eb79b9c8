"""Pages made from the code are fresh, and links of the documentation lead somewhere."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tomli

import autospikformer_cli
from autospikformer_cli.recipe.fidelity import CONVENTION_SWITCHES, PROFILE_SWITCHES
from autospikformer_cli.say import SILENT, uninterrupted

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "plugins").glob("*/README.md"))]


def pages_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "pages.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MADE = ("recipe-keys.md", "commands.md", "fidelity.md")


def test_pages_makes_these_and_no_others() -> None:
    assert tuple(pages_module().PAGES) == MADE


@pytest.mark.parametrize("name", MADE)
def test_a_page_made_from_the_code_is_fresh(name: str) -> None:
    made = pages_module().PAGES[name]()
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == made, "run: python docs/pages.py"


def test_the_fidelity_page_has_every_reading_and_every_switch_and_stands_alone() -> None:
    page = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    numbers = {int(row[0].split(",")[0]) for row in rows if row[0][0].isdigit()}
    assert numbers == set(range(1, 28))
    switches = [row[1] for row in rows if row[1].startswith("`") and "." in row[1]]
    assert switches == [f"`{switch.key}`" for switch in (*PROFILE_SWITCHES, *CONVENTION_SWITCHES)]
    assert len({len(row) for row in rows}) == 3, "a | in a cell"


def readings() -> list[dict[str, Any]]:
    """Every reading of the paper, as the page is made of them."""
    found: list[dict[str, Any]] = tomli.loads(pages_module().READINGS.read_text(encoding="utf-8"))["reading"]
    return found


def test_every_switch_has_one_reading_and_every_reading_with_a_key_one_switch() -> None:
    keys = [reading["key"] for reading in readings() if "key" in reading]
    assert sorted(keys) == sorted(switch.key for switch in (*PROFILE_SWITCHES, *CONVENTION_SWITCHES))


@pytest.mark.parametrize("reading", readings(), ids=lambda reading: f"{reading['number']}, {reading['title']}")
def test_a_reading_has_every_field_of_its_kind_and_what_computes_it_exists(reading: dict[str, Any]) -> None:
    fields = {"key", "changes", "why"} if "key" in reading else {"paper", "authors", "ours"}
    assert reading.keys() - {"silent"} == {"number", "title", "computed"} | fields
    assert "key" in reading or "silent" not in reading
    for place in reading["computed"]:
        module, _, attribute = place.partition(":")
        reduce(getattr, attribute.split("."), importlib.import_module(module))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_architecture_page_names_every_part() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    package = ROOT / "autospikformer_cli"
    parts = {path.stem for path in package.iterdir() if not path.stem.startswith("__")}
    assert not {part for part in parts if f"`{part}`" not in text}


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def table_rows(text: str, head: str) -> list[list[str]]:
    """The cells of the table with this head."""
    lines = text[text.index(head) :].splitlines()[2:]
    end = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return [[cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")] for line in lines[:end]]


def in_backticks(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.usefixtures("one_thread")
def test_the_examples_of_the_python_page_run() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", page("python.md"), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 5
    names: dict[str, Any] = {"__name__": "examples"}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"docs/python.md, example {number}", "exec"), names)  # noqa: S102


def test_the_python_page_names_the_whole_api() -> None:
    named = [in_backticks(row[0])[0] for row in table_rows(page("python.md"), "| name | what it does | returns |")]
    assert sorted(named) == sorted(autospikformer_cli.__all__)


def default_as_written(value: object) -> str:
    if value is inspect.Parameter.empty:
        return ""
    known = {id(SILENT): "SILENT", id(uninterrupted): "uninterrupted"}
    return known.get(id(value), repr(value).replace("'", '"'))


def api_parameters() -> Iterator[tuple[str, str, str]]:
    """Function, parameter and default of all that the API takes."""
    for name in autospikformer_cli.__all__:
        function = getattr(autospikformer_cli, name)
        if inspect.isfunction(function):
            for parameter in inspect.signature(function).parameters.values():
                yield name, parameter.name, default_as_written(parameter.default)


def test_the_python_page_has_every_parameter_with_its_default() -> None:
    rows = table_rows(page("python.md"), "| parameter | default | of | meaning |")
    described = [
        (function, in_backticks(row[0])[0], "".join(in_backticks(row[1])))
        for row in rows
        for function in in_backticks(row[2])
    ]
    assert sorted(described) == sorted(api_parameters())
