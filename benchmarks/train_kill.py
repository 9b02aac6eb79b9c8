"""A training killed at random moments and resumed ends with the weights of one that was left alone: no timing.

Usage: python benchmarks/train_kill.py [--recipe quickstart] [--ranks 1] [--kills 20] [--seed 0] [-- TRAIN'S OPTIONS]

Every kill is SIGKILL, and the next start goes on. With several ranks, one of them is killed, and the others must end by
themselves. A training that ends before its kill comes is compared with the other, and begun anew, until all kills are
done.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from signal import SIGKILL

import numpy as np
from timing import machine

from autospikformer_cli.store.supernet import SUPERNET_FILE, load_checkpoint

KILLS_A_TRAINING = 4
"""By which a training is cut, in the mean."""
MOST_SECONDS = 30
"""In which all ranks must have ended after one of them was killed."""


class Job:
    """One command, in a process or in several."""

    def __init__(self, recipe: str, run: Path, num_ranks: int, options: Sequence[str]) -> None:
        asked = ["train", recipe, "--run", str(run), "--quiet", "--threads", "1", *options]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        shared = {"WORLD_SIZE": str(num_ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        self.run, self.lock = run, run / ".run.lock.json"
        self.lock.unlink(missing_ok=True)
        self.ranks = [
            subprocess.Popen(
                [sys.executable, "-m", "autospikformer_cli", *asked],
                env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} if num_ranks > 1 else None,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(num_ranks)
        ]

    def ends_before(self, moment: float) -> bool:
        """Whether it ends within so many seconds from where it holds its run."""
        while not self.lock.is_file() and all(rank.poll() is None for rank in self.ranks):
            time.sleep(0.001)
        last = time.monotonic() + moment
        while any(rank.poll() is None for rank in self.ranks):
            if time.monotonic() > last:
                return False
            time.sleep(0.005)
        self.require_done()
        return True

    def require_done(self) -> None:
        """Wait for the end, which must be a good one."""
        for rank in self.ranks:
            _, told = rank.communicate()
            assert rank.returncode == 0, f"aspk train ended with {rank.returncode}: {told}"

    def kill(self, which: int) -> float:
        """Kill one rank. Returns the seconds until all others have ended.

        They must say so with exit code 2, unless the training was done.
        """
        self.ranks[which].kill()
        began = time.monotonic()
        for number, rank in enumerate(self.ranks):
            _, told = rank.communicate(timeout=10 * MOST_SECONDS)
            allowed = (-SIGKILL,) if number == which else (2, 0) if is_done(self.run) else (2,)
            assert rank.returncode in allowed, f"rank {number} ended with {rank.returncode}: {told}"
        return time.monotonic() - began


def is_done(run: Path) -> bool:
    """Whether the training has ended."""
    return (run / SUPERNET_FILE).is_file() and load_checkpoint(run).state.finished


def standing(run: Path) -> str:
    """How far the run's file is."""
    if not (run / SUPERNET_FILE).is_file():
        return "no file yet"
    state = load_checkpoint(run).state
    return f"epoch {state.epoch}, step {state.step}"


def require_same(run: Path, other: Path) -> None:
    """AssertionError if two trainings differ in a bit of their weights or of their optimizers' state."""
    one, two = (load_checkpoint(each) for each in (run, other))
    for ours, theirs in ((one.weights, two.weights), (one.optimizer, two.optimizer)):
        assert ours.keys() == theirs.keys()
        for name, array in ours.items():
            assert np.array_equal(array, theirs[name]), name


def main(recipe: str, num_ranks: int, kills: int, seed: int, options: Sequence[str]) -> None:
    """Print the table of `results/train_kill.md`; AssertionError where a resumed training ends otherwise."""
    print(f"{machine()}; aspk train {recipe}, {num_ranks} ranks, kills at random moments, seed {seed}\n")
    moments, longest = random.Random(seed), 0.0
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "alone"
        began = time.monotonic()
        Job(recipe, alone, num_ranks, options).require_done()
        seconds = time.monotonic() - began
        print(f"left alone: {seconds:.0f} s\n\n| kill | training | rank | seconds from its lock on | the file then |")
        print("|---|---|---|---|---|")
        done, lives = 0, 0
        while done < kills:
            lives += 1
            killed = Path(folder) / f"killed-{lives}"
            while True:
                moment = moments.uniform(0.0, 2 * seconds / KILLS_A_TRAINING) if done < kills else 100 * seconds
                job, which = Job(recipe, killed, num_ranks, options), moments.randrange(num_ranks)
                if job.ends_before(moment):
                    break
                longest, done = max(longest, job.kill(which)), done + 1
                print(f"| {done} | {lives} | {which} | {moment:.2f} | {standing(killed)} |", flush=True)
            require_same(killed, alone)
    print(
        f"\n{lives} trainings, killed {kills} times in all: the weights and the optimizers' state of each are those of"
    )
    print("the training left alone, bit for bit.")
    if num_ranks > 1:
        assert longest <= MOST_SECONDS, f"{longest:.0f} s from a kill to the end of all ranks"
        print(f"From a kill to the end of all ranks: {longest:.1f} s at most.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="quickstart")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("options", nargs="*", help="options of aspk train, after --")
    given = parser.parse_args()
    main(given.recipe, given.ranks, given.kills, given.seed, given.options)
