"""Errors that a user can repair: what is wrong, where, and what to do about it."""

from collections.abc import Sequence


class UserError(Exception):
    """One mistake that the user can repair; shown once, without a traceback, exit code 2.

    what: the mistake in a sentence. where: file and line, key path or option, if there is one.
    fix: what to type or change, if it is known.
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
    """Several mistakes found together, each shown on its own."""

    def __init__(self, faults: Sequence[UserError]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
