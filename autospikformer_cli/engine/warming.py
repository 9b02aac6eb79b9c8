"""Makes the engine's loops ready before work begins: compiled the first time on a machine, loaded later."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

import numpy as np
import torch
from numba.core.event import Event, Listener, install_listener

from autospikformer_cli.engine import attention, kernels
from autospikformer_cli.engine.choice import Engine
from autospikformer_cli.engine.tally import Untallied
from autospikformer_cli.say import Progress
from autospikformer_cli.spiking.normalisation import RecordedStatistics

LOOPS = (
    kernels.fire_images, kernels.pool_and_fire_images, kernels.moments, kernels.pool, kernels.classify,
    attention.attend_images, kernels.narrow, kernels.pack, kernels.unpack,
)  # fmt: skip
NUM_COMPILED = 10
"""For one precision. `fire` and `moments` compile twice: for numbers in the first layer, for bytes in the others.

A network that pools before its neurons has `pool_and_fire` instead of `pool`."""

Show = Callable[[int], AbstractContextManager[Progress]]


@torch.no_grad()
def warm(engine: Engine, show: Show) -> None:
    """Run an event-driven engine's smallest subnet on a blank image, so that every loop is ready.

    show: starts a progress display of n loops. It is called only if numba's cache lacks one.
    """
    config, weight = engine.supernet.config, engine.supernet.head.weight
    subnet, shape = config.space.smallest(), config.shape
    steps, side = subnet.time_step if shape.reads_events else 1, shape.image_size
    blank_FBHWC = torch.zeros(steps, 1, side, side, shape.in_channels, dtype=weight.dtype)
    with ExitStack() as until_done:
        compiling = _Compiling(show, until_done)
        until_done.enter_context(install_listener("numba:compile", compiling))
        engine.logits(blank_FBHWC, subnet, RecordedStatistics(), Untallied())
        _share()
        compiling.finish()


def _share() -> None:
    """Run the loops that only subnets evaluated together need."""
    numbers, packed = np.zeros((1, 1, 4), np.uint8), np.zeros((1, 1, 1), np.uint8)
    kernels.pack(numbers, packed, 0, 1)
    kernels.unpack(packed, numbers, 0, 1)
    kernels.narrow(numbers[None], numbers[None].copy(), np.zeros((1, 1), np.int64), 0, 1)


class _Compiling(Listener):  # type: ignore[misc]
    """numba notifies this listener when it compiles a loop, but not when it loads one from its cache."""

    def __init__(self, show: Show, until_done: ExitStack) -> None:
        self._show, self._until_done = show, until_done
        self._progress: Progress | None = None
        self._compiled = 0

    def on_start(self, event: Event) -> None:
        """A function begins to compile."""
        if event.data["dispatcher"] in LOOPS and self._progress is None:
            self._progress = self._until_done.enter_context(self._show(NUM_COMPILED))

    def on_end(self, event: Event) -> None:
        """A function is compiled."""
        if event.data["dispatcher"] in LOOPS and self._progress is not None:
            self._compiled += 1
            self._progress.advance(1)

    def finish(self) -> None:
        """Complete the display: other loops came from the cache, or the network does not need them."""
        if self._progress is not None:
            self._progress.advance(NUM_COMPILED - self._compiled)
