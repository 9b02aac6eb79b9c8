"""The table, or the methods section, that some options ask for: of which run, under which prices, with which rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autospikformer_cli.api import read_results
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Overrides
from autospikformer_cli.report import own_tables as own
from autospikformer_cli.report.methods import Methods, methods_of
from autospikformer_cli.report.sheets import Sheet
from autospikformer_cli.runs.measured_networks import measured_networks
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.store.runs import resolve_run
from autospikformer_cli.wording import choice_near

MOST_ACCURATE = 10
"""Rows of the most accurate subnets, if nothing else is asked for."""


def only_run(runs: Sequence[str]) -> str | None:
    """The run that --run names; None without one. Raises UserError if it names several."""
    if len(runs) > 1:
        fix = "name one; several stand in --table table4 and --table table5"
        raise UserError("this is of one run", f"--run {runs[1]}", fix)
    return runs[0] if runs else None


@dataclass(frozen=True)
class AskedTable:
    """What the options of a table say. given: what decides scores."""

    name: str
    runs: Sequence[str]
    given: Overrides
    search: str | None
    literature: bool = False
    top: int | None = None
    best: int | None = None

    def methods(self) -> Methods:
        """The methods section of a search. Raises UserError."""
        for option, value in (("--literature", self.literature), ("--top", self.top), ("--best", self.best)):
            if value:
                raise UserError("it acts on tables only", option, f"leave out {option} or --methods")
        return methods_of(self._results())

    def sheet(self) -> Sheet:
        """The table. Raises UserError."""
        if self.name not in own.TABLE_NAMES:
            raise UserError(f"{self.name!r} is no table", "--table", choice_near(self.name, own.TABLE_NAMES))
        self._require_effect()
        if self.literature:
            return own.literature_sheet(self.name)
        if self.name in own.NETWORK_TABLES:
            paths = [resolve_run(run) for run in self.runs] or [resolve_run(None)]
            return own.network_sheet(self.name, [measured_networks(path, self.given, self.search) for path in paths])
        if self.name == own.FINISH_TABLE:
            return self._finished()
        make = own.results_sheet if self.name in own.OWN_TABLES else own.candidate_sheet
        return make(self.name, self._results(), self.top or MOST_ACCURATE)

    def _finished(self) -> Sheet:
        from autospikformer_cli.report.finish_sheet import finish_sheet
        from autospikformer_cli.runs.finishing.stored import read_finished

        return finish_sheet(read_finished(resolve_run(only_run(self.runs)), self.given, self.search))

    def _results(self) -> SearchResults:
        return read_results(only_run(self.runs), self.given, search=self.search, best=self.best)

    def _require_effect(self) -> None:
        """Raises UserError for an option that this table would drop."""
        lists_top = not self.literature and self.name in ("top", *own.CANDIDATE_TABLES)
        if self.top is not None and not lists_top:
            raise UserError(f"{self.name} lists no top accuracy", "--top", "leave it out")
        if self.best is not None and (self.literature or self.name in (*own.NETWORK_TABLES, own.FINISH_TABLE)):
            raise UserError(f"{self.name} ranks no candidates", "--best", "leave it out")
        if not self.literature:
            return
        if self.name in (*own.OWN_TABLES, own.FINISH_TABLE):
            fix = "leave it out, or choose table2, table3, table4 or table5"
            raise UserError(f"the paper has no table {self.name}", "--literature", fix)
        options = {"--run": self.runs, "--search": self.search, "--alpha, --profile, --convention, --set": self.given}
        option = next((option for option, value in options.items() if value), None)
        if option is not None:
            raise UserError("the paper's rows depend on no run", option, "leave it out, or leave out --literature")
