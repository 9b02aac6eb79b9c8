"""README and docs/: every command line parses, and every block runs, or says why it is not run.

A sample has the shape of what is printed: its first line, and its last one, but for numbers.
Blocks run on a small run in the place of the quickstart's. Its training is done, so `aspk train quickstart` reads it.
A Python or TOML block that begins with a comment `# NAME.py` or `# NAME.toml` is that file.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from autospikformer_cli.cli.app import PROGRAM, build_app
from autospikformer_cli.errors import UserError

Aspk = Callable[..., Any]
ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "plugins").glob("*/README.md"))]
LANGUAGES = {"console", "python", "sh", "text", "toml"}
NOT_RUN = re.compile(r"<!-- not run: (.+) -->")
RUN_ELSEWHERE = {"python.md"}
"""Its examples are one script: tests/test_docs.py runs them."""
WRITING = ("--to", "--front", "--chart", "--heatmap")
"""Options that name a file which is then there."""
MAKE_TARGETS = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@dataclass(frozen=True)
class Command:
    """A line of a shell block, with what the page says that it prints, and which exit code the page says it has."""

    line: str
    printed: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        return shlex.split(re.split(r" [>|] ", self.line)[0], comments=True)

    @property
    def written_to(self) -> Path | None:
        """The file that takes the output."""
        _, redirected, name = self.line.partition(" > ")
        return Path(name) if redirected else None

    @property
    def exit_code(self) -> int:
        refused = "# refused" in self.line or (self.printed and self.printed[0].startswith("error:"))
        return 2 if refused else 0


@dataclass(frozen=True)
class Block:
    """A fenced block. not_run: the reason, from the marker in the line before it."""

    place: str
    language: str
    text: str
    not_run: str | None

    @property
    def commands(self) -> list[Command]:
        lines = [line for line in self.text.splitlines() if line]
        if self.language == "sh":
            return [Command(line) for line in lines if not line.startswith("#")]
        starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        ends = [*starts[1:], len(lines)]
        return [
            Command(lines[start][2:], tuple(lines[start + 1 : end])) for start, end in zip(starts, ends, strict=True)
        ]

    @property
    def file(self) -> str | None:
        """The file that the block is."""
        named = re.match(r"# ([\w.]+\.(?:py|toml))\n", self.text)
        return named[1] if named else None


def blocks_of(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = number
            continue
        marker = NOT_RUN.fullmatch(lines[start - 1])
        place, text = f"{page.relative_to(ROOT)}:{start + 1}", "\n".join(lines[start + 1 : number]) + "\n"
        yield Block(place, lines[start].removeprefix("```"), text, marker[1] if marker else None)
        start = None
    assert start is None, f"{page}:{start}: a block without end"


BLOCKS = {page: list(blocks_of(page)) for page in PAGES}
COMMANDS = [
    pytest.param(command, id=f"{block.place} {command.line.partition('#')[0].strip()}")
    for blocks in BLOCKS.values()
    for block in blocks
    if block.language in {"console", "sh"}
    for command in block.commands
]


def test_a_block_says_its_language_and_nothing_is_a_block_by_indentation() -> None:
    blocks = [block for each in BLOCKS.values() for block in each]
    assert not [block.place for block in blocks if block.language not in LANGUAGES]
    assert not [block.place for block in blocks if block.language == "text" and re.search(r"^\$? ?aspk ", block.text)]
    for page in PAGES:
        prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        assert not re.findall(r"\n\n {4}\w.*", prose), page


def test_a_marker_stands_before_a_block_that_could_be_run() -> None:
    for page, blocks in BLOCKS.items():
        marked = [block for block in blocks if block.not_run]
        assert len(marked) == len(re.findall(r"^<!-- not run", page.read_text(encoding="utf-8"), re.MULTILINE)), page
        assert not [block.place for block in marked if block.language not in {"console", "python", "sh"}]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_line_parses(command: Command) -> None:
    words = command.words
    if words[0] == "make":
        assert set(words[1:]) <= MAKE_TARGETS
    if words[0] == PROGRAM:
        parse(words[1:])


def parse(words: list[str]) -> None:
    """What the command line does with these words before a command runs."""
    group: Any = build_app()
    context = group.make_context(PROGRAM, words)
    while True:
        rest = [*context._protected_args, *context.args]
        if not rest or not hasattr(group, "resolve_command"):
            return
        name, group, rest = group.resolve_command(context, rest)
        context = group.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_options_named_in_the_text_exist(page: Path) -> None:
    """`aspk report --profile` names an option without its value."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for line in re.findall(r"`aspk\s([^`]+)`", prose):
        words = shlex.split(line.replace("\n", " "))
        if words[0].isupper() or words[0].startswith("-"):
            continue
        known = options_of([word for word in words if not word.startswith("-")])
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, line


def options_of(words: list[str]) -> set[str]:
    """The options of the command that words begin with, and of the default command of a group."""
    group: Any = build_app()
    context = typer.Context(group)
    command = group.get_command(context, words[0])
    options = {"--help"}
    for word in (*words[1:], None):
        options |= {name for parameter in command.params for name in parameter.opts}
        inner = getattr(command, "commands", None)
        if inner is None or word is None:
            if inner is not None:
                options |= {name for parameter in inner[command.default].params for name in parameter.opts}
            break
        command = inner.get(word, inner[command.default])
    return options


@pytest.fixture(scope="module")
def trained_once(train_tiny: Callable[..., tuple[Path, Any]]) -> tuple[Path, Any]:
    """With few training images: pages say nothing of accuracies, and retrain often."""
    return train_tiny("data.test=0.7")


@pytest.fixture(scope="module")
def searched_once(trained_once: tuple[Path, Any], search_copy: Callable[[Path], tuple[Path, Any]]) -> tuple[Path, Any]:
    return search_copy(trained_once[0])


@pytest.fixture
def quickstart(searched: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small run in the place of the quickstart's, and the working folder on the path of modules."""
    run = searched.with_name("quickstart")
    shutil.move(searched, run)
    monkeypatch.syspath_prepend(str(Path.cwd()))
    return run


@pytest.mark.parametrize(
    "page",
    [page for page, blocks in BLOCKS.items() if page.name not in RUN_ELSEWHERE and any(not b.not_run for b in blocks)],
    ids=lambda page: str(page.relative_to(ROOT)),
)
@pytest.mark.usefixtures("quickstart")
def test_the_blocks_of_a_page_run_in_order_and_print_what_the_page_says(page: Path, aspk: Aspk) -> None:
    names: dict[str, Any] = {"__name__": "examples"}
    for block in BLOCKS[page]:
        if block.not_run or block.language == "text":
            continue
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
        if block.language == "python":
            exec(compile(block.text, block.place, "exec"), names)  # noqa: S102
        elif block.language in {"console", "sh"}:
            for command in block.commands:
                run(command, block, aspk)


def run(command: Command, block: Block, aspk: Aspk) -> None:
    """Run one line, and compare what it prints with what the page says."""
    words = command.words
    assert words[0] in {PROGRAM, "make"}, f"{block.place}: mark it as not run: {command.line}"
    if words[0] == "make":
        return
    if words[1:3] == ["train", "quickstart"]:  # it has been trained
        words = [PROGRAM, "train", *words[3:], "--run", "runs/quickstart"]
    done = aspk(*words[1:])
    assert done.exit_code == command.exit_code, (block.place, command.line, done.stderr)
    written = [Path(words[words.index(option) + 1]) for option in WRITING if option in words]
    assert all(path.is_file() for path in written), (block.place, command.line)
    if command.written_to:
        command.written_to.write_text(done.stdout, encoding="utf-8")
    if command.printed:
        first, last = command.printed[0], next(line for line in reversed(command.printed) if re.search(r"\w|\.", line))
        real = shape(done.stderr if command.exit_code else done.stdout)
        assert first == "..." or real.startswith(shape(first)), (block.place, shape(first), real)
        assert last == "..." or real.endswith(shape(last)), (block.place, shape(last), real)


def shape(text: str) -> str:
    """A text without its numbers, units' prefixes, hashes, rules of tables and line breaks."""
    text = re.sub(r"\((?:[\d.]+, ?){4,}[\d.]+\)", "(GENES)", text)
    text = re.sub(r"\b[0-9a-f]{16}\b", "HASH", text)
    text = re.sub(r"\d[\d.,]*(?:e-\d+)?(?: ?[kMGTmµnp](?=J?\b))?", "#", text)
    return " ".join(re.sub(r"[─╭╮╰╯│]", " ", text).split())


def test_the_front_page_reaches_a_picture_in_two_commands(quickstart: Path, aspk: Aspk) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tour = next(block for block in BLOCKS[ROOT / "README.md"] if block.language == "console")
    assert [command.line for command in tour.commands] == ["aspk train quickstart", "aspk search --front front.png"]
    assert sum(len(command.printed) for command in tour.commands) == 10
    assert text.index("## Install") < text.index(tour.text)
    assert 120 <= len(text.splitlines()) <= 160
    assert aspk(*tour.commands[1].words[1:]).exit_code == 0
    assert Path("front.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("searched")
def test_the_front_is_the_figure_of_the_report(aspk: Aspk) -> None:
    assert aspk("search", "--front", "one.png").stdout.splitlines()[-1] == "front: one.png"
    assert aspk("report", "--figure", "front", "--to", "two.png").exit_code == 0
    assert Path("one.png").read_bytes() == Path("two.png").read_bytes()


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--front", "front.gif"), "a picture is written as .png, .svg or .pdf, not as .gif"),
        (("--front", "no/front.png"), "there is no folder no"),
        (("--front", "front.png", "--seeds", "2"), "it draws the front of one search, here are several"),
        (("--front", "front.png", "--dry-run"), "--dry-run writes nothing"),
    ],
)
def test_a_front_that_cannot_be_drawn_is_refused_before_the_search(
    aspk: Aspk, options: tuple[str, ...], message: str
) -> None:
    done = aspk("search", *options)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not Path("runs/tiny/searches").exists()


def test_parsing_finds_mistakes() -> None:
    parse(["energy", "module", "my_net:Net", "--input-shape", "16,784"])
    with pytest.raises(typer._click.exceptions.NoSuchOption):  # type: ignore[attr-defined]
        parse(["report", "--figur", "front"])
    with pytest.raises(UserError):
        parse(["reprt"])
    assert "--time-steps" in options_of(["energy", "module"])
    assert "--figur" not in options_of(["report"])
