"""User CPU seconds of commands that compute nothing or little, each a new process, on a small run that it makes.

Usage: python benchmarks/commands.py [OTHER_CHECKOUT]

With another checkout, both run the commands in turn, each on a run of its own. The minimum of ROUNDS is printed.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from timing import machine

HERE = Path(__file__).parent.parent
ROUNDS = 3
RUN = ("--run", "small")
RECIPE = """\
extends = "quickstart"
[train]
epochs = 1
warmup_epochs = 0
[search]
population = 20
parents = 5
generations = 2
"""
COMMANDS: Mapping[str, Sequence[str]] = {
    "report": ("report", *RUN),
    "energy from stored counts": ("energy", *RUN),
    "a finished search": ("search", *RUN),
    "search --dry-run": ("search", *RUN, "--dry-run"),
    "export to ONNX": ("export", *RUN, "--to", "best.onnx", "--overwrite"),
    "export to .pt2": ("export", *RUN, "--to", "best.pt2", "--overwrite"),
}


def user_seconds(checkout: Path, folder: Path, arguments: Sequence[str]) -> float:
    """User CPU seconds of one command of a checkout. Raises CalledProcessError if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [sys.executable, "-m", "autospikformer_cli", *arguments, "--quiet"]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def main(checkouts: Sequence[Path]) -> None:
    """Print the table of `results/commands.md`."""
    with TemporaryDirectory() as root:
        folders = [Path(root) / str(place) for place in range(len(checkouts))]
        for checkout, folder in zip(checkouts, folders, strict=True):
            folder.mkdir()
            (folder / "small.toml").write_text(RECIPE)
            user_seconds(checkout, folder, ("train", "small.toml", *RUN))
            user_seconds(checkout, folder, ("search", *RUN))
        print(f"{machine()}; user CPU seconds, minimum of {ROUNDS}\n")
        print("| command | here |" + (" there | there / here |" if len(checkouts) > 1 else ""))
        print("|---|---|" + ("---|---|" if len(checkouts) > 1 else ""))
        for name, arguments in COMMANDS.items():
            rounds = [
                [user_seconds(checkout, folder, arguments) for checkout, folder in zip(checkouts, folders, strict=True)]
                for _ in range(ROUNDS)
            ]
            best = [min(seconds) for seconds in zip(*rounds, strict=True)]
            ratio = f" {best[1]:.2f} | {best[1] / best[0]:.1f} |" if len(best) > 1 else ""
            print(f"| {name} | {best[0]:.2f} |{ratio}", flush=True)


if __name__ == "__main__":
    main([HERE, *(Path(path).resolve() for path in sys.argv[1:])])
