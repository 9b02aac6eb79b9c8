"""Readers of images by their number, and images that are read when they are asked for.

Readers can be sent to another process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.data.events.framing import Framing, as_small_as_fits, count_events
from autospikformer_cli.data.image_packing import decoded
from autospikformer_cli.data.splits import Indices

if TYPE_CHECKING:
    import torch

Pixels = NDArray[np.uint8]
PixelsOrCounts = NDArray[np.uint8] | NDArray[np.uint16]
"""Pixels of images (n, H, W, C), or events counted in frames (n, F, H, W, C)."""


class Reader(Protocol):
    """Reads images, or frames of recordings, by their number in a part of a data set.

    shape, dtype: of one.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __call__(self, rows: Indices) -> PixelsOrCounts:
        """Images (n, ...). Raises UserError for one that cannot be read."""

    def num_marked(self, rows: Indices) -> int:
        """How many of these files, read before, had a peculiarity that the user is told of."""


@dataclass(frozen=True, eq=False)
class ArrayReader:
    """Reads images of an array (N, h, w, C). It resizes them to size x size, bilinearly, with antialiasing."""

    images: Pixels
    size: int
    dtype = np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image."""
        return (self.size, self.size, self.images.shape[-1])

    def __call__(self, rows: Indices) -> Pixels:
        """Images (n, size, size, C)."""
        chosen = self.images[rows]
        if chosen.shape[1:3] == (self.size, self.size):
            return chosen
        import torch

        from autospikformer_cli.data.torchvision_import import torchvision

        planes = torch.from_numpy(chosen).permute(0, 3, 1, 2)
        resized = torchvision.transforms.v2.functional.resize(planes, [self.size, self.size], antialias=True)
        result: Pixels = resized.permute(0, 2, 3, 1).contiguous().numpy()
        return result

    def num_marked(self, rows: Indices) -> int:
        """None."""
        return 0


@dataclass(frozen=True, eq=False)
class FileReader:
    """Decodes image files, one after another."""

    paths: Sequence[str]
    size: int
    background: tuple[int, int, int]
    dtype = np.dtype(np.uint8)
    _marked: set[int] = field(default_factory=set)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image."""
        return (self.size, self.size, 3)

    def __call__(self, rows: Indices) -> Pixels:
        """Images (n, size, size, 3). Raises UserError for a file that cannot be read."""
        images = np.empty((len(rows), *self.shape), np.uint8)
        for place, row in enumerate(rows):
            images[place], has_more = decoded(self.paths[row], self.size, self.background)
            self._marked.update({int(row)} if has_more else ())
        return images

    def num_marked(self, rows: Indices) -> int:
        """How many of these files have more frames or pages than the one that is read."""
        return len(self._marked.intersection(rows.tolist()))


@dataclass(frozen=True)
class DigitFrames:
    """Reads digits as a simulated event camera sees them."""

    framing: Framing

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one recording."""
        return self.framing.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of counts."""
        return _digit_frames(self.framing).dtype

    def __call__(self, rows: Indices) -> PixelsOrCounts:
        """Frames (n, F, H, W, C)."""
        return _digit_frames(self.framing)[rows]

    def num_marked(self, rows: Indices) -> int:
        """None."""
        return 0


@lru_cache(maxsize=1)
def _digit_frames(framing: Framing) -> PixelsOrCounts:
    """All digits as a simulated event camera sees them. Cached in memory only, as they take seconds to make."""
    from autospikformer_cli.data.saccades import digit_recordings

    recordings, _ = digit_recordings()
    counts = np.stack([count_events(events, framing) for events in recordings])
    return as_small_as_fits(counts, int(counts.max()))


class LazyImages:
    """Images that are read when they are asked for, behind what is used of a tensor (N, ...).

    An index or a slice gives a tensor in memory, the same bits as the tensor of all images would give.
    """

    def __init__(self, reader: Reader, rows: Indices, memory: int) -> None:
        """rows: numbers of the images, for the reader. memory: bytes up to which `first` returns a tensor."""
        self.reader, self._rows, self._memory = reader, rows, memory
        # The batch that is asked for now, and the one after it.
        self._ahead: deque[tuple[Indices, Future[PixelsOrCounts]]] = deque(maxlen=2)

    def __reduce__(self) -> tuple[type[LazyImages], tuple[Any, ...]]:
        return LazyImages, (self.reader, self._rows, self._memory)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...)."""
        return (len(self), *self.reader.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all images in memory."""
        return prod(self.shape) * self.reader.dtype.itemsize

    @property
    def fit(self) -> bool:
        """Whether they fit into `memory`."""
        return self.nbytes <= self._memory

    def first(self, n: int) -> torch.Tensor | LazyImages:
        """The first n images, in memory if they fit into `memory`."""
        first = LazyImages(self.reader, self._rows[:n], self._memory)
        return first[:] if first.fit else first

    def __getitem__(self, which: slice | torch.Tensor) -> torch.Tensor:
        import torch

        rows = self._numbers(which)
        for place, (asked, read) in enumerate(self._ahead):
            if np.array_equal(asked, rows):
                del self._ahead[place]
                return torch.from_numpy(read.result())
        return torch.from_numpy(self.reader(rows))

    def read_ahead(self, which: slice | torch.Tensor) -> None:
        """Begin to read what is asked for next, in a thread. The latest two that were not asked for are kept."""
        rows = self._numbers(which)
        if len(rows):
            self._ahead.append((rows, self._thread.submit(self.reader, rows)))

    def _numbers(self, which: slice | torch.Tensor) -> Indices:
        chosen: Indices = self._rows[which if isinstance(which, slice) else which.numpy()]
        return chosen

    @cached_property
    def _thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, "read ahead")

    def split(self, size: int) -> Iterator[torch.Tensor]:
        """Batches of `size` images, as a tensor's `split`. The next one is read while the caller works."""
        for first in range(0, len(self), size):
            self.read_ahead(slice(first + size, first + 2 * size))
            yield self[first : first + size]
