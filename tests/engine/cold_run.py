"""A process of its own: runs the engine once, says what was compiled and where it is kept.

cold_run.py float32|float64 whole|settled|head|none RESULT: a JSON file, with the compiled code where that is fresh.
whole: the network with moments of its own; settled: with those of training; head: its last layer, compiled soonest.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

PRECISION, PART, RESULT = 1, 2, 3


def run_once(precision: str, part: str) -> str:
    """The network's logits, of images or of tokens at its head, as bytes in hexadecimal digits."""
    import torch

    from autospikformer_cli.engine.event_driven import EventDriven
    from autospikformer_cli.engine.tally import Untallied
    from autospikformer_cli.space import SearchSpace
    from autospikformer_cli.spiking.layout import NetworkShape
    from autospikformer_cli.spiking.normalisation import RecordedStatistics, RunningStatistics
    from autospikformer_cli.spiking.stages import Classify, State
    from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

    space = SearchSpace((1,), (Decimal(2),), (2,), (Decimal(1),), (Decimal(2),), (2,), (16,))
    network = Supernet(NetworkConfig(NetworkShape(8, 2, 5, 16, (3,)), space)).to(getattr(torch, precision))
    images = torch.linspace(-2, 2, 256, dtype=getattr(torch, precision)).view(1, 2, 8, 8, 2)
    engine = EventDriven(network, 1)
    with torch.no_grad():
        if part == "head":
            run = engine.forward_pass(space.largest(), RunningStatistics(), Untallied())
            tokens = (torch.arange(2 * 16 * 16) % 3 == 0).to(torch.uint8).view(2, 1, 16, 16)
            return bytes(Classify(network.head, 5, 2).run(State(tokens), run).stream.numpy()).hex()
        statistics = RecordedStatistics() if part == "whole" else RunningStatistics()
        return bytes(engine.logits(images, space.largest(), statistics, Untallied()).numpy()).hex()


def report(arguments: list[str]) -> dict[str, Any]:
    """Of every loop: what came from a cache, what did not, where it is, and the code."""
    result = run_once(arguments[PRECISION], arguments[PART]) if arguments[PART] != "none" else ""
    from autospikformer_cli.engine import attention, kernels

    loops = {"attend": attention.attend_images} | {
        name: getattr(kernels, loop)
        for name, loop in {"fire": "fire_images", "moments": "moments", "pool": "pool", "classify": "classify"}.items()
    }
    is_fresh = not any(sum(loop.stats.cache_hits.values()) for loop in loops.values())
    return {
        "package": kernels.__file__,
        "result": result,
        "hits": {name: sum(loop.stats.cache_hits.values()) for name, loop in loops.items()},
        "misses": {name: sum(loop.stats.cache_misses.values()) for name, loop in loops.items()},
        "kept": {name: loop.stats.cache_path for name, loop in loops.items()},
        "compiled": {name: len(loop.signatures) for name, loop in loops.items()},
        "llvm": {name: list(loop.inspect_llvm().values()) for name, loop in loops.items()} if is_fresh else {},
        "assembly": {name: list(loop.inspect_asm().values()) for name, loop in loops.items()} if is_fresh else {},
    }


if __name__ == "__main__":
    Path(sys.argv[RESULT]).write_text(json.dumps(report(sys.argv)))
