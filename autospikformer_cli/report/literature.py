"""The rows of the paper's Tables 2 to 5, cell by cell as they are printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autospikformer_cli.report.paper import paper_document
from autospikformer_cli.report.sheets import Footnote, FootnoteMarks, SheetColumn, SheetRow
from autospikformer_cli.report.table_notes import CANDIDATE, FIRING_RATE_NOTE, TIME_STEPS

_SOURCE = SheetColumn("source", "Source")
_ENERGY = SheetColumn("energy", "Energy", "mJ", is_number=True)
_PARAMS = SheetColumn("params", "Param", "M", is_number=True)
_TIME_STEP = SheetColumn("time_step", "T", is_number=True)
_TOP1 = SheetColumn("top1", "Acc", "%", is_number=True)
_RATE = SheetColumn("firing_rate", "Fr", is_number=True)
_NAME = SheetColumn("name", "Name")
_GROUP = SheetColumn("group", "Group")
LITERATURE_COLUMNS: Mapping[str, Sequence[SheetColumn]] = {
    "table2": (
        _SOURCE, _GROUP, _NAME, SheetColumn("threshold", "Threshold"), SheetColumn("tau", "Tau"), _TIME_STEP, _RATE,
        _ENERGY, _TOP1,
    ),
    "table3": (
        _SOURCE, SheetColumn("part", "Part"), _GROUP, _NAME, SheetColumn("candidate", "Candidate"), _ENERGY, _TOP1,
    ),
    "table4": (
        _SOURCE, SheetColumn("method", "Method"), SheetColumn("architecture", "Architecture"), _PARAMS, _ENERGY,
        _TIME_STEP, SheetColumn("cifar10", "CIFAR10", "%", is_number=True),
        SheetColumn("cifar100", "CIFAR100", "%", is_number=True), SheetColumn("design", "Design"),
    ),
    "table5": (
        _SOURCE, SheetColumn("method", "Method"), _PARAMS, SheetColumn("spikes", "Spikes"),
        SheetColumn("cifar10dvs_time_step", "CIFAR10-DVS T", is_number=True),
        SheetColumn("cifar10dvs_top1", "CIFAR10-DVS", "%", is_number=True),
        SheetColumn("dvs128_time_step", "DVS128 T", is_number=True),
        SheetColumn("dvs128_top1", "DVS128", "%", is_number=True),
    ),
}  # fmt: skip
"""The columns of each of the paper's tables."""
TABLE_PARTS: Mapping[str, Mapping[str, str]] = {"table2": {"neurons": ""}, "table3": {"small": "A", "large": "B"}}
"""The parts of a table of candidates in `paper_tables.toml`, with the letter that the paper gives each."""
GROUP_NAMES = {"pareto": "Pareto", "top": "top", "baseline": "baseline"}
_LEGEND: Mapping[str, Sequence[str]] = {
    "table2": ("Threshold, Tau (in time steps): of the neurons of each block", TIME_STEPS, FIRING_RATE_NOTE),
    "table3": (CANDIDATE,),
    "table4": (TIME_STEPS,),
    "table5": (TIME_STEPS,),
}
"""What columns are whose heads do not say it."""
AUGMENTED = Footnote("*", "with data augmentation")


def literature_title(name: str) -> str:
    """A table's number in the paper, and what it is of.

    >>> literature_title("table3"), literature_title("table4")
    ('Table 3 of Che et al. 2024, candidates of S_Ts and S_Tl', 'Table 4 of Che et al. 2024, CIFAR10 and CIFAR100')
    """
    document, parts = paper_document(), TABLE_PARTS.get(name, {name: ""})
    first, *others = (document[part]["title"].partition(", ")[2] for part in parts)
    of = "".join([first, *(f" and {other.split()[-1]}" for other in others)])
    return f"Table {name.removeprefix('table')} of Che et al. 2024, {of}"


def literature_rows(name: str, marks: FootnoteMarks) -> list[SheetRow]:
    """The paper's rows of a table. marks: gets the footnotes of rows."""
    if name in TABLE_PARTS:
        return list(_candidate_rows(name))
    rows = paper_document()[name]["rows"]
    return [(_network_row if name == "table4" else _event_row)(row, marks) for row in rows]


