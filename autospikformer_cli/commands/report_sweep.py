"""`aspk report --alpha-sweep`: which options it excludes, and what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.cli.session import Session
from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    from autospikformer_cli.recipe import Override

EXCLUDED = {
    "--best": "a sweep is of all candidates",
    "--top": "a sweep lists no top accuracy",
}


def require_no_other_choice(
    sweeps: bool, others: Mapping[str, object], alpha: float | None, overrides: Sequence[str]
) -> None:
    """Raises UserError for what a sweep of alpha would drop. others: options by name, None if they are not given."""
    from autospikformer_cli.recipe.load import named_keys

    if not sweeps:
        return
    if alpha is not None or "search.alpha" in named_keys(overrides):
        option = "--alpha" if alpha is not None else "--set search.alpha"
        raise UserError("a sweep has every alpha", option, f"leave out {option} or --alpha-sweep")
    option = next((name for name, value in others.items() if value is not None), "")
    if option:
        raise UserError(EXCLUDED[option], option, f"leave out {option} or --alpha-sweep")


def show_sweep(
    session: Session, run: Path | None, given: list[str | Override], search: str | None, verbose: bool
) -> None:
    """The best subnet for each alpha. given: what decides scores. Raises UserError."""
    from autospikformer_cli.api import read_alpha_sweep
    from autospikformer_cli.report.alpha_sweep import alpha_sweep_report

    sweep = read_alpha_sweep(run, given, search=search, say=session)
    session.console.print(alpha_sweep_report(sweep, verbose))
    session.emit(sweep.to_document())
