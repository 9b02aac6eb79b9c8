"""argv -> exit code, and what stands on the two streams."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

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
        "memory": MemoryError(),
        "numpy": MemoryError("Unable to allocate 7.28 TiB for an array with shape (1000000, 1000000)"),
        "torch": RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000 bytes."),
        "gpu": RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8 GiB"),
        "text": SystemExit("a plugin's last words"),
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
    outcome = aspk("stop", way)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (exit_code, "", message)
    with_document = aspk("stop", way, "--json")
    assert (with_document.exit_code, with_document.stderr) == (exit_code, message)
    if way in ("nothing", "exit"):
        assert with_document.stdout == ""


@pytest.mark.parametrize(
    ("way", "asked"), [("memory", ""), ("numpy", "7.28 TiB"), ("torch", "4000000 bytes"), ("gpu", "2.00 GiB")]
)
def test_too_little_memory_is_no_bug(aspk, command, way, asked) -> None:
    command("stop", STOPPING)
    outcome = aspk("stop", way)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    at_once = f": {asked} were asked for at once" if asked else ""
    assert outcome.stderr.startswith(f"error: there is not enough memory{at_once}\n  lower train.batch, model.")


def fault(error: str, where: str | None = None, fix: str | None = None) -> dict[str, str | None]:
    return {"error": error, "where": where, "fix": fix}


LONG = "a" * 300
"""Longer than a file's name may be."""
BUG = "this is a bug in aspk, or in aspk-stop 1.0: ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("way", "exit_code", "faults"),
    [
        ("user", 2, [fault("search.populaton is not a key", "mine.toml:14", "did you mean search.population?")]),
        ("faults", 2, [fault("one"), fault("two", "--set seed=x")]),
        ("bad", 2, [fault("invalid value: 'x' is too short", "aspk stop", "see aspk stop --help")]),
        ("bug", 1, [fault(BUG)]),
        ("interrupt", 130, [fault("interrupted")]),
        ("text", 1, [fault("a plugin's last words")]),
    ],
)
def test_with_json_an_error_is_one_document(aspk, command, way, exit_code, faults) -> None:
    command("stop", STOPPING)
    outcome = aspk("stop", way, "--json")
    assert outcome.exit_code == exit_code
    assert outcome.stderr
    assert outcome.document == {"schema_version": 1, **faults[0], "exit_code": exit_code, "faults": faults}


def test_with_json_a_mistake_in_the_command_line_is_a_document(aspk) -> None:
    outcome = aspk("search", "--thread", "2", "--json")
    assert (outcome.exit_code, outcome.document["where"]) == (2, "aspk search")
    assert outcome.document["error"] == "no such option: --thread (Possible options: --threads)"
    assert aspk("rnus", "--json").document["fix"] == "did you mean runs?"


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
        "error: this is a bug in aspk, or in aspk-stop 1.0; the traceback says where",
    ]


