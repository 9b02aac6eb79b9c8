"""The page of `aspk report --html`: which options it takes, and what is said of the file."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.cli.session import Session
from autospikformer_cli.commands.report_figures import FigureWish
from autospikformer_cli.commands.report_sweep import SweepWish
from autospikformer_cli.commands.report_tables import TableWish
from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    from autospikformer_cli.recipe import Override


ACTING = ("alpha", "best", "overrides", "verbose")
"""Options that a page takes as others do."""


@dataclass(frozen=True)
class PageWish:
    """What the user asked for: each field is an option."""

    html: Path | None = None
    best: int | None = None
    verbose: bool = False

    def is_given(self, *others: TableWish | FigureWish | SweepWish) -> bool:
        """Whether a page is asked for. others: what else is asked for.

        Raises UserError for options that do nothing to a page.
        """
        if self.html is None:
            return False
        named = [(field.name, getattr(wish, field.name)) for wish in others for field in fields(wish)]
        for name, value in named:
            if name not in ACTING and value not in (None, False):
                option = f"--{name.replace('_', '-')}"
                raise UserError("it does nothing to the page of --html", option, f"leave out {option} or --html")
        return True

    def write(self, session: Session, run: str | None, given: list[str | Override], search: str | None) -> None:
        """Write it, and say what was written. given: what decides scores. Raises UserError."""
        from autospikformer_cli.api import read_results
        from autospikformer_cli.report.page.writing import require_page, write_page

        assert self.html is not None
        require_page(self.html)
        written = write_page(read_results(run, given, search=search, best=self.best), self.html, self.verbose)
        session.console.print(str(written), markup=False, soft_wrap=True)
        session.emit(written.to_document())
