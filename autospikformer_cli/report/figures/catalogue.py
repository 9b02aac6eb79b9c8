"""The figures that a run can give, by name, and their files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.atomic_files import explaining_refusal
from autospikformer_cli.errors import UserError
from autospikformer_cli.report.figures.courses import draw_fitness, draw_hypervolume
from autospikformer_cli.report.figures.front import draw_front
from autospikformer_cli.report.figures.genes import draw_genes
from autospikformer_cli.report.figures.rates import draw_rates
from autospikformer_cli.report.figures.similarity import draw_similarity
from autospikformer_cli.report.figures.sizes import draw_sizes
from autospikformer_cli.report.figures.style import require_picture, save_figure, size_mm, styled
from autospikformer_cli.report.figures.subject import FigureSubject
from autospikformer_cli.report.figures.training import draw_training
from autospikformer_cli.wording import choice_near

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class FigureKind:
    """A figure: what draws it, and which of FIGURE_OPTIONS act on it.

    draw: raises UserError if the run has not what the figure needs.
    """

    draw: Callable[[FigureSubject], Figure]
    takes: tuple[str, ...] = ()


FIGURES = {
    "front": FigureKind(draw_front, ("search", "against", "intervals", "best", "scores")),
    "sizes": FigureKind(draw_sizes, ("search", "against", "best", "scores")),
    "hypervolume": FigureKind(draw_hypervolume, ("search", "against", "scores")),
    "fitness": FigureKind(draw_fitness, ("search", "against", "best", "scores")),
    "genes": FigureKind(draw_genes, ("search", "best", "scores")),
    "training": FigureKind(draw_training),
    "similarity": FigureKind(draw_similarity),
    "rates": FigureKind(draw_rates, ("search", "subnet")),
}
"""By the name that --figure takes."""

FIGURE_OPTIONS = {
    "search": "--search", "against": "--against", "intervals": "--intervals", "best": "--best", "subnet": "--subnet",
    "scores": "--alpha, --profile, --convention or --set",
}  # fmt: skip
"""What acts on some figures only, as the user typed it."""

SUFFIXES_OF_ALL = (".pdf", ".png")
"""Of a folder of all figures: one for a paper, one to look at."""


@dataclass(frozen=True)
class WrittenFigure:
    """A figure that is drawn, with its files."""

    name: str
    files: tuple[Path, ...]
    width_mm: float
    height_mm: float

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "figure": self.name,
            "files": [str(file) for file in self.files],
            "width_mm": self.width_mm,
            "height_mm": self.height_mm,
        }


@dataclass(frozen=True)
class WrittenFigures:
    """What a run gave. missing: by name, why a figure could not be drawn."""

    run: Path
    written: tuple[WrittenFigure, ...]
    missing: dict[str, UserError]

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        missing = [
            {"figure": name, "error": error.what, "where": error.where, "fix": error.fix}
            for name, error in self.missing.items()
        ]
        return {"run": str(self.run), "figures": [each.to_document() for each in self.written], "missing": missing}


def figure_named(name: str) -> FigureKind:
    """The figure of a name. Raises UserError if there is none."""
    if name not in FIGURES:
        raise UserError(f"{name!r} is no figure", "--figure", choice_near(name, FIGURES))
    return FIGURES[name]


def require_effect(name: str, given: Mapping[str, object]) -> None:
    """Raises UserError if there is no such figure, or if an option does nothing to it.

    given: fields of FIGURE_OPTIONS, and others; what is not given is None, False or empty.
    """
    takes = figure_named(name).takes
    idle = next((field for field in FIGURE_OPTIONS if given.get(field) and field not in takes), None)
    if idle is not None:
        those = ", ".join(each for each, kind in FIGURES.items() if idle in kind.takes)
        raise UserError(
            f"it does nothing to the figure {name}", FIGURE_OPTIONS[idle], f"leave it out; it acts on {those}"
        )


def write_figure(subject: FigureSubject, name: str, path: Path) -> WrittenFigures:
    """Draw one figure into a file. Raises UserError if that is not possible."""
    require_picture(path)
    return WrittenFigures(subject.path, (_saved(name, _drawn(subject, name), [path]),), {})


def write_all_figures(subject: FigureSubject, folder: Path) -> WrittenFigures:
    """Draw every figure that the run has the data of into a folder, which is made if it is absent.

    Raises UserError if the folder cannot be written, or if the run gives no figure at all.
    """
    with explaining_refusal(folder, "name another folder, or allow writing there"):
        folder.mkdir(parents=True, exist_ok=True)
    written: list[WrittenFigure] = []
    missing: dict[str, UserError] = {}
    for name in FIGURES:
        try:
            drawn = _drawn(subject, name)
        except UserError as error:
            missing[name] = error
        else:
            written.append(_saved(name, drawn, [folder / f"{name}{suffix}" for suffix in SUFFIXES_OF_ALL]))
    if not written:
        raise next(iter(missing.values()))
    return WrittenFigures(subject.path, tuple(written), missing)


def _drawn(subject: FigureSubject, name: str) -> Figure:
    with styled():
        return figure_named(name).draw(subject)


def _saved(name: str, figure: Figure, files: list[Path]) -> WrittenFigure:
    with styled():
        for file in files:
            save_figure(figure, file)
    return WrittenFigure(name, tuple(files), *size_mm(figure))
