"""The paper's figures, and what is said about them."""

from dataclasses import replace
from decimal import Decimal

import pytest

from autospikformer_cli.report.paper import TABLES, paper_renderables, paper_table, paper_table_for
from autospikformer_cli.search.fronts import pareto_front
from autospikformer_cli.space import SearchSpace, parse_subnet


def test_rows_of_tables_2_and_3() -> None:
    counts = {name: [len(paper_table(name).pareto), len(paper_table(name).top)] for name in TABLES}
    assert counts == {"neurons": [8, 8], "small": [5, 5], "large": [5, 5]}
    assert [len(paper_table(name).rows) for name in TABLES] == [14, 9, 9]
    first = paper_table("small").pareto[0]
    assert first.energy_j == pytest.approx(0.448e-3)
    assert first.top1 == 76.89
    assert str(first.subnet) == "(2, 3.2, 3, 12, 6, 1.2, 1, 5, 5, 4, 348)"
    for name in TABLES:
        baseline = paper_table(name).baseline
        assert baseline.energy_j == pytest.approx(0.95e-3)
        assert (baseline.label, baseline.top1) == ("Spikformer 4-384", 77.86)
        assert str(baseline.subnet) == "(4, 4, 4, 4, 4, 12, 12, 12, 12, 1, 1, 1, 1, 2, 2, 2, 2, 4, 384)"
        for row in paper_table(name).rows:
            assert parse_subnet(str(row.subnet)) == row.subnet


def objectives(found: list[object]) -> list[tuple[float, float]]:
    return [(round(row.energy_j * 1e3, 3), row.top1) for row in found]  # type: ignore[attr-defined]


def test_the_notes_about_the_pareto_groups_are_true() -> None:
    """What is dominated in a group, and what is non-dominated among its table's rows and missing from it."""
    differences = {}
    for name in TABLES:
        table = paper_table(name)
        front = pareto_front(table.rows)
        dominated = objectives([row for row in table.pareto if row not in front])
        missing = objectives([row for row in front if row not in table.pareto])
        differences[name] = (dominated, missing)
    assert differences == {
        "neurons": ([(0.52, 72.12)], [(0.87, 77.9), (0.95, 77.92)]),
        "small": ([], [(0.505, 77.71)]),
        "large": ([], [(0.826, 78.01), (0.829, 78.08)]),
    }


def test_the_table_of_a_space_and_a_data_set(small_space: SearchSpace) -> None:
    small = paper_table_for(small_space, "cifar100")
    assert small is not None
    assert small.title == "Table 3A, candidates of S_Ts"
    on_cifar10 = paper_table_for(small_space, "cifar10")
    assert on_cifar10 is not None
    assert on_cifar10.title == "Table 4, candidates of S_Ts"
    assert [(row.label, row.top1) for row in on_cifar10.rows] == [("S_Ts2", 95.23), ("S_Ts1", 95.29)]
    assert on_cifar10.baseline.top1 == 95.19
    assert paper_table_for(small_space, "digits") is None
    assert paper_table_for(replace(small_space, embed_dim=(384,)), "cifar100") is None
    neurons = replace(small_space, depth=(4,), mlp_ratio=(Decimal(4),), num_heads=(12,), embed_dim=(384,))
    found = paper_table_for(neurons, "cifar100")
    assert found is not None
    assert found.title == "Table 2, candidates of S_S"
    assert paper_table_for(neurons, "cifar10") is None


def test_corrections_stand_under_the_last_table() -> None:
    tables = paper_renderables(paper_table("large"))
    assert [str(table.title) for table in tables] == [
        "Paper, Table 3B, candidates of S_Tl: Pareto frontier",
        "Paper, Table 3B, candidates of S_Tl: top accuracy",
    ]
    caption = str(tables[-1].table().caption).splitlines()
    assert caption == [
        "* Spikformer 4-384",
        "less energy than *: 5 of 5",
        "printed accuracies: no test can compare them",
        "- the paper prints its energies as µJ; E_MAC = 4.6 pJ, E_AC = 0.9 pJ and its own FLOPs give mJ",
        "- the Spikformer row is printed with 3 heads, 3 thresholds and 3 taus at depth 4; completed to 4 of each",
        "- S_Tl3 has 8.46 M parameters in Table 4; counting gives 10.85 M, no reading of it gives 8.46 M",
        "- Kendall's tau between accuracy and energy: 0.60, of random candidates 0.24",
        "- (0.826 mJ, 78.01 %) and the second (0.829 mJ, 78.08 %) are non-dominated here, and not in the Pareto group",
        "- S_Tl2 has 78.05 % on CIFAR100 in Table 3 and 77.05 % in Table 4",
        "Che et al. 2024, Front. Neurosci. 18:1372257, CC BY 4.0",
    ]
