"""The picture of an analysis: `--figure FILE` and `--width`, for commands that draw what they have computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autospikformer_cli.cli.session import Session
from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PictureOption = Annotated[
    Path | None, typer.Option("--figure", metavar="FILE", help="Draw it, fit for a paper: .png, .svg or .pdf.")
]


@dataclass(frozen=True)
class Picture:
    """A picture that the user asked for: each field is an option."""

    figure: Path | None
    width: str | None

    def require_possible(self) -> None:
        """Raises UserError for what cannot be drawn or written. To call before anything is measured."""
        from autospikformer_cli.report.figures.style import require_pictures, width_named

        if self.figure is None and self.width is not None:
            raise UserError("it acts on figures only", "--width", "add --figure FILE")
        width_named(self.width)
        require_pictures(self.figure)

    def draw(self, session: Session, drawing: Callable[[float], Figure]) -> None:
        """Draw and write it, if it was asked for, and say so. drawing: makes a figure so many millimetres wide."""
        if self.figure is None:
            return
        from autospikformer_cli.report.figures.style import WIDTHS_MM, save_figure, size_mm, styled, width_named

        with styled():
            figure = drawing(WIDTHS_MM[width_named(self.width)])
            save_figure(figure, self.figure)
        width, height = size_mm(figure)
        session.console.print(f"figure: {self.figure}, {width:g} x {height:g} mm", markup=False, soft_wrap=True)
