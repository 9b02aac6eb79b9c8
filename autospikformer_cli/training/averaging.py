"""A moving average of a network's weights over the steps of its training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from autospikformer_cli.spiking.supernet import Supernet

UNAVERAGED = "unaveraged"
"""The last part of a name in a store: NAME/unaveraged is what the training goes on from."""


class WeightAverage:
    """An exponential moving average of the weights after each step, and of BatchNorm's running statistics.

    A_t = (sum over s = 1..t of d^(t-s) W_s) / (sum of d^(t-s)),  d = 2^(-1 / half-life)
    The first weights have no part in it, so a short training's average does not lag behind.
    half_life: in steps. values: the average by name; before any step the network's weights.
    """

    def __init__(self, supernet: Supernet, half_life: float) -> None:
        self.supernet, self.decay = supernet, 2.0 ** (-1 / half_life)
        self.values = _copy(supernet)

    def update(self, step: int) -> None:
        """Take the weights after a step into the average. step: its number, from 1."""
        share = (1 - self.decay) / (1 - self.decay**step)
        for name, value in self.supernet.state_dict().items():
            average = self.values[name]
            average.lerp_(value, share) if value.is_floating_point() else average.copy_(value)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within the context, the network has the average weights."""
        own = _copy(self.supernet)
        self.supernet.load_state_dict(self.values)
        try:
            yield
        finally:
            self.supernet.load_state_dict(own)

    def settle(self) -> None:
        """Give the network the average weights, at the end of a training."""
        self.supernet.load_state_dict(self.values)

    def take_own(self) -> None:
        """Take the network's own weights for the average, at the end of a training that they are chosen of."""
        self.values = _copy(self.supernet)

    def arrays(self) -> dict[str, np.ndarray]:
        """What a store needs next to the average: the network's own weights, as NAME/unaveraged -> array."""
        return {f"{name}/{UNAVERAGED}": value.cpu().numpy() for name, value in self.supernet.state_dict().items()}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the network's weights, which were stored, as the average, and what `arrays` returned as its weights."""
        self.values = _copy(self.supernet)
        own = {name: torch.from_numpy(arrays[f"{name}/{UNAVERAGED}"].copy()) for name in self.values}
        self.supernet.load_state_dict(own)


def _copy(supernet: Supernet) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in supernet.state_dict().items()}
