"""Mistakes that a user can repair: what is wrong, where, and how to repair it."""

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
