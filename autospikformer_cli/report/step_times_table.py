"""The table of `aspk train --timing`: where the time of a step goes."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from autospikformer_cli.report.tables import plain_table
from autospikformer_cli.wording import counted

NOTE = "optimizer: norms of gradients, too; validation and saving are not in it"


def step_times_table(num_steps: int, seconds: Mapping[str, float]) -> Table:
    """Each part with its seconds, its milliseconds a step, and its share. num_steps: those that were timed."""
    table = plain_table(f"Where the time of {counted(num_steps, 'step')} went", NOTE)
    table.add_column("Part")
    for name in ("Seconds", "ms a step", "Share (%)"):
        table.add_column(name, justify="right", no_wrap=True)
    whole = sum(seconds.values())
    for part, taken in (*seconds.items(), ("all", whole)):
        if part == "all":
            table.add_section()
        table.add_row(part, f"{taken:.2f}", f"{1000 * taken / num_steps:.2f}", f"{100 * taken / whole:.1f}")
    return table
