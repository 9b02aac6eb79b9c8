"""The paper's tables, and the rows of its Tables 2 and 3, to print next to our own (Che et al. 2024, CC BY 4.0)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import tomli

from autospikformer_cli.report.rows import CandidateRow
from autospikformer_cli.report.tables import CandidateTable
from autospikformer_cli.space import SearchSpace, Subnet, subnet_from_tuple
from autospikformer_cli.units import EnergyUnit, energy_unit

TABLES = ("neurons", "small", "large")
"""Table 2, and parts A and B of Table 3."""
PRINTED_DATASETS = {"cifar100": "top1", "cifar10": "cifar10"}
"""Data set of the paper -> the key of the candidates' accuracy on it."""
MILLIJOULE = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class PaperTable:
    """One table of the paper on one data set, in the paper's groups. notes: its errors and contradictions."""

    title: str
    cite: str
    pareto: tuple[CandidateRow, ...]
    top: tuple[CandidateRow, ...]
    baseline: CandidateRow
    notes: tuple[str, ...]

    @property
    def rows(self) -> tuple[CandidateRow, ...]:
        """Every candidate once, without the baseline."""
        return tuple(dict.fromkeys((*self.pareto, *self.top)))


def paper_table(name: str, dataset: str = "cifar100") -> PaperTable:
    """A table of the paper by name; on CIFAR10, the candidates of Table 4 only. Raises KeyError for other names."""
    document = paper_document()
    table, key = document[name], PRINTED_DATASETS[dataset]
    whole = dataset == "cifar100"
    grouped: dict[str, list[CandidateRow]] = {"pareto": [], "top": [], "baseline": []}
    for row in table["rows"]:
        for group in row["groups"] if key in row else ():
            grouped[group].append(_row(row, key))
    number, candidates = table["title"].split(", ")
    return PaperTable(
        title=f"{number if whole else 'Table 4'}, {candidates}",
        cite=document["cite"],
        pareto=tuple(grouped["pareto"]) if whole else (),
        top=tuple(grouped["top"]),
        baseline=grouped["baseline"][0],
        notes=(*table["notes"], *(table["cifar100_notes"] if whole else ())),
    )


def paper_table_for(space: SearchSpace, dataset: str) -> PaperTable | None:
    """The paper's table of candidates from this space, if it has one. The transformer genes (Table 1) must be equal."""
    if dataset not in PRINTED_DATASETS:
        return None
    for name in TABLES:
        choices = paper_document()[name]["space"]
        if all(tuple(choices[gene]) == getattr(space, gene) for gene in choices):
            found = paper_table(name, dataset)
            return found if found.rows else None
    return None


def paper_ann_energy(subnet: Subnet, dataset: str) -> float | None:
    """Joules that Table 4 prints for the ANN of a subnet's shape; None if it does not have that shape."""
    row = next(row for row in paper_document()["table4"]["rows"] if "shape" in row)
    depth, ratio, dim = (row["shape"][key] for key in ("depth", "mlp_ratio", "embed_dim"))
    shape = (depth, (ratio,) * depth, dim)
    known = dataset in PRINTED_DATASETS and (subnet.depth, subnet.mlp_ratio, subnet.embed_dim) == shape
    return float(row["energy_mj"] * MILLIJOULE) if known else None


def paper_renderables(table: PaperTable, unit: EnergyUnit | None = None) -> list[CandidateTable]:
    """The paper's rows as tables like ours: the Pareto group, then the top accuracy with the notes."""
    unit = unit or energy_unit(row.energy_j for row in (*table.rows, table.baseline))
    # The paper prints three digits, we print four.
    unit = replace(unit, decimals=max(0, unit.decimals - 1))
    groups = [("Pareto frontier", table.pareto), ("top accuracy", table.top)]
    shown = [(f"Paper, {table.title}: {name}", rows) for name, rows in groups if rows]
    notes = (*(f"- {note}" for note in table.notes), table.cite)
    last = len(shown) - 1
    return [
        CandidateTable(title, rows, table.baseline, unit, notes if place == last else ())
        for place, (title, rows) in enumerate(shown)
    ]


def _row(row: Mapping[str, Any], key: str) -> CandidateRow:
    rate = row.get("firing_rate")
    values: Sequence[Decimal | int] = row["subnet"]
    return CandidateRow(
        label=row.get("name", ""),
        subnet=subnet_from_tuple(values),
        energy_j=float(row["energy_mj"] * MILLIJOULE),
        top1=float(row[key]),
        firing_rate=None if rate is None else float(rate),
        printed=True,
    )


@cache
def paper_document() -> Mapping[str, Any]:
    """The paper's figures, which ship with the package; floats are exact decimals."""
    text = files("autospikformer_cli.report").joinpath("paper_tables.toml").read_text(encoding="utf-8")
    return tomli.loads(text, parse_float=Decimal)
