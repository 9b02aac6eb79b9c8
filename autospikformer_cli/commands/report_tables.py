"""The tables and the methods section of `aspk report`: which options fit together, and where they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.cli.session import Session, document_text, plain_text
from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    from autospikformer_cli.recipe import Override
    from autospikformer_cli.report.methods import Methods
    from autospikformer_cli.report.sheets import Sheet


@dataclass(frozen=True)
class TableWish:
    """What the user asked for: each field is an option."""

    table: str | None = None
    methods: bool = False
    format: str | None = None
    literature: bool = False
    to: Path | None = None
    top: int | None = None
    best: int | None = None

    def is_given(self, others: Mapping[str, bool]) -> bool:
        """Whether a table or the methods are asked for. others: further options, and whether they are given.

        Raises UserError for options that do not fit together.
        """
        chosen = "--table" if self.table is not None else "--methods"
        if self.table is None and not self.methods:
            own = {"--format": self.format, "--literature": self.literature}
            option = next((name for name, value in own.items() if value), None)
            if option is not None:
                raise UserError("it acts on tables and methods only", option, "add --table NAME or --methods")
            return False
        if self.table is not None and self.methods:
            raise UserError("--methods is a text of its own", "--methods", "leave out --table or --methods")
        other = next((name for name, given in others.items() if given), None)
        if other is not None:
            raise UserError(f"it does nothing with {chosen}", other, f"leave out {other} or {chosen}")
        return True

    def show(self, session: Session, runs: Sequence[str], given: list[str | Override], search: str | None) -> None:
        """Print it, or write it. given: what decides scores. Raises UserError."""
        from autospikformer_cli.report.asked_table import AskedTable
        from autospikformer_cli.report.methods import METHODS_FORMATS
        from autospikformer_cli.report.table_formats import TABLE_FORMATS, chosen_format
        from autospikformer_cli.store.targets import require_target

        chosen = chosen_format(self.format, self.to, METHODS_FORMATS if self.methods else TABLE_FORMATS)
        if session.json and self.to is None and self.format not in (None, "json"):
            raise UserError(f"--json prints JSON, not {chosen}", "--format", "leave one of them out, or add --to FILE")
        if self.to is not None:
            require_target(self.to)
        asked = AskedTable(str(self.table), runs, given, search, self.literature, self.top, self.best)
        self._put(session, asked.methods() if self.methods else asked.sheet(), chosen)

    def _put(self, session: Session, made: Sheet | Methods, chosen: str) -> None:
        """On the console, or into --to FILE; with --json, as a document, too. Remarks have what the format lacks."""
        from autospikformer_cli.atomic_files import explaining_refusal, is_stream, write_whole
        from autospikformer_cli.report.methods import Methods
        from autospikformer_cli.report.table_formats import table_document, text_form, written_table
        from autospikformer_cli.report.tables import MAX_WIDTH

        document = made.to_document() if isinstance(made, Methods) else table_document(made)
        if chosen == "json":
            text = document_text(document)
        elif isinstance(made, Methods):
            text = made.written(chosen)
        elif chosen == "text":
            text = plain_text(text_form(made), MAX_WIDTH)
        else:
            text = written_table(made, chosen)
        if self.to is not None:
            with explaining_refusal(self.to, "choose another file, in a folder that is there"):
                write_whole(self.to, text.encode())
            what = "methods" if self.methods else self.table
            if not is_stream(self.to):  # as /dev/stdout, where this line would follow the table
                session.console.print(f"{what}: {self.to}, {chosen}", markup=False, soft_wrap=True)
        elif chosen == "text" and not isinstance(made, Methods):
            session.console.print(text_form(made))
        else:
            session.console.print(text.removesuffix("\n"), markup=False, soft_wrap=chosen != "text")
        if not isinstance(made, Methods):
            apart = [note.text for note in made.notes if not note.mark] if chosen == "csv" else []
            for line in (*apart, *made.advice):
                session.remark(line)
        session.emit(document)
