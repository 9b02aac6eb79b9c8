"""`aspk report` and `aspk compare` on archives of 1 to 100,000 candidates: seconds and memory of each command.

Usage: python benchmarks/report.py [NUM ...]

It trains a small supernet, searches a little, and gives copies of that run two searches of NUM made-up candidates each
(`report_archive.py`). Each command is a new process. The minimum of ROUNDS is printed, and the most memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from report_archive import SEARCHES, make_archive
from timing import machine

from autospikformer_cli.cli.__main__ import main as aspk

HERE = Path(__file__).parent.parent
NUMBERS = (1, 1_000, 20_000, 100_000)
ROUNDS = 3
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
FIRST, SECOND = SEARCHES
MEASURE = """\
import os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(time.perf_counter() - began, usage.ru_utime, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""In a small process of its own: Linux counts the peak memory of the parent as that of a new child."""
COMMANDS: Mapping[str, Sequence[str]] = {
    "report": ("report",),
    "report --json": ("report", "--json"),
    "report --table front --format csv": ("report", "--table", "front", "--format", "csv"),
    "report --figure front": ("report", "--figure", "front", "--to", "front.pdf"),
    "report --figure hypervolume": ("report", "--figure", "hypervolume", "--to", "hypervolume.pdf", "--search", FIRST),
    "report --figure fitness": ("report", "--figure", "fitness", "--to", "fitness.pdf", "--search", FIRST),
    "report --figure genes": ("report", "--figure", "genes", "--to", "genes.pdf"),
    "compare (two searches of as many)": ("compare", f"RUN:{FIRST}", f"RUN:{SECOND}"),
}


class Cost(NamedTuple):
    """What one process took. memory_mib: at its peak."""

    wall_s: float
    user_s: float
    memory_mib: float


def cost_of(folder: Path, arguments: Sequence[str]) -> Cost:
    """The cost of one command. Raises CalledProcessError if it fails."""
    command = [sys.executable, "-m", "autospikformer_cli", *arguments, "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
    measured = [sys.executable, "-c", MEASURE, *command]
    done = subprocess.run(measured, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    wall_s, user_s, kibibytes = map(float, done.stdout.split())
    return Cost(wall_s, user_s, kibibytes / 1024)


def print_rows(folder: Path, num: int) -> None:
    """A line of the table for each command, on archives of one size."""
    for name, arguments in COMMANDS.items():
        run = f"n{num}"
        given = [argument.replace("RUN", run) for argument in arguments]
        given += ["--run", run] if name.startswith("report") else []
        costs = [cost_of(folder, given) for _ in range(ROUNDS)]
        best = min(costs, key=lambda cost: cost.wall_s)
        most = max(cost.memory_mib for cost in costs)
        print(f"| {name} | {num:,} | {best.wall_s:.2f} | {best.user_s:.2f} | {most:.0f} |", flush=True)


def main(numbers: Sequence[int]) -> None:
    """Print the table of `results/report.md`."""
    with TemporaryDirectory() as root:
        folder = Path(root)
        (folder / "small.toml").write_text(RECIPE)
        template = folder / "small"
        for command in (("train", str(folder / "small.toml")), ("search",)):
            aspk([*command, "--run", str(template), "--quiet"])
        print(f"{machine()}; minimum of {ROUNDS}\n")
        print("| command | candidates | wall seconds | user CPU seconds | peak memory, MiB |")
        print("|---|---|---|---|---|")
        for num in numbers:
            make_archive(template, folder / f"n{num}", num)
            print_rows(folder, num)


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or NUMBERS)
