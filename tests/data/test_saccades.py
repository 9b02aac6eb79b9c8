"""Recordings of digits by a simulated event camera: against a loop over pixels, by hand, and as a data set."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from autospikformer_cli.data import saccades
from autospikformer_cli.data.digits import Digits, load_digits
from autospikformer_cli.data.saccades import (
    CONTRAST_THRESHOLD,
    SENSOR_SIZE,
    SIMULATED_EVENT,
    digit_recordings,
    log_intensity,
    record,
    trajectory,
)

C = CONTRAST_THRESHOLD


@pytest.fixture(scope="module")
def recordings() -> list[np.ndarray]:
    return digit_recordings()[0]


# An independent simulation: one pixel and one sample after the other, as the documentation describes it


def displacement(microseconds: int) -> tuple[float, float]:
    """The digit's displacement from the sensor's centre."""
    corners = [(-2.0, 2.0), (0.0, -2.0), (2.0, 2.0), (-2.0, 2.0)]
    saccade = min(microseconds // 100_000, 2)
    share = 0.5 - 0.5 * math.cos(math.pi * (microseconds - saccade * 100_000) / 100_000)
    (x0, y0), (x1, y1) = corners[saccade], corners[saccade + 1]
    return x0 + (x1 - x0) * share, y0 + (y1 - y0) * share


def seen(digit: np.ndarray, x: int, y: int, microseconds: int) -> float:
    """Logarithmic intensity of a pixel: the four digit's pixels around, black outside."""
    dx, dy = displacement(microseconds)
    column = round(((x + 0.5 - 8 - dx) * 8 / 12 + 3.5) * 1024) / 1024
    row = round(((y + 0.5 - 8 - dy) * 8 / 12 + 3.5) * 1024) / 1024
    left, top = math.floor(column), math.floor(row)
    total = 0.0
    for i, row_weight in ((top, top + 1 - row), (top + 1, row - top)):
        for j, column_weight in ((left, left + 1 - column), (left + 1, column - left)):
            if 0 <= i < 8 and 0 <= j < 8:
                total += row_weight * column_weight * float(digit[i, j]) / 16
    return math.log(total + 0.1)


def simulated(digit: np.ndarray) -> list[tuple[int, int, int, bool]]:
    """Events (t, y, x, rises) of a digit, in order."""
    events = []
    for y in range(16):
        for x in range(16):
            first = last = seen(digit, x, y, 0)
            level = 0
            for time in range(2_000, 300_001, 2_000):
                now = seen(digit, x, y, time)
                step = 1 if now > last else -1
                while now != last and step * (now - first) / 0.25 >= step * level + 1:
                    level += step
                    share = (level - (last - first) / 0.25) / ((now - last) / 0.25)
                    events.append((time - 2_000 + round(2_000 * share), y, x, step > 0))
                last = now
    return sorted(events, key=lambda event: event[:3])


@pytest.mark.parametrize("index", [0, 1, 4, 1796])
def test_a_recording_is_that_of_a_loop_over_pixels(recordings: list[np.ndarray], index: int) -> None:
    expected = simulated(load_digits().images[index])
    found = [(int(event["t"]), int(event["y"]), int(event["x"]), bool(event["p"])) for event in recordings[index]]
    assert found == expected


# The camera, by hand


def events_of(levels: list[float], step: int = 1000) -> list[tuple[int, bool]]:
    """Events (t, rises) of one pixel that sees these changes, in thresholds, at a distance of 1000 microseconds."""
    samples = [np.full((1, 1, 1), -2.0 + C * level) for level in levels]
    [events] = record(samples, np.arange(len(levels)) * step)
    return [(int(event["t"]), bool(event["p"])) for event in events]


def test_a_pixel_fires_when_the_threshold_is_crossed_since_its_last_event() -> None:
    assert events_of([0, 0.9, 0.5, 0.99, -0.99]) == []
    assert events_of([0, 1.25]) == [(800, True)]
    assert events_of([0, 1.0]) == [(1000, True)]  # reaching is enough
    assert events_of([0, 1.0, 1.0, 1.9]) == [(1000, True)]  # once
    assert events_of([0, -2.5]) == [(400, False), (800, False)]
    # Up to 1 and back: the level falls at 0, not at the 1 where it rose.
    assert events_of([0, 1.5, 0.5, -0.5]) == [(667, True), (2500, False)]


def test_a_still_scene_sends_nothing() -> None:
    image = load_digits().images[:3]
    events = record([log_intensity(image, 1.3, -0.4)] * 20, np.arange(20) * 1000)
    assert [len(recording) for recording in events] == [0, 0, 0]
    assert all(recording.dtype == SIMULATED_EVENT for recording in events)


