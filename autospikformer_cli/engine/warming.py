"""Makes compiled loops ready before work begins, and its time counts: compiled once on a machine, loaded later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

import numpy as np
import torch
from numba.core.event import Event, Listener, install_listener

from autospikformer_cli.engine import attention, kernels, trained_kernels
from autospikformer_cli.engine.choice import Engine
from autospikformer_cli.engine.tally import Untallied
from autospikformer_cli.engine.trained import training_pass
from autospikformer_cli.say import Progress
from autospikformer_cli.spiking import lif_kernels, pool_kernels
from autospikformer_cli.spiking.normalisation import RecordedStatistics
from autospikformer_cli.spiking.supernet import Supernet

LOOPS = (
    kernels.fire_images, kernels.pool_and_fire_images, kernels.moments, kernels.pool, kernels.classify,
    attention.attend_images, kernels.narrow, kernels.pack, kernels.unpack,
)  # fmt: skip
NUM_COMPILED = 10
"""For one precision. `fire` and `moments` compile twice: for numbers in the first layer, for bytes in the others.

A network that pools before its neurons has `pool_and_fire` instead of `pool`."""

TRAINING_LOOPS = (
    lif_kernels.image_sums, lif_kernels.fire_forward, lif_kernels.fire_backward, lif_kernels.normalise_backward,
    trained_kernels.weighted_sums, trained_kernels.count_by_channel, trained_kernels.list_by_channel,
    trained_kernels.pack_gradients, trained_kernels.weight_gradient, pool_kernels.pool_forward,
    pool_kernels.pool_backward,
)  # fmt: skip

Show = Callable[[int], AbstractContextManager[Progress]]


@torch.no_grad()
def warm(engine: Engine, show: Show) -> None:
    """Run an event-driven engine's smallest subnet on a blank image, so that every loop is ready.

    show: starts a progress display of n loops. It is called only if numba's cache lacks one.
    """
    smallest, blank_FBHWC = engine.supernet.config.space.smallest(), _blank_images(engine.supernet, 1)
    with _shown(LOOPS, NUM_COMPILED, show):
        engine.logits(blank_FBHWC, smallest, RecordedStatistics(), Untallied())
        _share()


def warm_training_loops(throwaway: Supernet, show: Show) -> None:
    """Run a step of a network's smallest subnet on blank images, so that every loop of a training is ready.

    throwaway: a network like the one that is to be trained. Its statistics and gradients are spoiled. show: as above.
    """
    with _shown(TRAINING_LOOPS, len(TRAINING_LOOPS), show):
        smallest = throwaway.config.space.smallest()
        throwaway.run(_blank_images(throwaway, 2), smallest, training_pass(throwaway, smallest)).sum().backward()


def _blank_images(supernet: Supernet, number: int) -> torch.Tensor:
    """Of the network's shape, on its device: (F, B, H, W, C)."""
    config, weight = supernet.config, supernet.head.weight
    shape = config.shape
    steps, side = config.space.smallest().time_step if shape.reads_events else 1, shape.image_size
    return torch.zeros(steps, number, side, side, shape.in_channels, dtype=weight.dtype, device=weight.device)


@contextmanager
def _shown(loops: Sequence[object], total: int, show: Show) -> Iterator[None]:
    """Show how far these loops are compiled inside the block, if one of them is."""
    with ExitStack() as until_done:
        compiling = _Compiling(loops, total, show, until_done)
        until_done.enter_context(install_listener("numba:compile", compiling))
        yield
        compiling.finish()


def _share() -> None:
    """Run the loops that only subnets evaluated together need."""
    numbers, packed = np.zeros((1, 1, 4), np.uint8), np.zeros((1, 1, 1), np.uint8)
    kernels.pack(numbers, packed, 0, 1)
    kernels.unpack(packed, numbers, 0, 1)
    kernels.narrow(numbers[None], numbers[None].copy(), np.zeros((1, 1), np.int64), 0, 1)


class _Compiling(Listener):  # type: ignore[misc]
    """numba notifies this listener when it compiles a loop, but not when it loads one from its cache."""

    def __init__(self, loops: Sequence[object], total: int, show: Show, until_done: ExitStack) -> None:
        self._loops, self._total, self._show, self._until_done = loops, total, show, until_done
        self._progress: Progress | None = None
        self._compiled = 0

    def on_start(self, event: Event) -> None:
        """A function begins to compile."""
        if event.data["dispatcher"] in self._loops and self._progress is None:
            self._progress = self._until_done.enter_context(self._show(self._total))

    def on_end(self, event: Event) -> None:
        """A function is compiled."""
        if event.data["dispatcher"] in self._loops and self._progress is not None:
            self._compiled += 1
            self._progress.advance(1)

    def finish(self) -> None:
        """Complete the display: other loops came from the cache, or the network does not need them."""
        if self._progress is not None:
            self._progress.advance(self._total - self._compiled)
