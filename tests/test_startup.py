"""`aspk --help` in a new process: complete, and without anything heavy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "fixtures" / "run_of_0_1"
HEAVY = {
    "h5py", "llvmlite", "matplotlib", "numba", "numpy", "pyarrow", "pydantic", "rich", "scipy", "sklearn", "tonic",
    "torch", "torchvision",
}  # fmt: skip

LISTING = """
import sys
from autospikformer_cli.cli.__main__ import main
code = main(["--help"])
print("--")
print(*sorted({name.partition(".")[0] for name in sys.modules}))
print(*sorted(name for name in sys.modules if name.startswith("autospikformer_cli.")))
sys.exit(code)
"""


def test_help_lists_every_command_and_imports_none() -> None:
    done = subprocess.run([sys.executable, "-c", LISTING], capture_output=True, text=True, check=True)
    help_text, _, modules = done.stdout.partition("--\n")
    listed = [line.split()[0] for line in help_text.partition("Commands:\n")[2].splitlines() if line[2:3].strip()]

    assert listed[:7] == ["train", "search", "evaluate", "finish", "energy", "analyze", "report"]
    assert listed[7:] == sorted(listed[7:])
    assert {"recipes", "runs"} <= set(listed)

    packages, own = (line.split() for line in modules.splitlines())
    assert not HEAVY & set(packages)
    assert "aspk_parquet" not in packages
    assert not [name for name in own if name.split(".")[1] not in {
        "__main__", "bounds", "cli", "errors", "registry", "say", "units", "wording",
    }]  # fmt: skip
    assert done.stderr == ""


WITHOUT_COMPUTING = """
import sys
from autospikformer_cli.cli.__main__ import main
code = main(sys.argv[1:])
print("--")
print(*sorted({name.partition(".")[0] for name in sys.modules}))
sys.exit(code)
"""


@pytest.mark.parametrize(
    "words",
    [
        ("report",),
        ("analyze", "genes"),
        ("compare",),
        ("energy",),
        ("search",),
        ("search", "--dry-run"),
        ("train", "--dry-run"),
        ("runs",),
    ],
    ids=" ".join,
)
def test_what_computes_nothing_loads_nothing_that_computes(own_folder: Path, words: tuple[str, ...]) -> None:
    """On a run that is trained and searched. `train --dry-run` takes its time from it."""
    shutil.copytree(RUN, "runs/small")
    done = subprocess.run([sys.executable, "-c", WITHOUT_COMPUTING, *words], capture_output=True, text=True, check=True)
    packages = done.stdout.rpartition("--\n")[2].split()
    assert not {"torch", "numba", "scipy", "sklearn", "torchvision", "tonic", "matplotlib"} & set(packages)
