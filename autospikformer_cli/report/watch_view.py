"""What `aspk report --watch` shows of a search that is running: a view for a terminal, a line for a log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from autospikformer_cli.report.rows import CandidateRow, candidate_row, row_of_alike
from autospikformer_cli.report.search_report import BASELINE_LABEL, candidates_text, front_title, report_unit
from autospikformer_cli.report.tables import CandidateTable
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.runs.selection import selection_notes
from autospikformer_cli.runs.sight import Sight
from autospikformer_cli.units import format_duration, format_energy, format_share


def watch_line(sight: Sight) -> str:
    """A sight in one line."""
    return ": ".join([_title(sight), ", ".join([*_progress(sight), *_found(sight)])])


def stopped_text(sight: Sight) -> str:
    """How a search ended that is not finished, and what goes on with it."""
    return f"{_title(sight)}: {sight.says}; go on with it: {sight.resume}"


@dataclass(frozen=True)
class WatchView:
    """A sight, no higher than the terminal. now_s: the time, in seconds since 1970."""

    sight: Sight
    now_s: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the values, and as much of the Pareto front as there is room for."""
        sight = self.sight
        lines = [Text(_title(sight), style="bold"), Text(", ".join(_progress(sight)))]
        lines += [Text(text) for text in _found(sight)]
        if sight.changed_s is not None:
            lines.append(Text(f"saved last {format_duration(max(0.0, self.now_s - sight.changed_s))} ago"))
        yield from lines
        taken = sum(len(console.render_lines(line, options)) for line in lines)
        if sight.results is not None and sight.results.front:
            room = console.height - taken - 2
            yield from _fitting_front(sight.results, room, console, options)


def _title(sight: Sight) -> str:
    return f"{sight.run}, search {sight.search}" if sight.search else str(sight.run)


def _progress(sight: Sight) -> Iterator[str]:
    """How far it is."""
    yield sight.says
    if sight.num_generations is not None and sight.results is not None:
        yield "{} of {} generations done".format(*sight.num_generations)
        of = "" if sight.total is None else f" of {sight.total}"
        yield f"{len(sight.results.population.candidates)}{of} subnets measured"
    if sight.remaining_s is not None:
        yield f"about {format_duration(sight.remaining_s)} left at the pace so far, as of the last save"


def _found(sight: Sight) -> Iterator[str]:
    """The best, and the hypervolume."""
    results = sight.results
    if results is None:
        return
    if results.scores.ranked:
        best, alpha = results.scores.ranked[0], results.recipe.search.alpha
        energy = f", {format_energy(best.energy_j)}" if results.is_priced else ""
        yield f"best by F_AEB (alpha {alpha:g}): {best.id}, {best.top1:.2f} %{energy}"
    if rejected := len(results.scores.rejected):
        yield f"{rejected} rejected"
    if results.hypervolume and results.hypervolume.shares:
        yield f"hypervolume {format_share(results.hypervolume.shares[-1], 4)}"


def _fitting_front(
    results: SearchResults, room: int, console: Console, options: ConsoleOptions
) -> Iterator[Text | CandidateTable]:
    """The front in `room` lines: all of it, or the candidates with the best F_AEB, or nothing."""
    rows = [row_of_alike(alike) for alike in results.different_front]
    baseline = None if results.baseline is None else candidate_row(results.baseline, BASELINE_LABEL)
    best = sorted(rows, key=lambda row: row.fitness or 0.0, reverse=True)
    num = min(len(rows), room)
    while num > 0:
        shown = [row for row in rows if row in best[:num]]
        table = _front_table(results, shown, len(rows), baseline)
        excess = len(console.render_lines(table, options)) - room
        if excess <= 0:
            yield Text()
            yield table
            return
        num -= max(1, excess // 2)


def _front_table(
    results: SearchResults, shown: Sequence[CandidateRow], num: int, baseline: CandidateRow | None
) -> CandidateTable:
    part = f", here the {len(shown)} with the best F_AEB" if len(shown) < num else ""
    title = f"{front_title(results)} of {candidates_text(results)}{part}"
    unit = report_unit([*shown, *([baseline] if baseline else [])])
    notes = selection_notes(results.provenance.split)
    return CandidateTable(title, shown, baseline, unit, notes, None, results.objectives)
