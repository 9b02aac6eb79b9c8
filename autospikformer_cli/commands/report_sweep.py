"""The sweep of `aspk report --alpha-sweep`: which options fit together, and what is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autospikformer_cli.cli.session import Session
from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    from autospikformer_cli.recipe import Override


@dataclass(frozen=True)
class SweepWish:
    """What the user asked for: each field is an option."""

    alpha_sweep: bool = False
    alpha: float | None = None
    best: int | None = None
    top: int | None = None
    overrides: tuple[str, ...] = ()
    verbose: bool = False

    def is_given(self) -> bool:
        """Whether a sweep of alpha is asked for. Raises UserError for what it would drop."""
        from autospikformer_cli.recipe.load import named_keys

        if not self.alpha_sweep:
            return False
        if self.alpha is not None or "search.alpha" in named_keys(self.overrides):
            option = "--alpha" if self.alpha is not None else "--set search.alpha"
            raise UserError("a sweep has every alpha", option, f"leave out {option} or --alpha-sweep")
        if self.best is not None:
            raise UserError("a sweep is of all candidates", "--best", "leave out --best or --alpha-sweep")
        if self.top is not None:
            raise UserError("a sweep lists no top accuracy", "--top", "leave out --top or --alpha-sweep")
        return True

    def show(self, session: Session, run: str | None, given: list[str | Override], search: str | None) -> None:
        """Print it. given: what decides scores. Raises UserError."""
        from autospikformer_cli.api import read_alpha_sweep
        from autospikformer_cli.report.alpha_sweep import alpha_sweep_report

        sweep = read_alpha_sweep(run, given, search=search, say=session)
        session.console.print(alpha_sweep_report(sweep, self.verbose))
        session.emit(sweep.to_document())
