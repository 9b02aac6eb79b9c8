"""Alternatives timed in turn, and what machine they ran on."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch


def medians(
    alternatives: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median seconds of each alternative over rounds in which all run in turn, after one that does not count."""
    times: dict[str, list[float]] = {name: [] for name in alternatives}
    for round_number in range(rounds + 1):
        for name, run in alternatives.items():
            began = clock()
            run()
            if round_number:
                times[name].append(clock() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def machine() -> str:
    """Processor, cores, threads, the GPU if there is one, and versions, in a line."""
    model = platform.processor() or platform.machine()
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), model)
    except OSError:
        pass
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{model}, {os.cpu_count()} cores, {torch.get_num_threads()} threads{gpu}; {versions}"
