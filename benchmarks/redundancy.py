"""Structural similarity of all pairs of 384 channels over 64 images: ours, and scikit-image's on some of the pairs.

Usage: python benchmarks/redundancy.py [--run RUN]

With a run, `aspk analyze channels` is timed on it, too, in new processes.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity
from timing import machine, medians

from autospikformer_cli.analysis.redundancy import channel_similarity

CHANNELS, IMAGES, STEPS, THREADS, ROUNDS, PAIRS = 384, 64, 4, 2, 5, 2000
SIDES = (8, 14, 16)

Maps = NDArray[np.float64]


def rate_maps(side: int) -> Maps:
    """Values that an embedding can have at T steps, most of them 0; some channels are constant, silent or repeated."""
    generator = np.random.default_rng(side)
    maps = generator.binomial(2 * STEPS, 0.15, (IMAGES, CHANNELS, side, side)) / (2 * STEPS)
    maps[:, 0], maps[:, 1], maps[:, 3] = 0.5, 0.0, maps[:, 2]
    return maps


def theirs(maps_NCHW: Maps, pairs: NDArray[np.int64]) -> Maps:
    """scikit-image's, of some pairs in one image."""
    return np.array([structural_similarity(maps_NCHW[0, a], maps_NCHW[0, b], data_range=1.0) for a, b in pairs])


def compared(side: int) -> str:
    """A line of the table. Raises AssertionError if the two differ by more than 1e-6."""
    maps = rate_maps(side)
    generator = np.random.default_rng(0)
    pairs = np.concatenate([[(0, 1), (0, 2), (1, 2), (2, 3)], generator.integers(0, CHANNELS, (PAIRS - 4, 2))])
    difference = np.abs(channel_similarity(maps[:1])[tuple(pairs.T)] - theirs(maps, pairs)).max()
    assert difference < 1e-6, difference
    runs: dict[str, Callable[[], Any]] = {
        "one": lambda: channel_similarity(maps),
        "threads": lambda: channel_similarity(maps, THREADS),
        "theirs": lambda: theirs(maps, pairs),
    }
    seconds = medians(runs, ROUNDS)
    whole = seconds["theirs"] / PAIRS * IMAGES * CHANNELS * (CHANNELS - 1) / 2
    return (
        f"| {side} x {side} | {seconds['one']:.2f} | {seconds['threads']:.2f} | {whole:.0f} "
        f"| {whole / seconds['one']:.0f} | {whole / seconds['threads']:.0f} | {difference:.0e} |"
    )


def command_seconds(run: str) -> float:
    """User CPU seconds of `aspk analyze channels` on a run, in a new process: the least of three."""
    words = ["analyze", "channels", "--run", run, "--json", "--quiet", "--threads", str(THREADS)]
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        command = [sys.executable, "-m", "autospikformer_cli", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
    return min(taken)


def main() -> None:
    """Print the tables of `results/redundancy.md`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run")
    arguments = parser.parse_args()
    print(f"# Similarity of channels\n\n{machine()}; {CHANNELS} channels, {IMAGES} images, medians of {ROUNDS}\n")
    print("| map | ours, one thread (s) | ours, two (s) | scikit-image (s) | ratio, one | ratio, two | difference |")
    print("|---|---|---|---|---|---|---|")
    for side in SIDES:
        print(compared(side), flush=True)
    print(f"\nscikit-image: {PAIRS:,} pairs of one image, scaled up to all pairs of all images; one thread.")
    if arguments.run is not None:
        print(f"\n`aspk analyze channels`, the whole command: {command_seconds(arguments.run):.1f} user CPU seconds.")


if __name__ == "__main__":
    main()
