"""docs/gallery.md: every command on it runs, and makes the picture under it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autospikformer_cli.report.figures.catalogue import FIGURES

Aspk = Callable[..., Any]
DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "gallery.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line)[1:] for line in re.findall(r"^    (aspk .*)$", PAGE, re.MULTILINE)]
PICTURES = re.findall(r"!\[[^]]+\]\(gallery/([^)]+)\)", PAGE)
MOST_BYTES = 1_100_000
MOST_BYTES_OF_A_PAGE = 200_000
SHOWN_BY_A_BROWSER = {"page.png": "page.html"}
"""Pictures of what a command writes and a browser draws."""
FIRST_BYTES = {".png": b"\x89PNG", ".svg": b"<?xml"}


def test_the_commands_of_the_gallery_run_and_make_its_pictures(aspk: Aspk, searched: Path) -> None:
    """On a smaller run; the training of its own run is only planned."""
    assert COMMANDS[0] == ["train", "quickstart"]
    assert aspk(*COMMANDS[0], "--dry-run").exit_code == 0
    for words in COMMANDS[1:]:
        done = aspk(*words)
        assert done.exit_code == 0, (words, done.stderr)
    missing = [name for name in PICTURES if not Path(SHOWN_BY_A_BROWSER.get(name, name)).is_file()]
    assert not missing
    assert {path.name for path in Path("pictures").iterdir()} >= {"front.pdf", "front.png", "training.pdf"}


def test_every_figure_is_in_the_gallery() -> None:
    shown = [words[words.index("--figure") + 1] for words in COMMANDS if "--figure" in words]
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
        last = re.findall(r"^    (aspk .*)$", before, re.MULTILINE)[-1]
        assert SHOWN_BY_A_BROWSER.get(name, name) in last, name
