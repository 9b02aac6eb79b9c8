"""A training step with freed memory kept by the process, and given back to the system: two processes in turn.

Usage: python benchmarks/allocation.py [RECIPE]
"""

from __future__ import annotations

import statistics
import subprocess
import sys

import torch
from timing import machine, medians
from training import make_step

from autospikformer_cli.engine.compute import make_compute, own_process

ROUNDS, STEPS = 3, 5
COMPUTES = {"given back": make_compute, "kept": own_process}


def seconds_of_a_step(recipe: str, way: str) -> float:
    """Median seconds in a process of its own: the choice cannot be taken back."""
    output = subprocess.run([sys.executable, __file__, recipe, way], check=True, capture_output=True, text=True)
    return float(output.stdout.split()[-1])


def main(recipe: str, way: str | None) -> None:
    """Print the table of `results/allocation.md`, or in a child the seconds of a step."""
    if way is not None:
        step, _, _ = make_step(recipe, COMPUTES[way](threads=torch.get_num_threads()))
        print(medians({way: step}, STEPS)[way])
        return
    times: dict[str, list[float]] = {"given back": [], "kept": []}
    for _ in range(ROUNDS):
        for name, values in times.items():
            values.append(seconds_of_a_step(recipe, name))
    given_back, kept = (statistics.median(values) for values in times.values())
    print("# Memory that a training step keeps\n")
    print(f"{machine()}; largest subnet, medians of {ROUNDS} processes of {STEPS} steps\n")
    print("| recipe | given back (ms a step) | kept (ms a step) | ratio |\n|---|---|---|---|")
    print(f"| {recipe} | {given_back * 1e3:.0f} | {kept * 1e3:.0f} | {given_back / kept:.2f} |")


if __name__ == "__main__":
    words = [*sys.argv[1:], None, None]
    main(words[0] or "cifar10-small-laptop", words[1])
