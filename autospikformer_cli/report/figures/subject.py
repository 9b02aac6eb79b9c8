"""What a figure is drawn of: a run, its searches, and what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autospikformer_cli.api import read_results
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Override
from autospikformer_cli.report.figures.style import WIDTHS_MM, FigureWidth
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.runs.side_by_side import read_next_to, results_alike
from autospikformer_cli.say import SILENT, Say
from autospikformer_cli.search.fitness import Scored
from autospikformer_cli.store.searches import search_names
from autospikformer_cli.wording import choice_near, quoted


@dataclass(frozen=True)
class FigureSubject:
    """A run, read when a figure needs it. Nothing is measured.

    overrides: keys that decide scores. search: the search that is drawn, by default the present one. against: another
    one. intervals: draw those of accuracies. best: of all candidates, only the N of best fitness. subnet: whose firing
    rates are drawn.
    """

    path: Path
    overrides: Sequence[str | Override] = ()
    search: str | None = None
    width: FigureWidth = "single"
    against: str | None = None
    intervals: bool = False
    best: int | None = None
    subnet: str = "best"
    say: Say = SILENT

    @property
    def width_mm(self) -> float:
        """The figure's width."""
        return WIDTHS_MM[self.width]

    @property
    def is_wide(self) -> bool:
        """Whether there is room for panels next to each other."""
        return self.width == "double"

    @cached_property
    def results(self) -> SearchResults:
        """The search that is drawn. Raises UserError if the run has none."""
        return read_results(self.path, self.overrides, search=self.search)

    @cached_property
    def compared(self) -> list[SearchResults]:
        """That search, and the one to draw it against, if there is one. Raises UserError as `results`."""
        if self.against is None:
            return [self.results]
        if self.against not in search_names(self.path):
            what = f"{self.path} has no search {self.against}"
            raise UserError(what, "--against", choice_near(self.against, search_names(self.path)))
        other = read_next_to(self.results, self.against, self.say)
        if other.population.name == self.results.population.name:
            what = f"{self.against} is the search that it would be drawn against"
            raise UserError(what, "--against", "name another search of the run, or another --search")
        return [self.results, other]

    @cached_property
    def searches(self) -> list[SearchResults]:
        """The searches whose course is drawn: those asked for; without a wish, all that were measured as this one."""
        if self.search is not None or self.against is not None:
            return self.compared
        return results_alike(self.results, self.say)

    def chosen(self, results: SearchResults) -> Sequence[Scored]:
        """The candidates of a search that are drawn, best first."""
        return results.scores.ranked[: self.best]

    def require_candidates(self) -> None:
        """Raises UserError if the search has no candidate with a fitness."""
        if not self.results.scores.ranked:
            what = f"{self.results.title} has no candidate to draw"
            raise UserError(what, fix=f"search on: aspk search --run {quoted(self.path)}")
