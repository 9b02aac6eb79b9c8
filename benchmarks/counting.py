"""What counting costs a dense forward pass: exact counts of every operation, beside the same pass without them.

Usage: python benchmarks/counting.py [--rounds N] [--data ROOT]
"""

from __future__ import annotations

import argparse

import torch
from engine_network import BATCH, SUBNET, frames_of, make_workload, print_table, rotating_medians
from timing import machine

from autospikformer_cli.engine.compute import own_process
from autospikformer_cli.engine.dense import Dense
from autospikformer_cli.evaluation.counting import Counter

RATES = (0.12, 0.33)
LIMIT = 0.10
"""The share of a forward pass that counting should cost at most."""


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--data", help="the folder of CIFAR-10; without it, normal noise")
    options = parser.parse_args()
    own_process()
    print(f"# Dense counting\n\n{machine()}\n")
    print(f"Spikformer 4-384, T 4, batch {BATCH}; medians of {options.rounds} rounds.\n")
    rows = []
    with torch.no_grad():
        for rate in RATES:
            workload = make_workload(rate, frames_of(options.data))
            dense, counter = Dense(workload.supernet), Counter()
            frames, statistics = workload.frames, workload.statistics
            seconds = rotating_medians(
                {
                    "not counting": lambda w=workload: w.supernet(w.frames, SUBNET, w.statistics),
                    "counting": lambda d=dense, f=frames, s=statistics, c=counter: d.logits(f, SUBNET, s, c),
                },
                options.rounds,
            )
            cost = seconds["counting"] / seconds["not counting"] - 1
            verdict = "met" if cost < LIMIT else "missed"
            times = (f"{1000 * seconds[name]:.0f}" for name in ("not counting", "counting"))
            rows.append((f"{rate:g}", *times, f"{100 * cost:.1f} % (limit {100 * LIMIT:.0f} %: {verdict})"))
    print_table(("mean input", "not counting (ms)", "counting (ms)", "cost"), rows)


if __name__ == "__main__":
    main()
