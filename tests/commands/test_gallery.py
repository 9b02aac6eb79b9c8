"""docs/gallery.md: every figure is on it, under its command. That the commands run: test_documentation.py."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from autospikformer_cli.report.figures.catalogue import FIGURES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "gallery.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line)[1:] for line in re.findall(r"^(aspk .*)$", PAGE, re.MULTILINE)]
PICTURES = re.findall(r"!\[[^]]+\]\(gallery/([^)]+)\)", PAGE)
MOST_BYTES = 1_500_000
MOST_BYTES_OF_A_PAGE = 200_000
SHOWN_BY_A_BROWSER = {"page.png": "page.html"}
"""Pictures of what a command writes and a browser draws."""
FIRST_BYTES = {".png": b"\x89PNG", ".svg": b"<?xml"}


def test_every_figure_is_in_the_gallery() -> None:
    shown = [words[words.index("--figure") + 1] for words in COMMANDS if words[0] == "report" and "--figure" in words]
    assert set(shown) == set(FIGURES)


def test_the_pictures_are_there_and_small_and_no_others_are() -> None:
    files = sorted((DOCS / "gallery").iterdir())
    assert [file.name for file in files] == sorted(PICTURES)
    assert sum(file.stat().st_size for file in files) < MOST_BYTES
    for file in files:
        assert file.read_bytes().startswith(FIRST_BYTES[file.suffix]), file
    for name in SHOWN_BY_A_BROWSER:
        assert (DOCS / "gallery" / name).stat().st_size < MOST_BYTES_OF_A_PAGE


def test_a_picture_stands_under_the_command_that_made_it() -> None:
    for name in PICTURES:
        before = PAGE[: PAGE.index(f"(gallery/{name})")]
        last = re.findall(r"^(aspk .*)$", before, re.MULTILINE)[-1]
        assert SHOWN_BY_A_BROWSER.get(name, name) in last, name
