"""The figures of `aspk report`: which options fit together, and what is said of the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.cli.session import Session
from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    from autospikformer_cli.recipe import Override

OF_FIGURES = ("to", "against", "intervals", "width", "subnet")
"""Options that do nothing without a figure."""


@dataclass(frozen=True)
class FigureWish:
    """What the user asked to be drawn: each field is an option."""

    figure: str | None = None
    figures: Path | None = None
    to: Path | None = None
    against: str | None = None
    intervals: bool = False
    best: int | None = None
    width: str | None = None
    subnet: str | None = None

    def is_given(self, others: Mapping[str, bool], makes_table: bool = False) -> bool:
        """Whether anything is to be drawn. others: options of tables, and whether they are given.

        makes_table: whether a table is asked for, which has --to as well. Raises UserError for options that do not fit
        together.
        """
        if self.figure is None and self.figures is None:
            acting = [name for name in OF_FIGURES if getattr(self, name) and not (makes_table and name == "to")]
            option = next(iter(acting), None)
            if option is not None:
                if option == "to":
                    fix = "add --figure NAME, --table NAME or --methods; a page is --html FILE"
                    raise UserError("nothing is asked for that has a file", "--to", fix)
                raise UserError("it acts on figures only", f"--{option}", "add --figure NAME --to FILE")
            return False
        chosen = "--figures" if self.figure is None else "--figure"
        other = next((name for name, given in others.items() if given), None)
        if other is not None:
            raise UserError(f"it acts on tables, and {chosen} draws", other, f"leave out {other} or {chosen}")
        if self.figures is not None and self.figure is not None:
            raise UserError("--figure is one figure, --figures are all", "--figures", "leave one of them out")
        if self.figures is not None and self.to is not None:
            raise UserError("--figures names its files itself", "--to", "leave it out, or draw one --figure")
        if self.figure is not None and self.to is None:
            raise UserError("a figure needs a file", "--figure", f"add --to {self.figure}.pdf, .svg or .png")
        return True

    def draw(self, session: Session, run: str | None, given: list[str | Override], search: str | None) -> None:
        """Draw, and say what was written and what could not be drawn. given: what decides scores."""
        from autospikformer_cli.report.figures.catalogue import require_effect, write_all_figures, write_figure
        from autospikformer_cli.report.figures.style import width_named
        from autospikformer_cli.report.figures.subject import FigureSubject
        from autospikformer_cli.store.runs import resolve_run

        wish = FigureSubject(
            resolve_run(run), tuple(given), search, width_named(self.width), self.against, self.intervals, self.best,
            self.subnet or "best", session,
        )  # fmt: skip
        if self.figure is not None and self.to is not None:
            require_effect(self.figure, {**asdict(self), "search": search, "scores": given})
            done = write_figure(wish, self.figure, self.to)
        else:
            done = write_all_figures(wish, self.figures or Path())
        lines = [
            f"{each.name}: {', '.join(map(str, each.files))}, {each.width_mm:g} x {each.height_mm:g} mm"
            for each in done.written
        ]
        lines += [
            f"no {name}: {': '.join(filter(None, (error.where, error.what)))}{error.fix and f'; {error.fix}'}"
            for name, error in done.missing.items()
        ]
        session.console.print("\n".join(lines), markup=False, soft_wrap=True)
        session.emit(done.to_document())
