"""A process of its own: counts some images of a stored network. counting_run.py NETWORK FIRST LAST RESULT."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from autospikformer_cli.engine.event_driven import EventDriven
from autospikformer_cli.evaluation.counting import Counter
from autospikformer_cli.spiking.layout import operations
from autospikformer_cli.spiking.supernet import Supernet


def counted(stored: dict[str, Any], first: int, last: int) -> dict[str, Any]:
    """What the images from first up to last make the network's layers read and do."""
    supernet = Supernet(stored["config"]).double()
    supernet.load_state_dict(stored["weights"])
    counter, subnet = Counter(), stored["subnet"]
    frames = stored["frames"][:, first:last]
    with torch.no_grad():
        EventDriven(supernet, 1).logits(frames, subnet, stored["statistics"], counter)
    performed = operations(stored["config"].shape, subnet)
    return {
        "inputs": [asdict(each) for each in counter.inputs(performed, subnet.time_step)],
        "synapses": [asdict(each) for each in counter.executed(subnet.time_step)],
    }


if __name__ == "__main__":
    network, first, last, result = sys.argv[1:]
    stored = torch.load(network, weights_only=False)
    Path(result).write_text(json.dumps(counted(stored, int(first), int(last))), encoding="utf-8")
