"""Tables of the user's own results: front and top, and their rows next to the paper's in its Tables 2 to 5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import floor, isfinite, log10

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe.energy.models import Convention, HardwareProfile
from autospikformer_cli.report.literature import (
    AUGMENTED,
    GROUP_NAMES,
    LITERATURE_COLUMNS,
    TABLE_PARTS,
    candidate_cells,
    literature_cite,
    literature_notes,
    literature_rows,
    literature_title,
)
from autospikformer_cli.report.paper import MILLIJOULE, paper_table, paper_table_for
from autospikformer_cli.report.rows import CandidateRow, candidate_row, row_of_alike, ties_text, top_accuracy
from autospikformer_cli.report.search_report import candidates_text, front_title
from autospikformer_cli.report.sheets import Footnote, FootnoteMarks, Sheet, SheetColumn, SheetRow
from autospikformer_cli.report.table_notes import advice_on, own_notes, priced
from autospikformer_cli.runs.measured_networks import MeasuredNetwork, NetworksOfRun
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.runs.selection import selection_notes
from autospikformer_cli.space import plain
from autospikformer_cli.units import EnergyUnit, energy_unit

OWN_TABLES = ("front", "top")
CANDIDATE_TABLES = ("table2", "table3")
NETWORK_TABLES = ("table4", "table5")
FINISH_TABLE = "finish"
TABLE_NAMES = (*CANDIDATE_TABLES, *NETWORK_TABLES, *OWN_TABLES, FINISH_TABLE)
PRINTED_IN: Mapping[str, Mapping[str, str]] = {
    "table4": {"cifar10": "cifar10", "cifar100": "cifar100"},
    "table5": {"cifar10dvs": "cifar10dvs_top1", "dvs128-gesture": "dvs128_top1"},
}
"""By table, the data sets that it has, with the column of the accuracy on each."""


def literature_sheet(name: str) -> Sheet:
    """The paper's rows of one of its tables."""
    return _sheet(name, FootnoteMarks(), [], [])


def results_sheet(name: str, results: SearchResults, top: int = 10) -> Sheet:
    """The Pareto front of a search, or its most accurate subnets; then what they are compared with."""
    front = name == "front"
    alike = results.different_front if front else top_accuracy(results.different, limit=top)
    rows = [row_of_alike(each) for each in alike]
    baseline = None if results.baseline is None else candidate_row(results.baseline, "baseline")
    every = [*rows, *([baseline] if baseline else [])]
    unit = energy_unit(row.energy_j for row in every)
    tied = None if front else ties_text(results.different, top)
    num = front_title(results).removeprefix("Pareto front: ") if front else len(rows)
    notes = own_notes(results, rows, baseline, unit)
    return Sheet(
        name,
        f"{'Pareto front' if front else 'Top accuracy'} of {results.title}: {num} of {candidates_text(results)}",
        _result_columns(results, unit),
        [_result_row(row, baseline, unit) for row in every],
        [*notes, *([Footnote("", f"{tied[:1].upper()}{tied[1:]}.")] if tied else [])],
        advice=advice_on(results),
    )


def candidate_sheet(name: str, results: SearchResults, top: int = 10) -> Sheet:
    """The paper's Table 2 or 3, with the front and the most accurate subnets of a search in the same space.

    Raises UserError if the search was in another space, or on other images.
    """
    part = _part_of(name, results)
    front = {alike.best.id for alike in results.different_front}
    accurate = {alike.best.id for alike in top_accuracy(results.different, limit=top)}
    rows = []
    for alike in sorted(results.different, key=lambda each: (each.energy_j, -each.top1)):
        groups = [group for group, of in (("pareto", front), ("top", accurate)) if alike.best.id in of]
        if groups:
            rows.append(_candidate_row(name, part, row_of_alike(alike), groups))
    if results.baseline is not None:
        rows.append(_candidate_row(name, part, candidate_row(results.baseline, "baseline"), ["baseline"]))
    measured = results.provenance
    note = f"yours: {results.title}, {measured.images:,} {measured.split} images, {priced(results.recipe)}"
    facts = [each.removeprefix("! ") for each in selection_notes(measured.split)]
    tied = ties_text(results.different, top)
    return _sheet(name, FootnoteMarks(), rows, [note, *facts, *([f"top: {tied}"] if tied else [])])


