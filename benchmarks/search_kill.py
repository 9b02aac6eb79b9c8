"""A search killed at random moments and resumed ends in the archive of one that was left alone: no timing.

Usage: python benchmarks/search_kill.py --run RUN [--kills 20] [--seed 0] [-- OPTIONS OF aspk search]

RUN is a trained run, which is copied and never written to. Every killed process is sent SIGKILL; the next one goes on.
A search that ends before its kill comes is compared with the other, and begun anew, until all kills are done.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import machine

from autospikformer_cli.errors import UserError
from autospikformer_cli.store.files import SEARCHES_FOLDER
from autospikformer_cli.store.population import load_population, read_search
from autospikformer_cli.store.searches import find_search, present_search, search_file

TURNS_A_SEARCH = 4
"""Kills that a search is cut by, in the mean."""


def main(run: Path, kills: int, seed: int, options: list[str]) -> None:
    """Print the table of `results/search_kill.md`; AssertionError where a resumed search ends otherwise."""
    print(f"{machine()}; {' '.join(['aspk search', *options])}, kills at random moments, seed {seed}\n")
    moments = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        alone = copied(run, Path(folder) / "alone")
        began = time.monotonic()
        searched(alone, options).wait()
        seconds = time.monotonic() - began
        expected = file_of(alone).read_bytes()
        number = len(load_population(alone).candidates)
        print(f"left alone: {number} candidates, {seconds:.0f} s\n")
        print(
            "| kill | search | seconds after its start | candidates in the file | generation |\n|---|---|---|---|---|"
        )
        done, lives = 0, 0
        while done < kills:
            lives += 1
            killed = copied(run, Path(folder) / f"killed-{lives}")
            ended = False
            while not ended:
                moment = None if done == kills else moments.uniform(0.0, 2 * seconds / TURNS_A_SEARCH)
                ended = ends_before(killed, options, moment)
                if not ended:
                    done += 1
                    print(f"| {done} | {lives} | {moment:.2f} | {standing(killed)} |")
            assert load_population(killed) == load_population(alone)
            assert file_of(killed).read_bytes() == expected
            assert sorted(path.name for path in killed.iterdir()) == sorted(path.name for path in alone.iterdir())
    print(f"\n{lives} searches, killed {kills} times in all: each file is the same as that of the search left alone,")
    print("byte for byte")


def copied(run: Path, to: Path) -> Path:
    """The trained run without its searches."""
    shutil.copytree(run, to, ignore=lambda folder, names: [".run.lock", ".run.lock.json", SEARCHES_FOLDER])
    return to


def file_of(run: Path) -> Path:
    """The file of the present search."""
    return search_file(run, find_search(run))


def searched(run: Path, options: list[str]) -> subprocess.Popen[bytes]:
    """A search in another process."""
    command = [sys.executable, "-m", "autospikformer_cli", "search", "--run", str(run), "--quiet", *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def ends_before(run: Path, options: list[str], moment: float | None) -> bool:
    """Search, and kill the search after so many seconds from where it holds its run; whether it ended before."""
    process = searched(run, options)
    while not (run / ".run.lock.json").is_file() and process.poll() is None:
        time.sleep(0.001)
    try:
        code = process.wait(moment)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        (run / ".run.lock.json").unlink(missing_ok=True)  # the next process must be seen to begin
        return False
    assert code == 0, f"aspk search ended with {code}"
    return True


def standing(run: Path) -> str:
    """Candidates and generation of the file; AssertionError where it is torn."""
    if present_search(run) is None:
        return "no file yet | "
    try:
        search = read_search(run)
        assert len(load_population(run).candidates) == search.num_candidates
    except UserError as error:
        raise AssertionError(f"a kill tore the file: {error}") from error
    return f"{search.num_candidates} | {search.state['generation']}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("options", nargs="*", help="options of aspk search, after --")
    given = parser.parse_args()
    main(given.run, given.kills, given.seed, given.options)
