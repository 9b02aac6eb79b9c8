"""How often Python looks for garbage that refers to itself."""

from __future__ import annotations

import gc

NEW_VALUES = 100_000
"""New values between two looks; Python's default is 700."""


def collect_rarely() -> None:
    """For a command that makes a million values, of which none refers to itself and most live until it ends.

    Each look visits the values that are new, and in the end all of them: a quarter of the time of `aspk report` on a
    large archive.
    """
    gc.set_threshold(NEW_VALUES, *gc.get_threshold()[1:])