def literature_notes(name: str) -> list[Footnote]:
    """Notes on a whole table, and of its marks that are no letters."""
    document = paper_document()
    if name in TABLE_PARTS:
        tables = [(letter, document[part]) for part, letter in TABLE_PARTS[name].items()]
        lines: dict[str, list[str]] = {}
        for letter, table in tables:
            for note in (*table["notes"], *table["cifar100_notes"]):
                lines.setdefault(note, []).append(letter)
        texts = [text if len(of) == len(tables) else f"part {of[0]}: {text}" for text, of in lines.items()]
        return [Footnote("", text) for text in (*_LEGEND[name], *texts)]
    notes = [Footnote("", text) for text in (*_LEGEND[name], *document[name]["notes"])]
    return [*notes, *([AUGMENTED] if name == "table5" else [])]


def literature_cite() -> str:
    """Where the paper's rows are from."""
    return str(paper_document()["cite"])


def candidate_cells(name: str, values: Sequence[object]) -> dict[str, str]:
    """The cells of a subnet's tuple in Table 2, which prints its neurons only, or in Table 3.

    >>> candidate_cells("table2", (2, 4, 4, 12, 12, 1.4, 0.6, 2, 5, 4, 384))
    {'threshold': '1.4, 0.6', 'tau': '2, 5', 'time_step': '4'}
    """
    if name == "table3":
        return {"candidate": f"({', '.join(map(str, values))})"}
    depth = int(str(values[0]))
    threshold, tau = values[1 + 2 * depth : 1 + 3 * depth], values[1 + 3 * depth : 1 + 4 * depth]
    return {"threshold": ", ".join(map(str, threshold)), "tau": ", ".join(map(str, tau)), "time_step": str(values[-2])}


def _candidate_rows(name: str) -> Iterator[SheetRow]:
    baseline: SheetRow | None = None
    for part, letter in TABLE_PARTS[name].items():
        for row in paper_document()[part]["rows"]:
            cells = {"source": "paper", "group": ", ".join(GROUP_NAMES[group] for group in row["groups"])}
            cells |= {"part": letter} if letter and "baseline" not in row["groups"] else {}
            if "name" in row:
                cells["name"] = f"Auto-Spikformer {row['name']}" if row["name"].startswith("S_") else row["name"]
            cells |= candidate_cells(name, row["subnet"]) | _printed(row, ("firing_rate", "energy_mj", "top1"))
            if "baseline" in row["groups"]:
                baseline = SheetRow("paper", cells)  # the paper repeats it in each part
            else:
                yield SheetRow("paper", cells)
    if baseline is not None:
        yield baseline


def _network_row(row: Mapping[str, Any], marks: FootnoteMarks) -> SheetRow:
    printed = _printed(row, ("method", "architecture", "params_m", "energy_mj", "time_step", "cifar10", "cifar100"))
    cells = {"source": "paper", **printed, "design": row.get("design", "manual")}
    return SheetRow("paper", cells, {"architecture": marks.mark(row["note"])} if "note" in row else {})


def _event_row(row: Mapping[str, Any], marks: FootnoteMarks) -> SheetRow:
    cells = {"source": "paper", **_printed(row, ("method", "params_m")), "spikes": "yes" if row["spikes"] else "no"}
    found = {"method": marks.mark(row["note"])} if "note" in row else {}
    for dataset in ("cifar10dvs", "dvs128"):
        measured = row.get(dataset, {})
        cells |= {f"{dataset}_{key}": text for key, text in _printed(measured, ("time_step", "top1")).items()}
        if measured.get("aug"):
            found[f"{dataset}_top1"] = AUGMENTED.mark
    return SheetRow("paper", cells, found)


def _printed(row: Mapping[str, Any], keys: Sequence[str]) -> dict[str, str]:
    """The cells that a row has, with the digits of the file: its numbers are exact decimals. Columns have no unit."""
    return {key.removesuffix("_mj").removesuffix("_m"): str(row[key]) for key in keys if key in row}
