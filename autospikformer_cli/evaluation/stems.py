"""Caches what subnets' stems return, packed. All subnets with the same dimension and time steps read it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine import kernels
from autospikformer_cli.evaluation.tree import TreeNode
from autospikformer_cli.spiking.memory import NUMBERS_A_BYTE

BITS = 8 // NUMBERS_A_BYTE
MASK = 2**BITS - 1
"""Of one number in a byte."""


class CachedSpikes:
    """Tokens (T, B, N, D) of a set of images, four in a byte. Filled batch by batch, in the images' order."""

    def __init__(self, images: int) -> None:
        self.images, self._filled = images, 0
        self._packed: NDArray[np.uint8] | None = None
        self._like = torch.empty(0)

    def append(self, x_TBND: Tensor) -> None:
        """Add the tokens of the next images."""
        steps, images, tokens, dim = x_TBND.shape
        if self._packed is None:
            self._packed = np.empty((self.images, steps, -(-tokens * dim // NUMBERS_A_BYTE)), np.uint8)
            self._like = x_TBND.new_empty(0).new_empty((0, tokens, dim))
        as_bytes = x_TBND.to("cpu", torch.uint8).contiguous().flatten(2).numpy()
        kernels.pack(as_bytes, self._packed[self._filled : self._filled + images], 0, images)
        self._filled += images

    def batch(self, first: int, last: int, time_step: int) -> Tensor:
        """The first steps of images first to last, in the dtype and on the device that they came with."""
        assert self._packed is not None
        tokens, dim = self._like.shape[1:]
        x = np.empty((time_step, last - first, tokens * dim), np.uint8)
        kernels.unpack(self._packed[first:last], x, 0, last - first)
        return torch.from_numpy(x.reshape(*x.shape[:2], tokens, dim)).to(self._like)


class SpikesOnDevice:
    """The same in the memory of a GPU, packed alike. The host neither reads nor uploads them."""

    def __init__(self, images: int) -> None:
        self.images, self._filled = images, 0
        self._packed = self._like = torch.empty(0)

    def append(self, x_TBND: Tensor) -> None:
        """Add the tokens of the next images."""
        steps, images, tokens, dim = x_TBND.shape
        if not self._filled:
            width = -(-tokens * dim // NUMBERS_A_BYTE)
            self._packed = x_TBND.new_empty((steps, self.images, width), dtype=torch.uint8)
            self._like = x_TBND.new_empty((0, tokens, dim))
        numbers = x_TBND.to(torch.uint8).flatten(2)
        numbers = functional.pad(numbers, (0, self._packed.shape[2] * NUMBERS_A_BYTE - numbers.shape[2]))
        first, *others = numbers.unflatten(2, (-1, NUMBERS_A_BYTE)).unbind(-1)
        for place, other in enumerate(others, 1):
            first = first | other << place * BITS
        self._packed[:, self._filled : self._filled + images] = first
        self._filled += images

    def batch(self, first: int, last: int, time_step: int) -> Tensor:
        """The first steps of images first to last, in the dtype that they came with."""
        tokens, dim = self._like.shape[1:]
        packed = self._packed[:time_step, first:last]
        numbers = torch.stack([packed >> place * BITS & MASK for place in range(NUMBERS_A_BYTE)], -1).flatten(2)
        tokens_TBND: Tensor = numbers[..., : tokens * dim].unflatten(2, (tokens, dim)).to(self._like.dtype)
        return tokens_TBND


class CachedNumbers:
    """Tokens (1, B, N, D) that an ANN's stem returns for a set of images."""

    def __init__(self, images: int) -> None:
        self._batches: list[Tensor] = []

    def append(self, x_TBND: Tensor) -> None:
        """Add the tokens of the next images."""
        self._batches = [torch.cat([*self._batches, x_TBND], 1)]

    def batch(self, first: int, last: int, time_step: int) -> Tensor:
        """The tokens of images first to last."""
        return self._batches[0][:, first:last]


Cached = CachedSpikes | SpikesOnDevice | CachedNumbers


@dataclass(frozen=True)
class Stem:
    """What subnets of one dimension share.

    node: the leaf with the counts and moments on its path.
    images, calibration: tokens of both image sets.
    """

    node: TreeNode
    images: Cached
    calibration: Cached | None


class StemKey(NamedTuple):
    """What stems of the same images differ in."""

    time_step: int
    embed_dim: int


class StemCache:
    """Stems of the latest subnets evaluated on one set of images, as many as memory allows."""

    def __init__(self) -> None:
        self._stems: dict[StemKey, tuple[Stem, int]] = {}
        self._images: ImageSet | None = None
        self._backwards = True

    def turn(self) -> bool:
        """Alternate the direction: whether to go backwards this time.

        The stems used last are then needed first, before they are evicted.
        """
        self._backwards = not self._backwards
        return self._backwards

    def begin(self, images: ImageSet) -> None:
        """Evict the stems of any other set of images."""
        if self._images is not images:
            self._stems.clear()
            self._images = images

    def __contains__(self, key: StemKey) -> bool:
        return key in self._stems

    def get(self, key: StemKey) -> Stem:
        """A cached stem. It becomes the last to be evicted."""
        self._stems[key] = entry = self._stems.pop(key)  # dictionaries are ordered: the oldest comes first
        return entry[0]

    def add(self, key: StemKey, stem: Stem, size: int) -> None:
        """Cache a stem. size: its bytes."""
        self._stems[key] = stem, size

    def evict(self, memory: int, needed: Iterable[StemKey]) -> None:
        """Evict the stems used longest ago until the rest fits in memory. Needed stems stay.

        memory: bytes for all cached stems.
        """
        needed = set(needed)
        for key in [key for key in self._stems if key not in needed]:
            if sum(size for _, size in self._stems.values()) <= memory:
                return
            del self._stems[key]
