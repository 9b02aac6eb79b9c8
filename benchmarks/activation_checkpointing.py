"""A training step of 16 time steps at 128 x 128, with activation checkpointing and without: peak memory, CPU seconds.

Usage: python benchmarks/activation_checkpointing.py [--batch 2] [--depth 2] [--dim 128]

Each way has a process of its own, as the peak of a process never falls. Frames are random, as dense as recordings.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from decimal import Decimal

import torch
from timing import machine

from autospikformer_cli.engine.trained import training_pass
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.memory import checkpointed_bytes, training_bytes
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet
from autospikformer_cli.training.activation_checkpointing import run_checkpointed

TIME_STEP, SIDE, ROUNDS, STEPS = 16, 128, 3, 3
WAYS = {"kept": Supernet.run, "computed again": run_checkpointed}
ESTIMATES = {"kept": training_bytes, "computed again": checkpointed_bytes}


def measure(way: str, batch: int, depth: int, dim: int) -> dict[str, float]:
    """Peak bytes of this process above what it had before the first step, CPU seconds of a step, and the estimate."""
    space = SearchSpace((depth,), (Decimal(4),), (8,), (Decimal(1),), (Decimal(2),), (TIME_STEP,), (dim,))
    shape = NetworkShape(SIDE, 2, 11, dim, (1, 2, 3, 4), qkv_bias=False, reads_events=True)
    supernet, subnet = Supernet(NetworkConfig(shape, space)), space.largest()
    frames = (torch.rand((TIME_STEP, batch, SIDE, SIDE, 2)) < 0.1).float()
    run = training_pass(supernet, subnet)
    WAYS[way](supernet, frames[:, :1, :32, :32].contiguous(), subnet, run)  # compiles, on maps of another size
    before, seconds = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for _ in range(STEPS):
        began = time.process_time()
        supernet.zero_grad()
        WAYS[way](supernet, frames, subnet, run).square().mean().backward()
        seconds.append(time.process_time() - began)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return {"peak": peak, "seconds": statistics.median(seconds), "estimate": ESTIMATES[way](shape, subnet, batch, 4)}


def main(batch: int, depth: int, dim: int, way: str | None) -> None:
    """Print the table of `results/activation_checkpointing.md`, or in a child what one way needs."""
    if way is not None:
        print(json.dumps(measure(way, batch, depth, dim)))
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    options = ["--batch", str(batch), "--depth", str(depth), "--dim", str(dim)]
    for _ in range(ROUNDS):
        for name, values in found.items():
            command = [sys.executable, __file__, *options, "--way", name]
            values.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    print("# Activations that are kept, and activations that are computed again\n")
    print(f"{machine()}; forward and backward pass of {batch} recordings of {TIME_STEP} frames of {SIDE} x {SIDE},")
    print(f"{depth} blocks of {dim} channels, 4 pools; medians of {ROUNDS} processes of {STEPS} steps\n")
    print("| activations | peak (MB) | estimate (MB) | CPU seconds a step |\n|---|---|---|---|")
    for name, values in found.items():
        peak, estimate, seconds = (
            statistics.median(each[key] for each in values) for key in ("peak", "estimate", "seconds")
        )
        print(f"| {name} | {peak / 1e6:,.0f} | {estimate / 1e6:,.0f} | {seconds:.2f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for option, default in (("--batch", 2), ("--depth", 2), ("--dim", 128)):
        parser.add_argument(option, type=int, default=default)
    parser.add_argument("--way", choices=[*WAYS])
    given = parser.parse_args()
    main(given.batch, given.depth, given.dim, given.way)
