"""What `aspk search --front` draws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.cli.session import Session
from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    from autospikformer_cli.runs.results import SearchResults


def require_front(front: Path | None, several: bool, dry_run: bool) -> None:
    """Raises UserError if no front can be drawn into that file, before hours are spent."""
    from autospikformer_cli.report.figures.style import require_picture

    if front is None:
        return
    if several:
        raise UserError("it draws the front of one search, here are several", "--front", "leave it out")
    if dry_run:
        raise UserError("--dry-run writes nothing", "--front", "leave one of the two out")
    require_picture(front)


def write_front(session: Session, results: SearchResults, front: Path) -> None:
    """The front of a search, as `aspk report --figure front` draws it."""
    from autospikformer_cli.report.figures.catalogue import write_figure
    from autospikformer_cli.report.figures.subject import FigureSubject

    subject = FigureSubject(results.path, search=results.population.name, say=session)
    write_figure(subject, "front", front)
    session.console.print(f"front: {front}", markup=False, soft_wrap=True)
