"""The table of `aspk evaluate --timing`: where the time goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from rich.table import Table

from autospikformer_cli.report.tables import plain_table
from autospikformer_cli.units import ABSENT, format_count, format_share

TIMES = ("Events\n(ms)", "Dense\n(ms)", "Dense/\nevents")
WORK = ("Mean\ninput", "Non-\nzeros", "Synaptic\nevents", "Passes", "Spikes")
MILLI = 1e-3


class TimedStage(Protocol):
    """One stage's time, input and work for one image."""

    @property
    def name(self) -> str:
        """The stage's name."""

    @property
    def event_driven_s(self) -> float:
        """Seconds, event by event."""

    @property
    def dense_s(self) -> float:
        """Seconds, densely."""

    @property
    def input_rate(self) -> float | None:
        """Mean input value; None for real values."""

    @property
    def nonzero_rate(self) -> float | None:
        """Share of inputs that are not 0; None for real values."""

    @property
    def synaptic_events(self) -> float | None:
        """Input values, each times the outputs that it reaches; None for real values."""

    @property
    def passes(self) -> float | None:
        """Weights visited, each input value once; None for real values."""

    @property
    def spikes(self) -> float | None:
        """Spikes; None for a stage without neurons."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of its operations."""


def timing_table(title: str, stages: Sequence[TimedStage], notes: Sequence[str] = ()) -> Table:
    """Each stage with both times, their ratio, its input and its work; then the total, and the slower stages."""
    table = plain_table(title, "\n".join([*_verdict(stages), *notes]))
    table.add_column("Stage", overflow="fold")
    for name in (*TIMES, *WORK):
        table.add_column(name, justify="right", no_wrap=True)
    for stage in stages:
        rates = (format_share(stage.input_rate), format_share(stage.nonzero_rate))
        counts = (_count(value) for value in (stage.synaptic_events, stage.passes, stage.spikes))
        table.add_row(stage.name, *_times([stage]), *rates, *counts)
    table.add_section()
    counts = (_total(getattr(stage, key) for stage in stages) for key in ("synaptic_events", "passes", "spikes"))
    table.add_row("total", *_times(stages), "", "", *counts, style="bold")
    return table


def timing_document(stages: Sequence[TimedStage]) -> list[dict[str, object]]:
    """The stages as JSON: seconds and counts of one image. A stage has null for what it lacks."""
    return [
        {
            "stage": stage.name,
            "layers": list(stage.layers),
            "event_driven_s": stage.event_driven_s,
            "dense_s": stage.dense_s,
            "ratio": _ratio([stage]),
            "input_rate": stage.input_rate,
            "nonzero_rate": stage.nonzero_rate,
            "synaptic_events": stage.synaptic_events,
            "passes": stage.passes,
            "spikes": stage.spikes,
        }
        for stage in stages
    ]


def _ratio(stages: Sequence[TimedStage]) -> float:
    """Dense time as a multiple of event-driven time."""
    return sum(stage.dense_s for stage in stages) / sum(stage.event_driven_s for stage in stages)


def _verdict(stages: Sequence[TimedStage]) -> list[str]:
    """The stages that are slower event by event, and why."""
    slower = [stage for stage in stages if _ratio([stage]) < 1]
    dense = "; ".join(stage.name for stage in slower if stage.synaptic_events is not None)
    others = "; ".join(stage.name for stage in slower if stage.synaptic_events is None)
    lines = [f"fires too densely to profit (ratio below 1): {dense}"] if dense else []
    lines += [f"slower, with no spikes to skip: {others}"] if others else []
    return lines or ["every stage profits (no ratio below 1)"]


def _times(stages: Sequence[TimedStage]) -> tuple[str, str, str]:
    events, dense = (sum(getattr(stage, key) for stage in stages) for key in ("event_driven_s", "dense_s"))
    return f"{events / MILLI:.3f}", f"{dense / MILLI:.3f}", f"{_ratio(stages):.2f}"


def _count(value: float | None) -> str:
    return ABSENT if value is None else format_count(value)


def _total(values: Iterable[float | None]) -> str:
    return _count(sum(value for value in values if value is not None))
