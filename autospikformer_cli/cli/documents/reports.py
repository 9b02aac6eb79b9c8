"""Documents of `aspk report` about tables, figures and pages."""

from __future__ import annotations

from autospikformer_cli.cli.documents.parts import Document, FaultFields, Part


class TableColumnDocument(Part):
    """A column of a table."""

    key: str
    """Its name in the rows' cells."""
    head: str
    """What the table calls it."""
    unit: str
    """Its unit; an empty text for none."""


class TableRowDocument(Part):
    """A row of a table."""

    source: str
    """Whose numbers they are: paper or yours."""
    cells: dict[str, bool | int | float | str | None]
    """Its cells by column; null for a cell without a value."""
    marks: dict[str, str]
    """The marks of its footnotes, by column."""


class TableNoteDocument(Part):
    """A footnote."""

    mark: str
    """The mark that rows have; an empty text for a note on the whole table."""
    text: str
    """The note."""


class TableDocument(Document):
    """A table for a paper."""

    table: str
    """table2, table3, table4, table5, front, top or finish."""
    title: str
    """Its title."""
    columns: list[TableColumnDocument]
    """Its columns."""
    rows: list[TableRowDocument]
    """Its rows."""
    notes: list[TableNoteDocument]
    """Its footnotes."""
    cite: str
    """Where the paper's rows are from; an empty text without such rows."""


class MethodsDocument(Document):
    """How a search's numbers were measured."""

    run: str
    """The run's folder."""
    search: str
    """The search's name."""
    text: str
    """The paragraph."""
    facts: dict[str, bool | int | float | str | None]
    """What it states, by name, with hashes in full; null for what the run does not have."""


class FigureDocument(Part):
    """A figure that was drawn."""

    figure: str
    """Its name."""
    files: list[str]
    """Its files."""
    width_mm: float
    """Its width in millimetres."""
    height_mm: float
    """Its height."""


class MissingFigureDocument(FaultFields):
    """A figure without its data."""

    figure: str
    """Its name."""


class FiguresDocument(Document):
    """Figures of a run."""

    run: str
    """The run's folder."""
    figures: list[FigureDocument]
    """Figures that were drawn."""
    missing: list[MissingFigureDocument]
    """With --figures: those that the run has not the data of."""


class PageDocument(Document):
    """A page that was written."""

    run: str
    """The run's folder."""
    search: str
    """The search's name."""
    page: str
    """The file."""
    bytes: int
    """Its size."""
    num_candidates: int
    """Measured candidates in it."""
