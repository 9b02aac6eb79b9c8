"""A misspelled value of a closed set is answered with the one that was probably meant, wherever it is typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Aspk = Callable[..., Any]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("evaluate", "--subnet", "bset"), "best"),
        (("evaluate", "--subnet", "smalest"), "smallest"),
        (("energy", "quickstart", "--firing-rate", "0.2", "--subnet", "basline"), "baseline"),
        (("export", "--to", "a.onnx", "--subnet", "c1"), "c0001"),
        (("evaluate", "--subnet", "C0003"), "c0003"),
        (("evaluate", "--subnet", "3"), "c0003"),
        (("evaluate", "--split", "validaton"), "validation"),
        (("evaluate", "--precision", "float46"), "float64"),
        (("evaluate", "--engine", "dens"), "dense"),
        (("report", "--run", "tny"), "--run runs/tiny"),
        (("report", "--profile", "cmos54"), '"cmos45"'),
        (("report", "--convention", "strickt"), '"strict"'),
        (("search", "--algorithm", "nsga"), '"nsga2"'),
        (("search", "--executor", "process"), "processes"),
        (("search", "--set", 'search.split="tets"'), '"test"'),
        (("train", "quikstart"), "quickstart or quickstart-events"),
        (("recipes", "show", "quikstart"), "quickstart or quickstart-events"),
        (("profiles", "show", "lohi"), "loihi"),
        (("profiles", "shwo", "loihi"), "show"),
        (("anlyze",), "analyze"),
    ],
)
def test_what_was_probably_meant(aspk: Aspk, searched: Path, words: tuple[str, ...], meant: str) -> None:
    done = aspk(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 2
    assert done.stderr.splitlines()[1] == f"  did you mean {meant}?", done.stderr


def test_a_misspelled_word_needs_no_search(aspk: Aspk, trained: Path) -> None:
    done = aspk("evaluate", "--subnet", "bset")
    assert (done.exit_code, done.stderr) == (2, "error: --subnet: 'bset' names no subnet\n  did you mean best?\n")
