"""`aspk report --watch`: which options fit, and what is called with each change of a running search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.cli.session import Session
from autospikformer_cli.commands.watch_output import ShowSight, display, rests
from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    from autospikformer_cli.recipe import Override
    from autospikformer_cli.runs.sight import Sight


@dataclass(frozen=True)
class WatchWish:
    """What the user asked for. top, best, verbose: as the report takes them. html: a page that is kept up to date."""

    watch: bool
    top: int
    best: int | None = None
    verbose: bool = False
    html: Path | None = None

    def is_given(self, others: Mapping[str, object]) -> bool:
        """Whether a search is to be watched. others: what is made besides the report, and whether it is asked for.

        Raises UserError for another one of these.
        """
        other = next((name for name, given in others.items() if given), None)
        if self.watch and other is not None:
            raise UserError(f"it shows the report alone, and not {other}", "--watch", f"leave out --watch or {other}")
        return self.watch

    def follow(self, session: Session, run: str | None, given: Sequence[str | Override], search: str | None) -> None:
        """ShowSight a search until it has ended, then its report. given: what decides scores. Raises UserError."""
        from autospikformer_cli.report.page.writing import require_page
        from autospikformer_cli.runs.watching import Watch, sights, watched_run

        if self.html is not None:
            require_page(self.html)
        watch = Watch(watched_run(run, search), given, search, self.best)
        with display(session) as (show, tick):
            shows: list[ShowSight] = [show, self._refresh_page]
            for sight in sights(watch, rests(tick)):
                for each in shows:
                    each(sight)
        self._conclude(session, sight)

    def _refresh_page(self, sight: Sight) -> None:
        from autospikformer_cli.report.page.writing import write_page

        if self.html is not None and sight.results is not None:
            write_page(sight.results, self.html, self.verbose)

    def _conclude(self, session: Session, sight: Sight) -> None:
        from autospikformer_cli.report.paper import paper_table_for
        from autospikformer_cli.report.search_report import search_report
        from autospikformer_cli.report.watch_view import stopped_text

        if sight.results is not None and not session.json:
            recipe = sight.results.recipe
            paper = paper_table_for(recipe.space.search_space(), recipe.data.dataset)
            session.console.print(search_report(sight.results, paper, self.top, self.verbose))
        if sight.resume is not None:
            session.console.print(stopped_text(sight), markup=False, soft_wrap=True)
