"""The event-driven engine against the dense one, SpikingJelly, and the machine's limit of dense multiplication.

Usage: python benchmarks/engine.py [--only PART ...] [--rounds N] [--data ROOT] [--run DIR] [--no-compile]
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from engine_memory import print_memory
from engine_network import (
    BATCH,
    SHAPE,
    SUBNET,
    Workload,
    frames_of,
    macs_of_an_image,
    make_network,
    make_workload,
    print_table,
    rotating_medians,
)
from engine_rivals import Rival, disagreement, published_rate, rivals
from engine_trained import TIMED_PASSES, print_stages, print_trained
from timing import machine

from autospikformer_cli.engine.compute import own_process
from autospikformer_cli.engine.dense import Dense
from autospikformer_cli.engine.event_driven import EventDriven
from autospikformer_cli.engine.tally import Untallied
from autospikformer_cli.engine.timing import time_stages
from autospikformer_cli.evaluation.counting import Counter
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.normalisation import RunningStatistics

PARTS = ("speed", "stages", "settings", "memory", "trained")
RATES = (0.12, 0.33)
TIMES_EAGER, TIMES_FASTEST = (5.0, 2.5), (3.5, 1.8)
"""At these rates, how many times as fast as SpikingJelly the event-driven engine should be."""
MATRIX_SIDES = (1024, 2048, 4096)
SETTINGS_RATE, SETTINGS_LAYER = 0.12, "proj"
TAUS, THRESHOLDS = (1.5, 2.0, 3.0, 4.0), (0.6, 0.8, 1.0, 1.2, 1.4)


def engines_on(workload: Workload) -> dict[str, Callable[[], object]]:
    """Our contestants, on one batch."""
    supernet, frames, statistics = workload.supernet, workload.frames, workload.statistics
    event_driven, dense = EventDriven(supernet, torch.get_num_threads()), Dense(supernet)
    counter = Counter()
    return {
        "event_driven": lambda: event_driven.logits(frames, SUBNET, statistics, counter),
        "dense": lambda: dense.logits(frames, SUBNET, statistics, counter),
        "dense, not counting": lambda: supernet(frames, SUBNET, statistics),
    }


def multiplications() -> dict[str, Callable[[], object]]:
    """Products of large matrices."""
    matrices = {side: torch.randn(side, side) for side in MATRIX_SIDES}
    return {f"matmul {side}": lambda x=x: x @ x for side, x in matrices.items()}


def speeds_at(workload: Workload, contestants: list[Rival], rounds: int) -> tuple[dict[str, float], float]:
    """Images a second of everyone and of the dense-multiply limit, and that limit in GFLOP/s."""
    torch._dynamo.reset()
    prepared = {rival.name: rival.prepare(workload) for rival in contestants}
    alternatives = engines_on(workload) | {name: run for name, run in prepared.items() if run is not None}
    seconds = rotating_medians(alternatives | multiplications(), rounds)
    flops = max(2 * side**3 / seconds[f"matmul {side}"] for side in MATRIX_SIDES)
    speeds = {name: BATCH / seconds[name] for name in alternatives}
    return speeds | {"dense-multiply limit": flops / 2 / macs_of_an_image()[1]}, flops / 1e9


def print_speed(workloads: dict[float, Workload], rounds: int, with_compiler: bool) -> None:
    """Print the section of speed."""
    step_macs, image_macs = macs_of_an_image()
    print(f"## Images a second, batch {BATCH}, T {SUBNET.time_step}, Spikformer 4-384\n")
    for rate, workload in workloads.items():
        difference, published = disagreement(workload), published_rate(workload)
        print(
            f"Rate {rate}: every BatchNorm bias {workload.shift:.4f}. SpikingJelly's network, with the pooling behind"
        )
        print(f"the neurons, gives our logits in float64 (they differ by {difference:.1e} at most). As published, its")
        print(f"rate is {published:.2f}.")
    print("It is timed as published, which has fewer neurons to update.")
    contestants = rivals(with_compiler)
    measured = [speeds_at(workload, contestants, rounds) for workload in workloads.values()]
    limits = " and ".join(f"{gflops:.0f}" for _, gflops in measured)
    print(f"\nDense-multiply limit: the best matrix product reaches {limits} GFLOP/s; {step_macs / 1e6:.1f} M")
    print(f"multiply-accumulates a step, {image_macs / 1e6:.0f} M an image, the first layer once.\n")
    ours = [name for name in measured[0][0] if name not in {rival.name for rival in contestants}]
    rows = [(name, "", *(f"{speeds[name]:.1f}" for speeds, _ in measured)) for name in ours]
    for rival in contestants:
        compiled = f"{rival.compile_s[0]:.0f}" if rival.compile_s else ""
        shown = (f"{speeds[rival.name]:.1f}" if rival.name in speeds else rival.error for speeds, _ in measured)
        rows.append((f"SpikingJelly {version('spikingjelly')}, {rival.name}", compiled, *shown))
    print_table(("contestant", "to compile (s)", *(f"rate {rate} (images/s)" for rate in workloads)), rows)
    print_targets([speeds for speeds, _ in measured], [rival.name for rival in contestants])


def print_targets(measured: list[dict[str, float]], rival_names: list[str]) -> None:
    """The ratios that were asked for."""
    fastest = [max((name for name in rival_names if name in speeds), key=speeds.__getitem__) for speeds in measured]
    rows = []

    def add(what: str, mine: str, others: list[str], targets: tuple[float, ...]) -> None:
        for rate, speeds, other, target in zip(RATES, measured, others, targets, strict=True):
            ratio = speeds[mine] / speeds[other]
            rows.append((what, rate, f"{ratio:.2f}", f"{target:g}", "yes" if ratio >= target else "no"))

    add("event_driven / SpikingJelly eager", "event_driven", ["eager"] * 2, TIMES_EAGER)
    add("event_driven / SpikingJelly's fastest", "event_driven", fastest, TIMES_FASTEST)
    add(
        "dense, not counting / SpikingJelly's fastest, which does not count", "dense, not counting", fastest, (1.0, 1.0)
    )
    add("dense / SpikingJelly's fastest", "dense", fastest, (1.0, 1.0))
    add("event_driven / dense-multiply limit", "event_driven", ["dense-multiply limit"] * 2, (1.0, 1.0))
    add("event_driven / dense", "event_driven", ["dense"] * 2, (1.0, 1.0))
    print_table(("ratio", "rate", "measured", "at least", "met"), rows)


def print_all_stages(workloads: dict[float, Workload]) -> None:
    """Print what every stage reads and takes."""
    for rate, workload in workloads.items():
        print(f"## Stages at a rate of {rate}\n")
        print(f"Mean input value over the {len(workload.inputs)} layers that read spikes: {workload.rate:.4f}.")
        print(f"Every stage is timed in both ways on the same input; medians of {TIMED_PASSES} passes.\n")
        engine = EventDriven(workload.supernet, torch.get_num_threads())
        print_stages(time_stages(engine, [workload.frames], SUBNET, workload.statistics, TIMED_PASSES))


def print_settings(rounds: int) -> None:
    """Print what one accumulation for many settings of neurons saves."""
    network = make_network(0.0)
    run = EventDriven(network, torch.get_num_threads()).forward_pass(SUBNET, RunningStatistics(), Untallied())
    layer, generator = network.block[0].attn.layer(SETTINGS_LAYER), torch.Generator().manual_seed(1)
    shape = (SUBNET.time_step, BATCH, SHAPE.num_tokens, SUBNET.embed_dim)
    spikes = (torch.rand(shape, generator=generator) < SETTINGS_RATE).to(torch.uint8)
    settings = [Neuron(tau, threshold) for tau, threshold in itertools.product(TAUS, THRESHOLDS)]

    def one_by_one(chosen: list[Neuron]) -> list[torch.Tensor]:
        return [run.fire([layer], spikes, SUBNET.embed_dim, [neuron])[0][0] for neuron in chosen]

    def together(chosen: list[Neuron]) -> list[torch.Tensor]:
        return [each[0] for each in run.fire([layer], spikes, SUBNET.embed_dim, chosen)]

    rows = []
    for number in (1, 5, 10, 20):
        chosen = settings[:number]
        same = all(map(torch.equal, together(chosen), one_by_one(chosen)))
        ways = {"together": lambda c=chosen: together(c), "alone": lambda c=chosen: one_by_one(c)}
        seconds = rotating_medians(ways, rounds)
        ratio = seconds["alone"] / seconds["together"]
        times = (f"{each * 1e3:.1f}" for each in seconds.values())
        rows.append((number, *times, f"{ratio:.1f}", "yes" if same else "no"))
    print(f"## Many settings of (tau, threshold) at once: linear {SUBNET.embed_dim} -> {SUBNET.embed_dim}\n")
    print(f"{BATCH * SHAPE.num_tokens} rows, T {SUBNET.time_step}, {SETTINGS_RATE:.0%} of inputs random spikes.\n")
    print_table(("settings", "together (ms)", "one by one (ms)", "ratio", "the same spikes"), rows)


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run; all")
    parser.add_argument("--rounds", type=int, default=5, help="of which medians are taken")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", metavar="ROOT", help="CIFAR-10's folder: real images; else normal noise")
    parser.add_argument("--run", type=Path, metavar="DIR", help="a run trained on CIFAR-10, for the part `trained`")
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile, which takes minutes")
    return parser.parse_args()


@torch.no_grad()
def main() -> None:
    """Print `results/engine.md`."""
    chosen = options()
    own_process(threads=chosen.threads)
    versions = ", ".join(f"{name} {version(name)}" for name in ("numba", "numpy", "spikingjelly"))
    print("# The event-driven engine\n")
    print(f"`python benchmarks/engine.py {' '.join(sys.argv[1:])}`\n")
    print(f"{machine()}, {versions}; {'CIFAR-10 test images' if chosen.data else 'normal noise'};")
    print(f"medians of {chosen.rounds} rounds in which all run in turn, each round begun by another.\n", flush=True)
    if {"speed", "stages", "memory"} & set(chosen.only):
        frames = frames_of(chosen.data)
        workloads = {rate: make_workload(rate, frames) for rate in RATES}
    if "speed" in chosen.only:
        print_speed(workloads, chosen.rounds, not chosen.no_compile)
    if "stages" in chosen.only:
        print_all_stages(workloads)
    if "settings" in chosen.only:
        print_settings(chosen.rounds)
    if "memory" in chosen.only:
        print_memory(workloads, chosen.rounds)
    if "trained" in chosen.only and chosen.run is not None:
        print_trained(chosen.run, chosen.data, chosen.rounds)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache  # what an earlier run compiled would hide the time it takes
        main()
