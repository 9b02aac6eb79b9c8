"""What the stems of subnets give, kept packed: every subnet with the same dimension and time steps reads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine import kernels
from autospikformer_cli.evaluation.tree import TreeNode
from autospikformer_cli.spiking.memory import NUMBERS_A_BYTE


class KeptSpikes:
    """Tokens (T, B, N, D) of a set of images, four in a byte, filled batch by batch in the images' order."""

    def __init__(self, images: int) -> None:
        self.images, self._filled = images, 0
        self._packed: NDArray[np.uint8] | None = None
        self._like = torch.empty(0)

    def append(self, x_TBND: Tensor) -> None:
        """Keep the next images'."""
        steps, images, tokens, dim = x_TBND.shape
        if self._packed is None:
            self._packed = np.empty((self.images, steps, -(-tokens * dim // NUMBERS_A_BYTE)), np.uint8)
            self._like = x_TBND.new_empty(0).new_empty((0, tokens, dim))
        as_bytes = x_TBND.to("cpu", torch.uint8).contiguous().flatten(2).numpy()
        kernels.pack(as_bytes, self._packed[self._filled : self._filled + images], 0, images)
        self._filled += images

    def batch(self, first: int, last: int, time_step: int) -> Tensor:
        """The first steps of images first to last, as they came."""
        assert self._packed is not None
        tokens, dim = self._like.shape[1:]
        x = np.empty((time_step, last - first, tokens * dim), np.uint8)
        kernels.unpack(self._packed[first:last], x, 0, last - first)
        return torch.from_numpy(x.reshape(*x.shape[:2], tokens, dim)).to(self._like)


class KeptNumbers:
    """What the stem of an ANN gives for a set of images, (1, B, N, D)."""

    def __init__(self, images: int) -> None:
        self._batches: list[Tensor] = []

    def append(self, x_TBND: Tensor) -> None:
        """Keep the next images'."""
        self._batches = [torch.cat([*self._batches, x_TBND], 1)]

    def batch(self, first: int, last: int, time_step: int) -> Tensor:
        """Of images first to last."""
        return self._batches[0][:, first:last]


Kept = KeptSpikes | KeptNumbers


@dataclass(frozen=True)
class Stem:
    """What subnets of one dimension share: counts and moments on the path to the node, tokens of both image sets."""

    node: TreeNode
    images: Kept
    calibration: Kept | None


class StemKey(NamedTuple):
    """What makes a stem of the same images another."""

    time_step: int
    embed_dim: int


class StemStore:
    """Stems of the last subnets evaluated on one set of images, as many as memory allows."""

    def __init__(self) -> None:
        self._stems: dict[StemKey, tuple[Stem, int]] = {}
        self._images: ImageSet | None = None
        self._backwards = True

    def turn(self) -> bool:
        """Whether to go backwards this time: what was used last is then needed first, and has not been given up."""
        self._backwards = not self._backwards
        return self._backwards

    def begin(self, images: ImageSet) -> None:
        """What is kept of others is given up."""
        if self._images is not images:
            self._stems.clear()
            self._images = images

    def __contains__(self, key: StemKey) -> bool:
        return key in self._stems

    def get(self, key: StemKey) -> Stem:
        """A stem that is kept; it becomes the last to be given up."""
        self._stems[key] = entry = self._stems.pop(key)
        return entry[0]

    def add(self, key: StemKey, stem: Stem, size: int) -> None:
        """Keep a stem of so many bytes."""
        self._stems[key] = stem, size

    def give_up(self, memory: int, needed: Iterable[StemKey]) -> None:
        """Drop those used longest ago, but none that is needed, until so many bytes are enough for the rest."""
        keep = set(needed)
        for key in [key for key in self._stems if key not in keep]:
            if sum(size for _, size in self._stems.values()) <= memory:
                return
            del self._stems[key]
