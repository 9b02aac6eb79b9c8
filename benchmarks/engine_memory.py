"""Peak memory of an engine's evaluation, in a process of its own. Started by `engine.py`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from engine_network import BATCH, SUBNET, Workload, frames_of, make_network, print_table

from autospikformer_cli.engine.choice import make_engine
from autospikformer_cli.engine.compute import own_process
from autospikformer_cli.evaluation.counting import Counter
from autospikformer_cli.spiking.normalisation import FixedStatistics, Moments

BATCHES = 4
KIB_A_MIB = 1024


def print_memory(workloads: dict[float, Workload], rounds: int) -> None:
    """Print the section of memory."""
    print(f"## Peak memory, {BATCHES} batches of {BATCH} images\n")
    print("Above the process after its imports, so with the weights, packed and not; first image: of it alone. Every")
    print(
        f"measurement in a process of its own, engines in turn, medians of {rounds}; loading compiled kernels counts."
    )
    print("Normal noise.\n")
    rows = []
    for target, workload in workloads.items():
        taken: dict[str, list[tuple[float, float]]] = {"event_driven": [], "dense": []}
        with tempfile.TemporaryDirectory() as folder:
            moments = Path(folder) / "moments.pt"
            torch.save({name: tuple(each) for name, each in workload.statistics.by_layer.items()}, moments)
            for _ in range(rounds):
                for name, values in taken.items():
                    values.append(_taken_by_child(name, workload.shift, moments))
        medians = [statistics.median(each) for values in taken.values() for each in zip(*values, strict=True)]
        _, event_driven, _, dense = medians
        met = "yes" if event_driven <= dense / 3 else "no"
        rows.append((target, *(f"{each:.0f}" for each in medians), f"1/{dense / event_driven:.1f}", met))
    columns = [f"{name}, {what} (MiB)" for name in ("event_driven", "dense") for what in ("first image", "peak")]
    print_table(("rate", *columns, "ratio of peaks", "at most 1/3"), rows)


def _taken_by_child(engine: str, shift: float, moments: Path) -> tuple[float, float]:
    """Peak of the first image alone, and of all batches."""
    command = [sys.executable, __file__, engine, str(shift), str(moments), str(torch.get_num_threads())]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    first, peak = map(float, output.stdout.split()[-2:])
    return first, peak


def _status(key: str) -> int:
    """A number of /proc/self/status, in KiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


@torch.no_grad()
def main(engine_name: str, shift: str, moments: str, threads: str) -> None:
    """Print the MiB by which evaluating raises this process's peak above what it holds after its imports.

    Printed after the first image alone (weights, as packed, and what executes them), and in the end.
    """
    idle = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak so far is forgotten
    own_process(threads=int(threads))  # as a command has it
    engine = make_engine(make_network(float(shift)), int(threads), engine_name)  # type: ignore[arg-type]
    moments_of_layers = FixedStatistics({name: Moments(*each) for name, each in torch.load(moments).items()})
    counter = Counter()
    engine.logits(frames_of(None, 1), SUBNET, moments_of_layers, counter)
    print((_status("VmHWM") - idle) / KIB_A_MIB)
    for frames in frames_of(None, BATCHES * BATCH).split(BATCH, dim=1):
        engine.logits(frames, SUBNET, moments_of_layers, counter)
    print((_status("VmHWM") - idle) / KIB_A_MIB)


if __name__ == "__main__":
    # Before memory is read, so that both processes hold the same modules.
    from autospikformer_cli.engine import event_driven  # noqa: F401
    from autospikformer_cli.spiking import lif_kernels  # noqa: F401

    main(*sys.argv[1:])
