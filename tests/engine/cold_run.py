"""A process of its own: runs the engine once, says what was compiled and where it is kept.

cold_run.py float32|float64 whole|settled|stem|none RESULT: a JSON file, with the compiled code where that is fresh.
whole: the network with moments of its own; settled: with those of training.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

PRECISION, PART, RESULT = 1, 2, 3


def run_once(precision: str, part: str) -> str:
    """The network's logits, or its stem's tokens, as bytes in hexadecimal digits."""
    import torch

    from autospikformer_cli.engine.event_driven import EventDriven
    from autospikformer_cli.engine.tally import Untallied
    from autospikformer_cli.space import SearchSpace
    from autospikformer_cli.spiking.layout import NetworkShape
    from autospikformer_cli.spiking.normalisation import RecordedStatistics, RunningStatistics
    from autospikformer_cli.spiking.stages import State
    from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

    space = SearchSpace((1,), (Decimal(2),), (2,), (Decimal(1),), (Decimal(2),), (2,), (16,))
    network = Supernet(NetworkConfig(NetworkShape(8, 2, 5, 16, (3,)), space)).to(getattr(torch, precision))
    images = torch.linspace(-2, 2, 256, dtype=getattr(torch, precision)).view(1, 2, 8, 8, 2)
    engine = EventDriven(network, 1)
    with torch.no_grad():
        if part == "stem":
            run = engine.forward_pass(space.largest(), RunningStatistics(), Untallied())
            state = State(images)
            for stage in network.patch_embed.stages(space.largest().embed_dim):
                state = stage.run(state, run)
            return bytes(state.stream.numpy()).hex()
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
