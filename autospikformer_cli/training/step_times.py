"""How long the parts of a training's steps take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch

STEP_PARTS = ("data", "forward", "backward", "optimizer")
"""Images and their augmentation; logits and losses; gradients; their norm and their sum over
ranks, the optimizers, and the weights' average. What ranks exchange for BatchNorm is in forward and backward."""


class Span(NamedTuple):
    """A part of a step. began: seconds of `time.perf_counter`. step: its number in the training, from 1."""

    part: str
    step: int
    began: float
    seconds: float


class StepTimes:
    """Seconds of each part, over all steps that were timed. num_steps: those.

    spans: each part of the first steps, as many as are traced. device: of the network. A GPU computes on its own, so
    each part waits for it. That makes a step a little slower.
    """

    def __init__(self, device: torch.device, traced_steps: int = 0) -> None:
        self.device, self.traced_steps = device, traced_steps
        self.spans: list[Span] = []
        self._step_parts: list[tuple[str, float, float]] = []
        self.num_steps = 0
        self.seconds = dict.fromkeys(STEP_PARTS, 0.0)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is done within the context counts for this part."""
        self._wait()
        began = time.perf_counter()
        yield
        self._wait()
        seconds = time.perf_counter() - began
        self.seconds[name] += seconds
        if self.num_steps < self.traced_steps:
            self._step_parts.append((name, began, seconds))

    def end_step(self, number: int) -> None:
        """A step is done. number: since the start of the training, from 1."""
        self.num_steps += 1
        self.spans += (Span(name, number, began, seconds) for name, began, seconds in self._step_parts)
        self._step_parts.clear()

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def to_document(self) -> dict[str, float]:
        """As JSON."""
        return {"steps": self.num_steps, **{f"{name}_s": seconds for name, seconds in self.seconds.items()}}