def test_a_bug_without_a_plugin_in_its_traceback(aspk, monkeypatch) -> None:
    """A plugin may have given something wrong before."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("on purpose")

    importlib.import_module("autospikformer_cli.api")  # were it imported first while this is patched, it would keep it
    monkeypatch.setattr("autospikformer_cli.store.runs.runs_folder", fail)
    outcome = aspk("report")
    assert outcome.exit_code == 1
    assert outcome.stderr.endswith(
        "ZeroDivisionError: on purpose\n"
        "error: this is a bug in aspk, or in one of its plugins; the traceback says where\n"
    )


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("report", "--run", LONG), LONG),
        (
            ("train", "cifar10-small", "--dry-run", "--set", f'data.root="{LONG}"'),
            f"{{folder}}/{LONG}/cifar-10-batches-py",
        ),
    ],
)
def test_a_path_that_the_system_refuses_is_no_bug(aspk, own_folder, arguments, path) -> None:
    outcome = aspk(*arguments)
    where = path.format(folder=own_folder)
    assert outcome.stderr == (
        f"error: {where}: the path cannot be used: file name too long\n  allow access, or choose another\n"
    )
    assert (outcome.exit_code, outcome.stdout) == (2, "")


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
    assert "  aspk search --front front.png\n" in bare.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(aspk, monkeypatch, shell) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    outcome = aspk("--show-completion", shell)
    assert outcome.exit_code == 0
    assert f"complete_{shell}" in outcome.stdout


ASPK = f"{sys.executable} -m autospikformer_cli"


def in_a_shell(line: str) -> subprocess.CompletedProcess[str]:
    """What bash says of a line in which `aspk` is this program."""
    return subprocess.run(["bash", "-c", line.replace("aspk", ASPK)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", ["--help", "recipes", "--version", "recipes show quickstart", "recipes --json"])
def test_a_closed_pipe_is_no_error(words: str) -> None:
    done = in_a_shell(f"aspk {words} | true; echo ${{PIPESTATUS[0]}}")
    assert done.stderr == ""
    assert done.stdout in {"141\n", "0\n"}


NOT_WRITTEN = "error: the output cannot be written: bad file descriptor\n"


@pytest.mark.parametrize("words", ["--help", "recipes", "--version", "recipes show quickstart", "runs --json"])
def test_a_closed_standard_output_takes_no_result(words: str) -> None:
    done = in_a_shell(f"aspk {words} >&-")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", NOT_WRITTEN)


def test_what_is_written_into_a_file_stays_though_nothing_can_be_printed() -> None:
    done = in_a_shell("aspk report --table table2 --literature --to table.csv >&-")
    assert (done.returncode, done.stderr) == (2, NOT_WRITTEN)
    assert in_a_shell("aspk report --table table2 --literature --to again.csv").returncode == 0
    assert Path("table.csv").read_bytes() == Path("again.csv").read_bytes()


def test_a_mistake_is_said_though_standard_output_is_closed() -> None:
    done = in_a_shell("aspk rnus >&-")
    assert (done.returncode, done.stderr) == (2, "error: 'rnus' is not one of the commands\n  did you mean runs?\n")


def test_a_closed_standard_error_takes_nothing_from_standard_output() -> None:
    done = in_a_shell("aspk recipes show quickstart 2>&-")
    assert (done.returncode, done.stdout) == (0, in_a_shell("aspk recipes show quickstart").stdout)
    done = in_a_shell("aspk rceipes 2>&-; echo $?")
    assert (done.stdout, done.stderr) == ("2\n", "")
    done = in_a_shell("aspk recipes >&- 2>&- <&-; echo $? >/dev/stderr")
    assert done.stderr == "2\n"


def test_an_output_that_cannot_be_written_is_said() -> None:
    done = in_a_shell("aspk recipes >/dev/full; echo $?")
    assert (done.stdout, done.stderr) == ("2\n", "error: the output cannot be written: no space left on device\n")
    done = in_a_shell("aspk recipes 1</dev/null; echo $? >/dev/stderr")
    assert done.stderr == "error: the output cannot be written: bad file descriptor\n2\n"
    assert in_a_shell("aspk rceipes 2>/dev/full; echo $?").stdout == "2\n"


INTERRUPTED_AT = """
import signal, sys

def stop(event, arguments):
    if not stopped and {moment}:
        stopped.append(event)
        signal.raise_signal(signal.SIGINT)

stopped = []
sys.argv[:] = ["aspk", *sys.argv[1:]]
from autospikformer_cli.cli.__main__ import main
sys.addaudithook(stop)
sys.exit(main())
"""
"""aspk that gets a SIGINT at one moment, which no clock decides."""


def in_python(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", ["typer", "autospikformer_cli.cli.outcome", "rich.console"])
def test_ctrl_c_while_modules_are_imported(module: str) -> None:
    moment = f'event == "import" and arguments[0] == "{module}"'
    program = INTERRUPTED_AT.format(moment=moment)
    done = in_python(program, "recipes")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\ninterrupted\n")
    with_document = in_python(program, "recipes", "--json")
    assert (with_document.returncode, with_document.stderr) == (130, done.stderr)
    assert json.loads(with_document.stdout)["exit_code"] == 130


@pytest.mark.parametrize(
    "after",
    [
        "signal.raise_signal(signal.SIGINT)",
        "import atexit; atexit.register(signal.raise_signal, signal.SIGINT)",
        "class Late:\n    def __del__(self): signal.raise_signal(signal.SIGINT)\nlate = Late()",
    ],
    ids=["at once", "while functions at the exit run", "while modules are ended"],
)
def test_ctrl_c_after_the_command_changes_nothing(after: str) -> None:
    program = (
        f"import signal, sys\nfrom autospikformer_cli.cli.__main__ import main\ncode = main()\n{after}\nsys.exit(code)"
    )
    done = in_python(program, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"aspk {version('autospikformer-cli')}\n"


def test_ctrl_c_that_an_extension_turns_into_another_error(aspk, monkeypatch) -> None:
    """numpy says that it could not be imported."""

    def fail(*_: object) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise ImportError("numpy._core.multiarray failed to import") from error

    monkeypatch.setattr("autospikformer_cli.store.runs.runs_folder", fail)
    outcome = aspk("report")
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (130, "", "\ninterrupted\n")
