"""Losses and gradient norms that a device computed, until the host reads them.

A read makes the host wait until a GPU has done all that it was given, and the GPU then waits for the host. So a GPU's
numbers are read many steps at a time, and the copy begins long before they are needed. A CPU's are read at each step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from autospikformer_cli.space import Subnet
from autospikformer_cli.training.mixed_precision import LossScale

READ_STEPS = 20
"""Steps of a GPU that are read together."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """Result of one step.

    epoch: from 1 on. number: since the start of the training, from 1. images: number of images trained on.
    loss: mean loss of its paths. learning_rate: the recipe's at this step. gradient_norm: Euclidean, of all gradients
    as one vector, before it is clipped; not finite if float16 overflowed, and the step moved nothing. seconds: how long
    it took; equal reports may differ in it. Of a GPU, the host's part of the step: where it waits for the GPU, the step
    that it waits after has that time, too.
    """

    epoch: int
    number: int
    images: int
    loss: float
    learning_rate: float
    gradient_norm: float
    seconds: float = field(default=0.0, compare=False)


class NotFinite(Exception):
    """A loss or a gradient that is not finite. what: which. epoch, step: from 0."""

    def __init__(self, what: str, epoch: int, step: int) -> None:
        super().__init__(what)
        self.what, self.epoch, self.step = what, epoch, step


@dataclass
class StepReadings:
    """The numbers of one step, on its device.

    epoch, step: from 0. images: of each batch. losses, norms: by batch and subnet, in the order in which they were
    computed; a norm is that of the gradients until then. seconds: of the host. loss_scale: that of float16, if it may
    still be lowered when a gradient is not finite: then that is no fault, and the step moves nothing.
    """

    epoch: int
    step: int
    number: int
    images: tuple[int, ...]
    learning_rate: float
    subnets: Sequence[Subnet]
    losses: list[Tensor] = field(default_factory=list)
    norms: list[Tensor] = field(default_factory=list)
    seconds: float = 0.0
    loss_scale: LossScale | None = None

    def __post_init__(self) -> None:
        """The scale of this step: later ones may have another."""
        self._scale = None if self.loss_scale is None else self.loss_scale.scale

    def add(self, loss: Tensor, norm: Tensor) -> None:
        """Add those of the next subnet."""
        self.losses.append(loss.detach())
        self.norms.append(norm)

    @property
    def on_device(self) -> Tensor:
        """All numbers in one tensor, float64: losses, norms, and the loss's scale if there is one."""
        scale = () if self._scale is None else (self._scale,)
        return torch.stack([each.double() for each in (*self.losses, *self.norms, *scale)])

    def report(self, numbers: Sequence[float], waited: float = 0.0) -> StepReport:
        """The report of the step. numbers: those of `on_device`, read. Raises NotFinite at the first that is not."""
        num = len(self.losses)
        losses, norms, scale = numbers[:num], numbers[num : 2 * num], numbers[2 * num :]
        may_overflow = bool(scale) and scale[0] > LossScale.LEAST
        for place, pair in enumerate(zip(losses, norms, strict=True)):
            subnet = self.subnets[place % len(self.subnets)]
            for name, number in zip(("loss", "gradient"), pair, strict=True):
                if not math.isfinite(number) and not (name == "gradient" and may_overflow):
                    raise NotFinite(f"the {name} of subnet {subnet} is not finite", self.epoch, self.step)
        total, loss, each = sum(self.images), 0.0, len(self.subnets)
        for batch, images in enumerate(self.images):
            loss += images / total * sum(losses[batch * each : (batch + 1) * each]) / each
        seconds = self.seconds + waited
        return StepReport(self.epoch + 1, self.number + 1, total, loss, self.learning_rate, norms[-1], seconds)


Read = tuple[StepReadings, list[float]]
"""A step, and its numbers on the host."""


class Unread:
    """Steps whose numbers the host has not read, in order.

    every: steps that are copied together. With 1, each step is read at once; else one copy is under way while the
    next steps are computed, and it is read when the copy after it begins.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self._waiting: list[StepReadings] = []
        self._copied: _Copy | None = None

    def add(self, step: StepReadings) -> None:
        """Take the numbers of the next step."""
        self._waiting.append(step)

    def ready(self) -> list[Read]:
        """Steps whose numbers should be on the host by now."""
        if self.every == 1:
            return self.rest()
        if len(self._waiting) < self.every:
            return []
        before, self._copied = self._copied, _Copy(self._waiting)
        self._waiting = []
        return before.wait() if before else []

    def rest(self) -> list[Read]:
        """All steps that were not read. It waits for the device."""
        copies = [self._copied, _Copy(self._waiting) if self._waiting else None]
        self._waiting, self._copied = [], None
        return [read for copy in copies if copy is not None for read in copy.wait()]


class _Copy:
    """A copy of the numbers of several steps to the host, under way."""

    def __init__(self, steps: Sequence[StepReadings]) -> None:
        self.steps = steps
        numbers = [step.on_device for step in steps]
        self.lengths = [len(each) for each in numbers]
        self.numbers = torch.cat(numbers).to("cpu", non_blocking=True)  # into pinned memory
        self.done: torch.cuda.Event | None = None
        if numbers[0].device.type == "cuda":
            self.done = torch.cuda.Event()
            self.done.record(torch.cuda.current_stream(numbers[0].device))

    def wait(self) -> list[Read]:
        """The steps, with their numbers."""
        if self.done is not None:
            self.done.synchronize()
        return [
            (step, numbers.tolist())
            for step, numbers in zip(self.steps, self.numbers.split(self.lengths), strict=True)
        ]  # fmt: skip