def network_sheet(name: str, runs: Sequence[NetworksOfRun]) -> Sheet:
    """The paper's Table 4 or 5, with the networks of some runs: the same network on two data sets is one row.

    Raises UserError for a run on other data, and for runs whose numbers cannot be compared.
    """
    _require_one_table(name, runs)
    columns = PRINTED_IN[name]
    joined: dict[tuple[object, ...], list[MeasuredNetwork]] = {}
    for network in (each for run in runs for each in run.networks):
        genes, number = (network.is_spiking, network.subnet, network.alone, network.weights), 0
        while any(each.dataset == network.dataset for each in joined.get((*genes, number), ())):
            number += 1  # another run has measured it on the same data: a row of its own
        joined.setdefault((*genes, number), []).append(network)
    marks = FootnoteMarks()
    make = _table4_row if name == "table4" else _table5_row
    paper = literature_rows(name, marks)
    own = [make(networks, columns, marks) for networks in joined.values()]
    lines = [f"yours: {priced(runs[0].recipe)}"]
    lines += [f"{run.path}: {each}" for run in runs for each in run.left_out]
    return _sheet(name, marks, own, lines, paper)


def _sheet(
    name: str, marks: FootnoteMarks, own: Sequence[SheetRow], lines: Sequence[str],
    paper: Sequence[SheetRow] | None = None,
) -> Sheet:  # fmt: skip
    rows = literature_rows(name, marks) if paper is None else paper
    notes = [*marks.notes, *literature_notes(name), *(Footnote("", line) for line in lines)]
    return Sheet(name, literature_title(name), LITERATURE_COLUMNS[name], [*rows, *own], notes, literature_cite())


def _result_columns(results: SearchResults, unit: EnergyUnit) -> list[SheetColumn]:
    return [
        SheetColumn("id", "Id"),
        SheetColumn("candidate", "Candidate"),
        SheetColumn("firing_rate", "Fr", is_number=True),
        SheetColumn("energy", "Energy", unit.symbol, is_number=True),
        SheetColumn("top1", "Acc", "%", is_number=True),
        SheetColumn("top1_low", "Acc from", "%", is_number=True),
        SheetColumn("top1_high", "Acc to", "%", is_number=True),
        *(SheetColumn(f"objective_{each.name}", each.label, each.unit, is_number=True) for each in results.objectives),
        SheetColumn("params", "Params", is_number=True),
        SheetColumn("fitness", "F_AEB", is_number=True),
    ]


def _result_row(row: CandidateRow, baseline: CandidateRow | None, unit: EnergyUnit) -> SheetRow:
    numbers = {
        "firing_rate": _decimals(row.firing_rate, 3),
        "energy": unit.number(row.energy_j) if isfinite(row.energy_j) else None,
        "top1": _decimals(row.top1, 2),
        "top1_low": _decimals(row.interval and row.interval[0], 2),
        "top1_high": _decimals(row.interval and row.interval[1], 2),
        "params": None if row.params is None else str(row.params),
        "fitness": _decimals(row.fitness, 3),
    }
    numbers |= {f"objective_{name}": _significant(value, 2) for name, value in row.plugin_values.items()}
    label = f"{row.label} x{row.num_alike}" if row.num_alike > 1 else row.label
    cells = {"id": label, "candidate": str(row.subnet)} | _known(numbers)
    mark = "" if row is baseline else row.mark(baseline)
    return SheetRow("yours", cells, {"id": mark} if mark else {})


def _candidate_row(name: str, part: str, row: CandidateRow, groups: Sequence[str]) -> SheetRow:
    cells = {"source": "yours", "group": ", ".join(GROUP_NAMES[group] for group in groups), "name": row.label}
    cells |= {"part": part} if part and "baseline" not in groups else {}
    cells |= candidate_cells(name, [plain(value) for value in row.subnet.to_tuple()])
    numbers = {"energy": _millijoules(row.energy_j), "top1": _decimals(row.top1, 2)}
    numbers |= {"firing_rate": _decimals(row.firing_rate, 2)} if name == "table2" else {}
    return SheetRow("yours", cells | _known(numbers))


def _part_of(name: str, results: SearchResults) -> str:
    """The letter of the part of Table 2 or 3 that a search's candidates belong to; "" for Table 2."""
    space, dataset = results.recipe.space.search_space(), results.recipe.data.dataset
    number = name.removeprefix("table")
    fix = "aspk report --table front has its subnets, --literature prints the paper's rows alone"
    if dataset != "cifar100":
        raise UserError(f"the paper's Table {number} is of cifar100, this run is of {dataset}", str(results.path), fix)
    found = paper_table_for(space, dataset)
    letter = next((letter for part, letter in TABLE_PARTS[name].items() if paper_table(part) == found), None)
    if letter is None:
        raise UserError(f"its search space is not that of the paper's Table {number}", str(results.path), fix)
    return letter


