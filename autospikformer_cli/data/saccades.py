"""Digits seen by a simulated event camera: recordings of events that need no download.

scikit-learn's 8 x 8 digits move over a small sensor, along three micro-saccades. A pixel sends an event each time its
logarithmic intensity changes by the contrast threshold. docs/saccades.md has the equations, the chosen values, their
sources, and what is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.data.digits import WHITE, load_digits

SimulatedRecording = NDArray[np.void]
Floats = NDArray[np.float64]

SIMULATED_EVENT = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])
"""An event, with tonic's fields: column, row, microseconds from the start, whether the pixel got brighter."""

SENSOR_SIZE = 16
"""Side of the square sensor, in pixels."""
DIGIT_SIDE = 12
"""Side of a digit's image on the sensor, in pixels. The rest of the sensor sees black."""
CORNERS = ((-2.0, 2.0), (0.0, -2.0), (2.0, 2.0), (-2.0, 2.0))
"""Starts and ends of the three saccades: the digit's displacement (x, y) from the sensor's centre, in pixels."""
SACCADE_US, SAMPLE_US = 100_000, 2_000
"""Duration of a saccade, and time between two samples of the intensity, in microseconds."""
CONTRAST_THRESHOLD = 0.25
"""Change of the logarithmic intensity that makes a pixel send an event, for both polarities."""
BLACK = 0.1
"""Intensity of black. White has 1 more."""

POSITIONS_PER_PIXEL = 1024


def digit_recordings() -> tuple[list[SimulatedRecording], NDArray[np.int64]]:
    """Recordings of all digits of sklearn.datasets.load_digits(), in its order, and their labels (N,).

    A recording is an array of SIMULATED_EVENT, ordered by t, then y, then x. It is a function of the digit only: there
    is no noise, and no random number.
    """
    digits = load_digits()
    times, displacements = trajectory()
    samples = (log_intensity(digits.images, x, y) for x, y in displacements)
    return record(samples, times), digits.labels


def trajectory() -> tuple[NDArray[np.int64], Floats]:
    """Times (S,) of all samples in microseconds, and displacements (S, 2) of the digit in pixels.

    In a saccade of duration D from corner a to corner b, the displacement is a + (b - a) (1 - cos(pi t / D)) / 2.
    """
    steps = SACCADE_US // SAMPLE_US
    share = (1 - np.cos(np.pi * np.arange(1, steps + 1) / steps)) / 2
    corners = np.array(CORNERS)
    moves = [start + (end - start) * share[:, None] for start, end in pairwise(corners)]
    displacements = np.concatenate([corners[:1], *moves])
    return np.arange(len(displacements)) * SAMPLE_US, displacements


def log_intensity(images: NDArray[Any], x: float, y: float) -> Floats:
    """ln(BLACK + I) on the sensor. I is the displaced digit, between 0 and 1, interpolated bilinearly.

    Positions are rounded to 1/1024 of a digit's pixel, so weights are multiples of 2^-20 and I is exact. A pixel that
    sees the same again has the same intensity to the last bit, on every machine.
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
    """The events that an ideal camera sends while it sees the logarithmic intensities L of N scenes.

    A pixel has a level k, at first 0, and a first sample L(0). When (L - L(0)) / C reaches k + 1 or k - 1, the pixel
    sends an event and takes that level. L is linear between samples. Times are rounded to microseconds.
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
    """All levels that pixels (M,) take on their way to the level reached: pixel, level, and whether it rises."""
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
    """Split the events of all samples by scene, and sort them. parts: pixel of (N, H, W), time, polarity."""
    pixel, t, rises = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    num_scenes, height, width = shape
    scene, place = np.divmod(pixel, height * width)
    order = np.argsort((scene * (duration + 1) + t) * (height * width) + place, kind="stable")
    events = np.empty(len(order), SIMULATED_EVENT)
    events["y"], events["x"] = np.divmod(place[order], width)
    events["t"], events["p"] = t[order], rises[order]
    return np.split(events, np.cumsum(np.bincount(scene, minlength=num_scenes))[:-1])
