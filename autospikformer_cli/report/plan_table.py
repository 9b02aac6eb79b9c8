"""The table of --dry-run: what a command would do."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from autospikformer_cli.report.tables import plain_table

NAMES = {
    "subnets": "search among (subnets)",
    "params_smallest": "smallest subnet (parameters)",
    "params_largest": "largest subnet (parameters)",
    "images": "read (images)",
    "calibration_images": "recalibrate BatchNorm on (images)",
    "epochs": "train for (epochs)",
    "evaluations": "measure (subnets)",
    "steps": "run (steps)",
    "recalibration_bytes": "a layer of all calibration images (MB)",
    "evaluation_bytes": "a layer of one batch (MB)",
    "stems_bytes": "cached stems, at most (MB)",
    "waiting_bytes": "waiting spikes, at most (MB)",
    "memory_bytes": "need, beside data and libraries, about (MB)",
}


def plan_table(title: str, plan: Mapping[str, int]) -> Table:
    """One line for each number of a plan."""
    table = plain_table(title)
    table.add_column("", no_wrap=True)
    table.add_column("", justify="right")
    for key, value in plan.items():
        table.add_row(NAMES[key], f"{value / 1e6:,.0f}" if key.endswith("_bytes") else f"{value:,}")
    return table
