"""The table of --dry-run: what a command would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from autospikformer_cli.report.tables import plain_table
from autospikformer_cli.units import ABSENT, format_duration

NAMES = {
    "classes": "classes",
    "train_images": "training images",
    "validation_images": "validation images",
    "test_images": "test images",
    "images_in_memory_bytes": "hold images in memory (MB)",
    "subnets": "search among (subnets)",
    "params_smallest": "smallest subnet (parameters)",
    "params_largest": "largest subnet (parameters)",
    "networks": "networks of the table",
    "trainings": "trainings",
    "tests": "tests on all test images",
    "images": "read (images)",
    "images_done": "of these, done before (images)",
    "diverged": "diverged before (trainings)",
    "calibration_images": "recalibrate BatchNorm on (images)",
    "epochs": "train for (epochs)",
    "retrained_epochs": "retrain inherited weights for (epochs)",
    "evaluations": "measure (subnets)",
    "steps": "run (steps)",
    "recalibration_bytes": "a layer of all calibration images (MB)",
    "evaluation_bytes": "a layer of one batch (MB)",
    "stems_bytes": "cached stems, at most (MB)",
    "waiting_bytes": "waiting spikes, at most (MB)",
    "memory_bytes": "need, beside data and libraries, about (MB)",
}


def plan_table(title: str, plan: Mapping[str, Any]) -> Table:
    """One line for each number of a plan, its data set and its time."""
    table = plain_table(title)
    table.show_header = False
    table.add_column("", no_wrap=True)
    table.add_column("", justify="right")
    for name, value in _rows(plan):
        table.add_row(name, value)
    return table


def _rows(plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    missing = plan["dataset_missing_at"]
    yield "data set", escape(plan["dataset"] if missing is None else f"{plan['dataset']}, not found at {missing}")
    for key, name in NAMES.items():
        if key in plan:
            yield name, _number(key, plan[key])
        if key == "images_in_memory_bytes" and plan["cache_folder"] is not None:
            yield "read images from disk (MB)", _number(key, plan["cache_bytes"])
            yield "of these, still to be decoded (MB)", _number(key, plan["cache_missing_bytes"])
            yield "in the folder", escape(plan["cache_folder"])
    if plan["seconds"] == 0:
        yield "time", "no training is left"
        return
    taken = "unknown" if plan["seconds"] is None else f"about {format_duration(plan['seconds'])}"
    yield "time", taken
    yield "", escape(f"({plan['seconds_from']})")


def _number(key: str, value: int | None) -> str:
    if value is None:
        return ABSENT
    return f"{value / 1e6:,.0f}" if key.endswith("_bytes") else f"{value:,}"
