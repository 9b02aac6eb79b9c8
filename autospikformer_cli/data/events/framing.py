"""From events to frames: counts by frame, row, column and polarity. Each event is in exactly one frame."""

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
"""Add one if a recording gives other frames than before. Cached frames are then made again."""
MOST_EVENTS = int(np.iinfo(np.uint16).max)
"""Most events of a pixel in a frame."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How recordings become frames.

    frames: number F of frames of a recording. split_by, polarity: as the recipe's keys. sensor: width and height of the
    camera, in pixels. size: height and width of the frames, in pixels.
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
    """Positions (F,) of each frame's first event, in events ordered by time. A frame ends where the next one starts.

    With N events from t_0 to t_N-1, as SpikingJelly cuts them: by count, frame i starts at event i floor(N / F); by
    time, at the first event with t >= t_0 + i floor((t_N-1 - t_0) / F).
    The last frame takes the remainder: at most F - 1 events, or F - 1 microseconds, more than its share. So a recording
    of fewer than F events, or microseconds, is all in its last frame. tonic's ToFrame drops these events: by count, the
    remainder; by time, at least the last event.
    """
    places = np.arange(framing.frames, dtype=np.int64)
    if framing.split_by == "count":
        return places * (len(times) // framing.frames)
    first, last = int(times[0]), int(times[-1])
    return np.searchsorted(times, first + places * ((last - first) // framing.frames), side="left").astype(np.int64)


def count_events(events: Events, framing: Framing) -> FrameCounts:
    """Count events in frames (F, H, W, C).

    events: at least one, ordered by time, inside the sensor. A sensor pixel (x, y) goes to column floor(x W / width)
    and row floor(y H / height). Channel 0 counts events of falling light, channel 1 those of rising light (p). If
    polarities are merged, channel 0 counts both. Raises UserError if a pixel has more than 65,535 events in one frame.
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
    """The counts as uint8, if `largest` fits into it, else unchanged. largest: the largest count of the data set."""
    return counts.astype(np.uint8) if largest <= np.iinfo(np.uint8).max else counts
