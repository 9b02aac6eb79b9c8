"""The largest numbers that aspk takes. Larger ones are slips of the keyboard, and would fill memory or never end."""

from __future__ import annotations

from autospikformer_cli.errors import UserError

MOST_SEEDS = 1_000
"""Trainings of one network, or searches of one run."""
MOST_EPOCHS = 100_000
"""Epochs of one training."""
MOST_NETWORKS = 10_000
"""Networks that one command retrains."""
MOST_TRAININGS = 100_000
"""Trainings of one command: networks times seeds."""
MOST_CANDIDATES = 100_000
"""Candidates of one generation of a search."""
MOST_RESAMPLES = 100_000
"""Bootstrap resamples of one interval."""
MOST_THREADS = 1_024
"""Threads of one process."""
MOST_WORKERS = 1_024
"""Processes of one executor."""


def require_at_most(number: int | None, most: int, noun: str, where: str) -> None:
    """Raises UserError for a number above a bound. None is below it.

    noun: what is counted, in the plural. where: the option, or the parameter.
    """
    if number is not None and number > most:
        raise UserError(f"{number:,} {noun} are too many", where, f"ask for at most {most:,}")