def _require_one_table(name: str, runs: Sequence[NetworksOfRun]) -> None:
    number, datasets = name.removeprefix("table"), PRINTED_IN[name]
    first = runs[0]
    for run in runs:
        dataset = run.recipe.data.dataset
        if dataset not in datasets:
            what = f"the paper's Table {number} has {' and '.join(datasets)}, this run is of {dataset}"
            fix = "aspk report --table front has its subnets, --literature prints the paper's rows alone"
            raise UserError(what, str(run.path), fix)
        if run is not first and run.path.resolve() == first.path.resolve():
            raise UserError("it is named twice", f"--run {run.path}", "name each run once")
        if _prices(run) != _prices(first):
            what = f"{priced(run.recipe)}; those of {first.path} {priced(first.recipe).removeprefix('energies ')}"
            raise UserError(what, str(run.path), "give one --profile and one --convention for all runs")
    hashes: dict[tuple[str, int], MeasuredNetwork] = {}
    for each in (network for run in runs for network in run.networks if network.provenance.split == "test"):
        before = hashes.setdefault((each.dataset, each.provenance.images), each)
        if before.provenance.split_hash != each.provenance.split_hash:
            what = f"its {each.provenance.images:,} test images of {each.dataset} are not those of {before.run}"
            raise UserError(what, str(each.run), "evaluate both on the same images: aspk evaluate")


def _prices(run: NetworksOfRun) -> tuple[Convention, HardwareProfile]:
    return run.recipe.energy.rules.model_copy(update={"name": "", "about": ""}), run.recipe.energy.hardware


def _table4_row(networks: Sequence[MeasuredNetwork], columns: Mapping[str, str], marks: FootnoteMarks) -> SheetRow:
    first = networks[0]
    size = f"{first.subnet.depth}-{first.subnet.embed_dim}"
    named = {"found": f"{first.candidate} ({size})", "baseline": f"Spikformer-{size}", "named": f"Spikformer-{size}"}
    cells = {
        "source": "yours",
        "method": _method(first),
        "architecture": named[first.role] if first.is_spiking else f"Transformer-{size}",
        "params": _significant(first.measurement.params / 1e6, 2) or "",
        "time_step": str(first.time_step),
        "design": "auto" if first.role == "found" else "manual",
    }
    cells |= _known({"energy": _millijoules(first.energy_j)})
    cells |= {columns[each.dataset]: f"{each.top1:.2f}" for each in networks}
    return SheetRow("yours", cells, {"architecture": marks.mark("; ".join(_described(networks)))})


def _table5_row(networks: Sequence[MeasuredNetwork], columns: Mapping[str, str], marks: FootnoteMarks) -> SheetRow:
    first = networks[0]
    cells = {"source": "yours", "method": _method(first), "spikes": "yes" if first.is_spiking else "no"}
    cells |= _known({"params": _significant(first.measurement.params / 1e6, 2)})
    found = {"method": marks.mark("; ".join(_described(networks)))}
    for each in networks:
        column = columns[each.dataset]
        cells[column] = f"{each.top1:.2f}"
        cells[column.replace("_top1", "_time_step")] = str(each.time_step)
        found |= {column: AUGMENTED.mark} if each.recipe.data.augment != "none" else {}
    return SheetRow("yours", cells, found)


def _method(network: MeasuredNetwork) -> str:
    """What a row is called in the paper's first column."""
    found = f"{network.algorithm} search" if network.role == "found" else "Spikformer"
    return ", ".join(filter(None, [found if network.is_spiking else "ANN", network.alone]))


def _described(networks: Sequence[MeasuredNetwork]) -> Iterator[str]:
    """Which network a row is, and how it was measured; of all but the first, what the row has no cell for, too."""
    yield f"{networks[0].subnet}, weights {networks[0].weights}"
    for place, each in enumerate(networks):
        params, energy = each.measurement.params / 1e6, _millijoules(each.energy_j)
        costs = ", ".join([f"{_significant(params, 2)} M", *([f"{energy} mJ"] if energy else [])])
        yield f"{each.description}{f', {costs}' if place else ''}"


def _known(numbers: Mapping[str, str | None]) -> dict[str, str]:
    return {key: text for key, text in numbers.items() if text is not None}


def _decimals(value: float | None, decimals: int) -> str | None:
    return None if value is None or not isfinite(value) else f"{value:.{decimals}f}"


def _millijoules(energy_j: float) -> str | None:
    return _significant(energy_j / float(MILLIJOULE), 3)


def _significant(value: float, least: int) -> str | None:
    """A number with at least so many decimals, and three significant digits if it is small; None for no number."""
    if not isfinite(value):
        return None
    digits = 2 - floor(log10(abs(value))) if value else 0
    return f"{value:.{max(least, digits)}f}"
