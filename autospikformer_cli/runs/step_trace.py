"""A file of trace events: when each part of a training's first steps ran, for chrome://tracing or ui.perfetto.dev.

The format is that of Chrome's "Trace Event Format": a JSON object whose traceEvents are complete events ("ph": "X"),
with a start and a duration in microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.atomic_files import explaining_refusal, write_whole
from autospikformer_cli.say import Say

if TYPE_CHECKING:
    from autospikformer_cli.training.step_times import Span, StepTimes

TRACED_STEPS = 100
"""A browser shows these at once. Later steps are much the same."""
_PROCESS, _THREAD = 1, 1


def write_trace(path: Path, spans: Sequence[Span], title: str) -> None:
    """Write the file, whole or not at all. Raises UserError if the disk refuses. title: what the viewer shows."""
    content = json.dumps(trace_document(spans, title)).encode() + b"\n"
    with explaining_refusal(path, "choose another file, in a folder that may be written"):
        write_whole(path, content)


@contextmanager
def traced(path: Path | None, times: StepTimes | None, title: str, say: Say) -> Iterator[None]:
    """Write the trace of the training within the context at its end, also if it stops early. path: None for none."""
    try:
        yield
    finally:
        if path is not None and times is not None and times.spans:
            write_trace(path, times.spans, title)
        elif path is not None:
            say.remark(f"no step was trained, so {path} is not written")


def trace_document(spans: Sequence[Span], title: str) -> dict[str, object]:
    """The events of spans in their order: of each step, and within it of its parts. Time starts with the first."""
    start = spans[0].began if spans else 0.0
    events: list[dict[str, object]] = [
        {"ph": "M", "name": "process_name", "pid": _PROCESS, "args": {"name": title}},
        {"ph": "M", "name": "thread_name", "pid": _PROCESS, "tid": _THREAD, "args": {"name": "steps"}},
    ]
    for number, group in groupby(spans, key=lambda span: span.step):
        parts = list(group)
        last = parts[-1]
        events.append(_event("step", number, parts[0].began - start, last.began + last.seconds - parts[0].began))
        events += (_event(part.part, number, part.began - start, part.seconds) for part in parts)
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _event(name: str, step: int, began: float, seconds: float) -> dict[str, object]:
    place = {"pid": _PROCESS, "tid": _THREAD, "args": {"step": step}}
    return {"name": name, "cat": "training", "ph": "X", "ts": began * 1e6, "dur": seconds * 1e6, **place}
