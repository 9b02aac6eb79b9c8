"""Digits seen by a simulated event camera that moves as the eye does: recordings of events without a download.

scikit-learn's 8 x 8 digits move over a small sensor along three micro-saccades, and a pixel sends an event whenever its
logarithmic intensity has changed by the contrast threshold. The equations, the values chosen, their sources and what is
left out stand in docs/saccades.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

SimulatedRecording = NDArray[np.void]
Floats = NDArray[np.float64]

SIMULATED_EVENT = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])
"""An event: column, row, microseconds from the start, and whether it got brighter; the fields of tonic."""

SENSOR_SIZE = 16
"""Side of the square sensor, in pixels."""
DIGIT_SIDE = 12
"""Side of a digit's image on the sensor, in pixels; beside it the sensor sees black."""
CORNERS = ((-2.0, 2.0), (0.0, -2.0), (2.0, 2.0), (-2.0, 2.0))
"""Where the three saccades start and end: the digit's displacement (x, y) from the sensor's centre, in pixels."""
SACCADE_US, SAMPLE_US = 100_000, 2_000
"""Duration of a saccade, and the time between two samples of the intensity, in microseconds."""
CONTRAST_THRESHOLD = 0.25
"""Change of the logarithmic intensity that sends an event, for both polarities."""
BLACK = 0.1
"""Intensity of black, where white has 1 more."""

WHITE = 16
"""The largest pixel value of scikit-learn's digits."""
POSITIONS_PER_PIXEL = 1024


def digit_recordings() -> tuple[list[SimulatedRecording], NDArray[np.int64]]:
    """Recordings of all digits of sklearn.datasets.load_digits(), in its order, and their labels (N,).

    A recording is an array of SIMULATED_EVENT, ordered by t, then y, then x. It is a function of the digit alone: no
    noise is added, and no number is drawn.
    """
    from sklearn.datasets import load_digits

    data: Any = load_digits()
    times, displacements = trajectory()
    samples = (log_intensity(data.images, x, y) for x, y in displacements)
    return record(samples, times), data.target.astype(np.int64)


def trajectory() -> tuple[NDArray[np.int64], Floats]:
    """Times (S,) in microseconds, and displacements (S, 2) of the digit in pixels, of every sample.

    Within a saccade of duration D, from corner a to corner b: a + (b - a) (1 - cos(pi t / D)) / 2.
    """
    steps = SACCADE_US // SAMPLE_US
    share = (1 - np.cos(np.pi * np.arange(1, steps + 1) / steps)) / 2
    corners = np.array(CORNERS)
    moves = [start + (end - start) * share[:, None] for start, end in pairwise(corners)]
    displacements = np.concatenate([corners[:1], *moves])
    return np.arange(len(displacements)) * SAMPLE_US, displacements


def log_intensity(images: NDArray[Any], x: float, y: float) -> Floats:
    """ln(BLACK + I) on the sensor, where I is the displaced digit between 0 and 1, interpolated bilinearly.

    Weights are multiples of 2^-20 (positions are rounded to 1/1024 of a digit's pixel), so I is exact: wherever a
    pixel sees the same again, its intensity is the same to the last bit, on every machine.
    Shapes: images (N, 8, 8), values 0 to 16; returns (N, SENSOR_SIZE, SENSOR_SIZE).
    """
    side = images.shape[1]
    rows, columns = _weights(y, side), _weights(x, side)
    logarithm: Floats = np.log(rows @ (images / WHITE) @ columns.T + BLACK)
    return logarithm


def _weights(displacement: float, side: int) -> Floats:
    """Bilinear weights (SENSOR_SIZE, side) of a digit's rows, or columns, at the sensor's pixel centres."""
    centres = np.arange(SENSOR_SIZE) + 0.5 - SENSOR_SIZE / 2 - displacement
    position = centres * (side / DIGIT_SIDE) + (side - 1) / 2
    position = np.rint(position * POSITIONS_PER_PIXEL) / POSITIONS_PER_PIXEL
    weights: Floats = np.maximum(0.0, 1.0 - np.abs(position[:, None] - np.arange(side)))
    return weights


def record(samples: Iterable[Floats], times: NDArray[np.int64]) -> list[SimulatedRecording]:
    """What an ideal event camera sends while it sees the logarithmic intensities of N scenes.

    A pixel has a level k, at first 0. With L(0) its first sample, it sends an event and takes the level k + 1 (k - 1)
    when (L - L(0)) / C reaches k + 1 (k - 1); L is linear between samples, times are rounded to microseconds.
    Shapes: samples (N, H, W) at each of the times (S,) in microseconds; returns N recordings.
    """
    remaining = iter(samples)
    first = next(remaining)
    before, level = np.zeros_like(first), np.zeros_like(first)
    parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.bool_))]
    for start, end, sample in zip(times[:-1], times[1:], remaining, strict=True):
        now = (sample - first) / CONTRAST_THRESHOLD
        reached = np.where(now >= level + 1, np.floor(now), np.where(now <= level - 1, np.ceil(now), level))
        pixel, target, rises = _thresholds(level.ravel(), reached.ravel())
        share = (target - before.ravel()[pixel]) / (now - before).ravel()[pixel]
        parts.append((pixel, start + np.rint(share * (end - start)).astype(np.int64), rises))
        before, level = now, reached
    return _recordings(parts, first.shape, duration=int(times[-1]))


def _thresholds(level: Floats, reached: Floats) -> tuple[NDArray[np.int64], Floats, NDArray[np.bool_]]:
    """Every level that pixels (M,) take on their way from one to another: pixel, level, and whether it rises."""
    fired = np.flatnonzero(reached != level)
    change = reached[fired] - level[fired]
    counts = np.abs(change).astype(np.int64)
    place = np.repeat(np.arange(len(fired)), counts)
    rank = np.arange(len(place)) - (np.cumsum(counts) - counts)[place] + 1
    rises = change > 0
    return fired[place], level[fired][place] + np.where(rises, 1, -1)[place] * rank, rises[place]


def _recordings(
    parts: Sequence[tuple[NDArray[Any], ...]], shape: tuple[int, ...], duration: int
) -> list[SimulatedRecording]:
    """Events of all scenes, as (pixel of (N, H, W), time, polarity) in the order of samples, by scene and in order."""
    pixel, t, rises = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    num_scenes, height, width = shape
    scene, place = np.divmod(pixel, height * width)
    order = np.argsort((scene * (duration + 1) + t) * (height * width) + place, kind="stable")
    events = np.empty(len(order), SIMULATED_EVENT)
    events["y"], events["x"] = np.divmod(place[order], width)
    events["t"], events["p"] = t[order], rises[order]
    return np.split(events, np.cumsum(np.bincount(scene, minlength=num_scenes))[:-1])
