"""Mistakes that a user can repair: what is wrong, where, and how to repair it."""

import re
from collections.abc import Sequence


class UserError(Exception):
    """One mistake that the user can repair. It is shown once, without a traceback; the exit code is 2.

    what: the mistake in a sentence. where: file and line, key path or option, if known. fix: what to type or change,
    if known.
    """

    def __init__(self, what: str, where: str | None = None, fix: str | None = None) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(str(self))

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  {self.fix}" if self.fix else head


class Faults(UserError):
    """Several mistakes that were found together. Each is shown on its own."""

    def __init__(self, faults: Sequence[UserError]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


NO_MEMORY = (
    "can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc", "array is too big",
    "maximum allowed dimension exceeded", "storage size calculation overflowed", "numel: integer multiplication",
)  # fmt: skip
"""What torch and numpy say, besides Python's MemoryError, of an array that the memory cannot hold."""


def no_memory(error: Exception) -> str | None:
    """That there is not enough memory, in words, if an error of Python, numpy or torch says so; else None."""
    says_so = isinstance(error, RuntimeError | ValueError) and any(text in str(error).lower() for text in NO_MEMORY)
    if not says_so and not isinstance(error, MemoryError):
        return None
    asked = re.search(r"allocate (?:memory: you tried to allocate )?([\d.]+ ?[KMGTPE]?i?B|\d+ bytes)", str(error))
    return f"there is not enough memory{f': {asked[1]} were asked for at once' if asked else ''}"
