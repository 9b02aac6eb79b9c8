"""What a shell offers after TAB, as the shells ask for it; without torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer._completion_classes import BashComplete

from autospikformer_cli.cli.app import COMPLETE_VARIABLE, PROGRAM, build_app
from autospikformer_cli.recipe import shipped_recipes


def offered(*words: str) -> list[str]:
    """The values that are offered for the last word."""
    shell = BashComplete(build_app(), {}, PROGRAM, COMPLETE_VARIABLE)
    return [item.value for item in shell.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (("train", "quick"), ["quickstart", "quickstart-events"]),
        (("recipes", "show", "quick"), ["quickstart", "quickstart-events"]),
        (("import", "x.pth", "--recipe", "quick"), ["quickstart", "quickstart-events"]),
        (("search", "--algorithm", ""), ["evolution", "exhaustive", "nsga2", "predictor", "random"]),
        (("search", "--executor", "pro"), ["processes"]),
        (("report", "--table", "t"), ["table2", "table3", "table4", "table5", "top"]),
        (("report", "--format", "l"), ["latex"]),
        (("search", "--profile", ""), ["cmos45", "cmos45-memory", "loihi"]),
        (("energy", "--convention", "s"), ["sound", "strict"]),
        (("profiles", "show", ""),
         ["cmos45", "cmos45-memory", "loihi", "sound", "border-exact", "every-step", "mean-rate", "paper", "strict"]),
        (("evaluate", "--subnet", ""), ["best", "largest", "smallest", "baseline"]),
        (("energy", "--subnet", "b"), ["best", "baseline"]),
        (("evaluate", "--split", "t"), ["test", "train"]),
        (("evaluate", "--engine", ""), ["event_driven", "dense"]),
        (("evaluate", "--precision", ""), ["float32", "float64"]),
        (("evaluate", "--device", "c"), ["cpu", "cuda"]),
        (("search", "--set", "search.p"), [
            "search.population=", "search.parents=", "search.p_depth=", "search.p_mutation=", "search.percentile="]),
        (("analyze", "r"), ["ranking"]),
        (("energy", "mod"), ["module"]),
        (("profi",), ["profiles"]),
        (("report", "--verb"), ["--verbose"]),
        (("energy", "--firing"), ["--firing-rate"]),
        (("search", "--max-p"), ["--max-params"]),
    ],
)  # fmt: skip
def test_values(words: tuple[str, ...], values: list[str]) -> None:
    assert offered(*words) == values


def test_searches_to_compare_are_runs_and_after_a_colon_searches(own_folder: Path) -> None:
    for name in ("evolution-alpha0.5-seed0", "random-alpha0.5-seed0"):
        file = own_folder / "runs" / "mine" / "searches" / f"{name}.h5"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (own_folder / "runs" / "mine" / "supernet.h5").touch()
    assert offered("compare", "runs/m") == ["runs/mine"]
    assert offered("compare", "runs/mine:r") == ["runs/mine:random-alpha0.5-seed0"]
    assert offered("compare", "mine:evolution-alpha0.5-seed0", "mine:") == [
        "mine:evolution-alpha0.5-seed0", "mine:random-alpha0.5-seed0"
    ]  # fmt: skip


def test_a_command_with_a_default_one_offers_both() -> None:
    assert set(offered("energy", "")) == {"subnet", "module", *shipped_recipes()}


def test_runs_are_those_that_there_are(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered("report", "--run", "") == []
    for run in ("runs/first", "runs/second", "elsewhere/third"):
        Path(run).mkdir(parents=True)
        Path(run, "supernet.h5").touch()
    Path("runs", "no-run").mkdir()
    assert offered("report", "--run", "") == ["runs/first", "runs/second"]
    assert offered("report", "--run", "runs/s") == ["runs/second"]
    assert offered("report", "--run", "elsewhere/") == ["elsewhere/third"]
    monkeypatch.setenv("ASPK_RUNS", "elsewhere")
    assert offered("search", "--run", "") == ["elsewhere/third"]


def test_searches_are_those_of_the_run_on_the_line(own_folder: Path) -> None:
    """The newest run's without one; none of a run that is not there."""
    assert offered("report", "--search", "") == []
    for number, (run, searches) in enumerate({"runs/first": ("a", "b"), "runs/second": ("c",)}.items()):
        Path(run, "searches").mkdir(parents=True)
        Path(run, "supernet.h5").touch()
        os.utime(Path(run, "supernet.h5"), (number, number))
        for name in searches:
            Path(run, "searches", f"{name}.h5").touch()
            os.utime(Path(run, "searches", f"{name}.h5"), (number, number))
    assert offered("report", "--search", "") == ["c"]
    for words in (("report",), ("evaluate",), ("energy",), ("energy", "subnet"), ("analyze", "blocks"), ("export",)):
        assert offered(*words, "--run", "runs/first", "--search", "") == ["a", "b"]
        assert offered(*words, "--run=first", "--search", "b") == ["b"]
    assert offered("search", "--run", "first", "--name", "") == ["a", "b"]
    assert offered("report", "--run", "third", "--search", "") == []


def test_files_of_ones_own_are_offered(own_folder: Path) -> None:
    Path("chips").mkdir()
    Path("chips", "mine.toml").touch()
    Path("mine.toml").touch()
    assert offered("train", "mi") == ["mine.toml"]
    assert offered("energy", "--profile", "chips/") == ["chips/mine.toml"]


def test_a_shell_s_question_is_answered_without_torch(own_folder: Path) -> None:
    program = (
        "import sys; from autospikformer_cli.cli.__main__ import main; code = main(); "
        "print(*({'torch', 'matplotlib', 'numba', 'scipy'} & {*sys.modules}), file=sys.stderr); sys.exit(code)"
    )
    for line, values in (("aspk report --run ", ""), ("aspk train quick", "quickstart\nquickstart-events")):
        words = line.split(" ")
        asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), COMPLETE_VARIABLE: "complete_bash"}
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ | asked
        )
        assert (done.stdout.strip(), done.stderr.strip()) == (values, "")
