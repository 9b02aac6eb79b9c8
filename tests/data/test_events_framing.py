"""Events to frames: against a loop over the events, against SpikingJelly, and what tonic drops."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospikformer_cli.data.events.framing import Framing, as_small_as_fits, count_events
from autospikformer_cli.errors import UserError

EVENT = np.dtype([("x", np.int32), ("y", np.int32), ("t", np.int64), ("p", np.int8)])
SENSOR = (7, 5)


@st.composite
def recordings(draw: st.DrawFn) -> np.ndarray:
    """Events on a sensor of 7 x 5 pixels, ordered by time, often at the same time."""
    size = draw(st.integers(1, 60))
    columns = [
        draw(st.lists(st.integers(0, high), min_size=size, max_size=size))
        for high in (SENSOR[0] - 1, SENSOR[1] - 1, draw(st.sampled_from([0, 5, 1000])), 1)
    ]
    events = np.zeros(size, EVENT)
    for name, column in zip("xytp", columns, strict=True):
        events[name] = column
    events["t"] = np.sort(events["t"]) + draw(st.sampled_from([0, -50, 10**15]))
    return events


def frame_by_loop(events: np.ndarray, place: int, framing: Framing) -> int:
    """The frame of one event, by the definition."""
    first, last = int(events["t"][0]), int(events["t"][-1])
    if framing.split_by == "count":
        length, passed = len(events) // framing.frames, place
    else:
        length, passed = (last - first) // framing.frames, int(events["t"][place]) - first
    if length == 0:
        return framing.frames - 1
    return min(passed // length, framing.frames - 1)


@settings(max_examples=300)
@given(
    events=recordings(),
    frames=st.integers(1, 9),
    split_by=st.sampled_from(["count", "time"]),
    polarity=st.sampled_from(["separate", "merged"]),
    size=st.sampled_from([1, 3, 5, 8]),
)
def test_every_event_is_where_a_loop_puts_it(events, frames, split_by, polarity, size) -> None:
    framing = Framing(frames, split_by, polarity, SENSOR, size)
    expected = np.zeros(framing.shape, np.int64)
    for place, (x, y, _, p) in enumerate(events.tolist()):
        row, column = y * size // SENSOR[1], x * size // SENSOR[0]
        expected[frame_by_loop(events, place, framing), row, column, p if polarity == "separate" else 0] += 1
    counts = count_events(events, framing)
    assert counts.dtype == np.uint16
    assert counts.sum() == len(events)
    assert np.array_equal(counts, expected)


def spikingjelly_s_integration() -> Callable[..., np.ndarray]:
    """integrate_events_by_fixed_frames_number, alone: its package imports torchaudio, which may not load."""
    spec = importlib.util.find_spec("spikingjelly")
    if spec is None or spec.origin is None:
        pytest.skip("no spikingjelly")
    path = Path(spec.origin).parent / "datasets" / "utils.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    for node in tree.body:
        node.decorator_list = []
    names: dict[str, Any] = {"np": np, "Callable": Callable, "Any": Any, "Path": Path}
    exec(compile("from __future__ import annotations\n" + ast.unparse(tree), str(path), "exec"), names)  # noqa: S102
    function: Callable[..., np.ndarray] = names["integrate_events_by_fixed_frames_number"]
    return function


@pytest.mark.parametrize(("split_by", "theirs"), [("count", "number"), ("time", "time")])
@pytest.mark.parametrize("num", [800, 803])
def test_frames_are_spikingjelly_s(split_by: str, theirs: str, num: int, recordings: Any) -> None:
    events = recordings.make(3, num, side=16, duration=99_999)
    columns = {name: events[name] for name in "xytp"}
    expected = spikingjelly_s_integration()(columns, theirs, 8, 16, 16)
    counts = count_events(events, Framing(8, split_by, "separate", (16, 16), 16))
    assert np.array_equal(counts, expected.transpose(0, 2, 3, 1))


def test_polarities_have_their_channels_and_merged_they_share_one() -> None:
    events = np.array([(0, 0, 0, 0), (1, 0, 1, 1), (1, 0, 2, 1)], EVENT)
    separate = count_events(events, Framing(1, "count", "separate", (2, 1), 2))
    assert separate[0, 0].tolist() == [[1, 0], [0, 2]]
    merged = count_events(events, Framing(1, "count", "merged", (2, 1), 2))
    assert merged[0, 0].tolist() == [[1], [2]]


def test_a_recording_of_few_events_or_one_instant_is_in_the_last_frame() -> None:
    events = np.array([(0, 0, 5, 0), (0, 0, 5, 1)], EVENT)
    for split_by in ("count", "time"):
        counts = count_events(events, Framing(4, split_by, "separate", (1, 1), 1))
        assert counts.sum(axis=(1, 2, 3)).tolist() == [0, 0, 0, 2]


def test_counts_are_small_where_they_can_be_and_never_wrap_around() -> None:
    framing = Framing(1, "count", "merged", (1, 1), 1)
    for num, dtype in ((255, np.uint8), (256, np.uint16), (65_535, np.uint16)):
        counts = count_events(np.zeros(num, EVENT), framing)
        small = as_small_as_fits(counts, int(counts.max()))
        assert small.dtype == dtype
        assert small.item() == num
    with pytest.raises(UserError) as raised:
        count_events(np.zeros(65_536, EVENT), framing)
    assert str(raised.value) == (
        "a pixel has 65,536 events in one frame, more than 65,535\n  raise data.frames, or data.image_size"
    )


def test_tonic_s_frames_still_drop_events() -> None:
    """What frame_starts and count_events do by themselves, tonic's ToFrame could do if it dropped none."""
    to_frame: Callable[..., Any] = pytest.importorskip("tonic.transforms").ToFrame
    events = np.zeros(10, EVENT)
    events["t"] = np.arange(10) * 100
    kept = {
        name: int(to_frame(sensor_size=(1, 1, 2), **{name: value})(events.copy()).sum())
        for name, value in (("n_event_bins", 4), ("n_time_bins", 4), ("time_window", 200), ("event_count", 4))
    }
    assert kept == {"n_event_bins": 8, "n_time_bins": 9, "time_window": 8, "event_count": 8}, (
        "tonic's slicers were mended: look whether events/framing.py can take ToFrame instead of its own boundaries"
    )
    many = partial(to_frame(sensor_size=(1, 1, 2), n_event_bins=1), np.zeros(40_000, EVENT))
    assert many().min() < 0, "tonic counts in more than int16 now: events/framing.py may count with it"
