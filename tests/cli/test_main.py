"""argv -> exit code, and what stands on the two streams."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

STOPPING = """
    \"\"\"Stop in one of many ways.\"\"\"
    import typer
    from autospikformer_cli.errors import Faults, UserError
    from autospikformer_cli.cli.session import Session

    WAYS = {
        "user": UserError("search.populaton is not a key", "mine.toml:14", "did you mean search.population?"),
        "faults": Faults([UserError("one"), UserError("two", "--set seed=x")]),
        "bug": ZeroDivisionError("division by zero"),
        "interrupt": KeyboardInterrupt(),
        "exit": typer.Exit(7),
        "abort": typer.Abort(),
        "bad": typer.BadParameter("'x' is too short."),
        "end": EOFError("truncated"),
        "pipe": BrokenPipeError(),
    }

    def stop(session: Session, way: str) -> int:
        if way in WAYS:
            raise WAYS[way]
        return 5
"""


@pytest.mark.parametrize(
    ("way", "exit_code", "message"),
    [
        ("nothing", 0, ""),
        ("user", 2, "error: mine.toml:14: search.populaton is not a key\n  did you mean search.population?\n"),
        ("faults", 2, "error: one\nerror: --set seed=x: two\n"),
        ("interrupt", 130, "\ninterrupted\n"),
        ("abort", 130, "\ninterrupted\n"),
        ("exit", 7, ""),
        ("bad", 2, "error: aspk stop: invalid value: 'x' is too short\n  see aspk stop --help\n"),
    ],
)
def test_exit_codes(aspk, command, way, exit_code, message) -> None:
    command("stop", STOPPING)
    outcome = aspk("stop", way, "--json")
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (exit_code, "", message)


@pytest.mark.parametrize(
    ("way", "last"), [("bug", "ZeroDivisionError: division by zero"), ("end", "EOFError: truncated")]
)
def test_a_bug_keeps_its_traceback(aspk, command, way, last) -> None:
    command("stop", STOPPING)
    outcome = aspk("stop", way)
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("Traceback (most recent call last):\n")
    assert outcome.stderr.splitlines()[-2:] == [
        last,
        "error: this is a bug in aspk, or in one of its plugins; the traceback says where",
    ]


def test_mistakes_in_the_command_line(aspk) -> None:
    outcome = aspk("rnus")
    assert outcome.stderr == "error: 'rnus' is not one of the commands\n  did you mean runs?\n"
    assert (outcome.exit_code, outcome.stdout) == (2, "")

    outcome = aspk("search", "--thread", "2")
    assert outcome.stderr == (
        "error: aspk search: no such option: --thread (Possible options: --threads)\n  see aspk search --help\n"
    )
    assert (outcome.exit_code, outcome.stdout) == (2, "")

    outcome = aspk("evaluate", "there")
    assert (
        outcome.stderr == "error: aspk evaluate: got unexpected extra argument(s) (there)\n  see aspk evaluate --help\n"
    )
    outcome = aspk("runs", "there")
    assert outcome.stderr == "error: 'there' is not a command of aspk runs\n  its commands are list, show\n"


def test_version_and_help(aspk) -> None:
    assert aspk("--version").stdout == f"aspk {version('autospikformer-cli')}\n"
    bare = aspk()
    assert bare.exit_code == 0
    assert bare.stdout == aspk("--help").stdout == aspk("-h").stdout
    assert "  aspk search --alpha 0.5\n" in bare.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(aspk, monkeypatch, shell) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    outcome = aspk("--show-completion", shell)
    assert outcome.exit_code == 0
    assert f"complete_{shell}" in outcome.stdout


def test_a_closed_pipe_is_no_error() -> None:
    program = f"{sys.executable} -c 'import sys; from autospikformer_cli.__main__ import main; sys.exit(main())' --help"
    done = subprocess.run(
        ["bash", "-c", f"{program} | true; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout in {"141\n", "0\n"}
