"""From the events of a recording to frames: counts by frame, row, column and polarity. Every event is in one frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.errors import UserError

Events = NDArray[Any]
"""A structured array with the fields x and y (pixels), t (microseconds, any origin) and p (0 off, 1 on)."""
FrameCounts = NDArray[np.uint16]

VERSION = 1
"""Raised by one whenever the same recording gives other frames than before, so that kept frames are made again."""
MOST_EVENTS = int(np.iinfo(np.uint16).max)
"""Events that a pixel of a frame can hold."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How recordings become frames.

    frames: F, of each recording. split_by, polarity: as the recipe's keys. sensor: width and height in pixels of the
    camera. size: height and width in pixels of the frames.
    """

    frames: int
    split_by: Literal["count", "time"]
    polarity: Literal["separate", "merged"]
    sensor: tuple[int, int]
    size: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(F, H, W, C) of a recording's frames."""
        return self.frames, self.size, self.size, 2 if self.polarity == "separate" else 1


def frame_starts(times: NDArray[np.int64], framing: Framing) -> NDArray[np.int64]:
    """Places of the first event of every frame (F,), in events ordered by time; a frame ends where the next starts.

    With N events from t_0 to t_N-1, as SpikingJelly cuts them:
    count: frame i starts at event i floor(N / F); time: at the first event with t >= t_0 + i floor((t_N-1 - t_0) / F).
    The last frame takes what is left over, at most F - 1 events or F - 1 microseconds more than its share. So a
    recording of fewer than F events, or microseconds, lies in its last frame.
    tonic's ToFrame drops these events: the remainder by count, and by time the last event at least.
    """
    places = np.arange(framing.frames, dtype=np.int64)
    if framing.split_by == "count":
        return places * (len(times) // framing.frames)
    first, last = int(times[0]), int(times[-1])
    return np.searchsorted(times, first + places * ((last - first) // framing.frames), side="left").astype(np.int64)


def count_events(events: Events, framing: Framing) -> FrameCounts:
    """Frames (F, H, W, C) of at least one event, ordered by time and inside the sensor: counts.

    A pixel (x, y) of the sensor goes to column floor(x W / width) and row floor(y H / height). Channel 0 has the events
    of falling light and 1 those of rising light (p); merged, both are in channel 0.
    Raises UserError where a pixel has more than 65,535 events in one frame.
    """
    num_frames, height, width, channels = framing.shape
    ends = np.append(frame_starts(events["t"], framing)[1:], len(events))
    frame = np.repeat(np.arange(num_frames), np.diff(ends, prepend=0))
    column = events["x"].astype(np.int64) * width // framing.sensor[0]
    row = events["y"].astype(np.int64) * height // framing.sensor[1]
    place = (frame * height + row) * width + column
    if channels == 2:
        place = place * 2 + events["p"]
    counts = np.bincount(place, minlength=num_frames * height * width * channels)
    if counts.max() > MOST_EVENTS:
        raise UserError(
            f"a pixel has {counts.max():,} events in one frame, more than {MOST_EVENTS:,}",
            fix="raise data.frames, or data.image_size",
        )
    return counts.astype(np.uint16).reshape(framing.shape)


def as_small_as_fits(counts: FrameCounts, largest: int) -> NDArray[np.uint8] | FrameCounts:
    """The counts as uint8 where the largest of the data set fits into it, else as they are."""
    return counts.astype(np.uint8) if largest <= np.iinfo(np.uint8).max else counts
