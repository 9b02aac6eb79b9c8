"""Commands that are suggested can be pasted into a shell, whatever the run is called."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import autospikformer_cli
from autospikformer_cli.store.evaluations import EVALUATIONS_FILE

Aspk = Callable[..., Any]
ODD = "\u00fc dir/my 'run'"


def test_the_next_command_and_a_remedy_name_the_run_as_a_shell_reads_it(aspk: Aspk, searched: Path) -> None:
    run = Path(ODD)
    run.parent.mkdir()
    searched.rename(run)
    done = aspk("report", "--run", ODD)
    assert done.exit_code == 0
    (told,) = re.findall("^next: (.*)$", done.stderr, re.MULTILINE)
    words = shlex.split(told)
    assert words[:4] == ["aspk", "evaluate", "--run", ODD]
    (run / EVALUATIONS_FILE).write_bytes(b"no file of ours")
    done = aspk(*words[1:])
    assert done.exit_code == 2
    remedy = done.stderr.splitlines()[-1]
    assert f"aspk evaluate --run {shlex.quote(ODD)} --subnet best; for the table of aspk finish: " in remedy
    assert f"aspk finish --run {shlex.quote(ODD)} (what" in remedy


def test_no_command_names_a_run_a_search_or_a_subnet_unquoted() -> None:
    unquoted = re.compile(r"aspk [^\"]*--(?:run|search|subnet) '?\{(?!quoted\(|run\})")
    for file in Path(autospikformer_cli.__file__).parent.rglob("*.py"):
        found = [line for line in file.read_text(encoding="utf-8").splitlines() if unquoted.search(line)]
        assert not found, (file, found)