def test_a_moving_edge_brightens_where_it_comes_and_darkens_where_it_leaves() -> None:
    bar = np.zeros((1, 8, 8))
    bar[:, :, 3:5] = 16
    to_the_right = [log_intensity(bar, x, 0.0) for x in np.linspace(-1.5, 1.5, 61)]
    [events] = record(to_the_right, np.arange(61) * 1000)
    rises, falls = events[events["p"]], events[~events["p"]]
    middle = events[(events["y"] > 3) & (events["y"] < 12)]
    assert len(middle) > 50
    # The bar is bright between 7.25 and 8.75 when it is in the middle, and grey for 1.5 pixels to either side.
    assert set(rises["x"]) == {8, 9, 10, 11}
    assert set(falls["x"]) == {4, 5, 6, 7}
    for y in range(4, 12):  # every row sees the same
        assert np.array_equal(middle[middle["y"] == y][["x", "t", "p"]], middle[middle["y"] == 4][["x", "t", "p"]])
    [back] = record(to_the_right[::-1], np.arange(61) * 1000)
    assert set(back[back["p"]]["x"]) == {4, 5, 6, 7}


# The trajectory


def test_three_saccades_of_100_ms_end_where_they_began() -> None:
    times, displacements = trajectory()
    assert (times[0], times[-1]) == (0, 300_000)
    assert displacements[[0, 50, 100, 150]].tolist() == [[-2, 2], [0, -2], [2, 2], [-2, 2]]
    for time, place in zip(times, displacements, strict=True):
        np.testing.assert_allclose(place, displacement(int(time)), atol=1e-12)
    speed = np.linalg.norm(np.diff(displacements, axis=0), axis=1)
    assert speed.max() < 0.15  # pixels a sample
    assert speed[[0, 49, 50, 99, 100, 149]].max() < 0.01


# The data set


def test_events_tell_the_intensity_to_less_than_a_threshold_at_every_sample(recordings: list[np.ndarray]) -> None:
    images = load_digits().images[:20]
    times, displacements = trajectory()
    truth = [log_intensity(images, x, y) for x, y in displacements]
    for scene in range(len(images)):
        events = recordings[scene]
        told = truth[0][scene].copy()
        bounds = np.searchsorted(events["t"], times, side="right")
        for low, high, sample in zip(bounds[:-1], bounds[1:], truth[1:], strict=True):
            part = events[low:high]
            np.add.at(told, (part["y"], part["x"]), np.where(part["p"], C, -C))
            assert np.abs(told - sample[scene]).max() < C


def test_every_pixel_brightens_as_often_as_it_darkens(recordings: list[np.ndarray]) -> None:
    for events in recordings:
        balance = np.zeros((SENSOR_SIZE, SENSOR_SIZE), dtype=int)
        np.add.at(balance, (events["y"], events["x"]), np.where(events["p"], 1, -1))
        assert not balance.any()


def test_recordings_are_ordered_and_inside_the_sensor(recordings: list[np.ndarray]) -> None:
    for events in recordings:
        assert events.dtype == SIMULATED_EVENT
        key = (events["t"] * SENSOR_SIZE + events["y"]) * SENSOR_SIZE + events["x"]
        assert (np.diff(key) >= 0).all()
        assert events["t"][0] > 0
        assert events["t"][-1] <= 300_000
        for axis in "xy":
            assert events[axis].min() >= 0
            assert events[axis].max() < SENSOR_SIZE


def test_recordings_have_as_many_events_as_documented(recordings: list[np.ndarray]) -> None:
    """Exactly, on any machine: no sample is so near to a threshold that a logarithm's last bits decide."""
    numbers = np.array([len(events) for events in recordings])
    assert len(numbers) == 1797
    assert (round(numbers.mean()), numbers.min(), numbers.max()) == (2594, 1798, 3358)


def test_a_recording_is_a_function_of_its_digit(recordings: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    digits = load_digits()
    chosen = np.array([7, 3, 1000])
    few = Digits(digits.images[chosen], digits.labels[chosen])
    monkeypatch.setattr(saccades, "load_digits", lambda: few)
    some, labels = saccades.digit_recordings()
    assert np.array_equal(labels, few.labels)
    for events, index in zip(some, chosen, strict=True):
        assert np.array_equal(events, recordings[index])


def test_tonics_transforms_take_a_recording(recordings: list[np.ndarray]) -> None:
    from tonic.transforms import ToFrame

    frames = ToFrame(sensor_size=(SENSOR_SIZE, SENSOR_SIZE, 2), n_event_bins=4)(recordings[0])
    assert frames.shape == (4, 2, SENSOR_SIZE, SENSOR_SIZE)
    expected = np.zeros((2, SENSOR_SIZE, SENSOR_SIZE), dtype=int)
    used = recordings[0][: int(frames.sum())]
    assert len(used) > len(recordings[0]) - 4
    np.add.at(expected, (used["p"].astype(int), used["y"], used["x"]), 1)
    assert np.array_equal(frames.sum(axis=0), expected)


def test_digits_are_recognised_from_their_events(recordings: list[np.ndarray]) -> None:
    counts = np.zeros((len(recordings), 2, SENSOR_SIZE, SENSOR_SIZE))
    for place, events in enumerate(recordings):
        np.add.at(counts[place], (events["p"].astype(int), events["y"], events["x"]), 1)
    counts, labels = counts.reshape(len(counts), -1), load_digits().labels
    nearest = KNeighborsClassifier(3).fit(counts[:1400], labels[:1400])
    score = nearest.score(counts[1400:], labels[1400:])
    assert score == pytest.approx(0.919, abs=0.003), "three nearest neighbours, as documented, but for one digit"
