"""How long the parts of a training's steps take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

STEP_PARTS = ("data", "forward", "backward", "optimizer")
"""Images and their augmentation; logits and losses; gradients; their norm and their sum over
ranks, the optimizers, and the weights' average. What ranks exchange for BatchNorm is in forward and backward."""


class StepTimes:
    """Seconds of each part, over all steps that were timed. num_steps: those.

    device: of the network. A GPU computes on its own, so each part waits for it. That makes a step a little slower.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.num_steps = 0
        self.seconds = dict.fromkeys(STEP_PARTS, 0.0)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is done within the context counts for this part."""
        self._wait()
        began = time.perf_counter()
        yield
        self._wait()
        self.seconds[name] += time.perf_counter() - began

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def to_document(self) -> dict[str, float]:
        """As JSON."""
        return {"steps": self.num_steps, **{f"{name}_s": seconds for name, seconds in self.seconds.items()}}
