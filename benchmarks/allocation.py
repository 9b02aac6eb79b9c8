"""A training step with freed memory kept by the process, and given back to the system: two processes in turn.

Usage: python benchmarks/allocation.py [RECIPE [ROOT]], with the folder of the data set
"""

from __future__ import annotations

import statistics
import subprocess
import sys

import torch
from engine_network import root_override
from timing import machine, medians
from training import make_step, make_trainer

from autospikformer_cli.engine.compute import make_compute, own_process
from autospikformer_cli.recipe import load_recipe

ROUNDS, STEPS = 3, 5
COMPUTES = {"given back": make_compute, "kept": own_process}


def seconds_of_a_step(recipe: str, root: str, way: str) -> float:
    """Median seconds in a process of its own: the choice cannot be taken back."""
    output = subprocess.run([sys.executable, __file__, recipe, root, way], check=True, capture_output=True, text=True)
    return float(output.stdout.split()[-1])


def main(recipe: str, root: str, way: str | None) -> None:
    """Print the table of `results/allocation.md`, or in a child the seconds of a step."""
    if way is not None:
        given = load_recipe(recipe, [root_override(root)] if root else [])
        trainer = make_trainer(given, COMPUTES[way](threads=torch.get_num_threads()))
        print(medians({way: make_step(trainer)}, STEPS)[way])
        return
    times: dict[str, list[float]] = {"given back": [], "kept": []}
    for _ in range(ROUNDS):
        for name, values in times.items():
            values.append(seconds_of_a_step(recipe, root, name))
    given_back, kept = (statistics.median(values) for values in times.values())
    print("# Memory that a training step keeps\n")
    print(f"{machine()}; largest subnet, medians of {ROUNDS} processes of {STEPS} steps\n")
    print("| recipe | given back (ms a step) | kept (ms a step) | ratio |\n|---|---|---|---|")
    print(f"| {recipe} | {given_back * 1e3:.0f} | {kept * 1e3:.0f} | {given_back / kept:.2f} |")


if __name__ == "__main__":
    words = [*sys.argv[1:], *[""] * 3]
    main(words[0] or "quickstart", words[1], words[2] or None)
