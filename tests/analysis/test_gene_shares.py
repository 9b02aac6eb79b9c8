"""How often each value of each gene occurs."""

from __future__ import annotations

from math import isnan

from autospikformer_cli.analysis.gene_shares import gene_choices, gene_shares
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.space import parse_subnet

SUBNETS = [
    parse_subnet("(1, 3, 2, 0.6, 1.5, 3, 40)"),
    parse_subnet("(2, 4, 2, 4, 4, 1, 1.4, 2, 5, 4, 32)"),
    parse_subnet("(1, 4, 2, 1, 2, 3, 32)"),
]


def test_shares_by_hand() -> None:
    choices = gene_choices(load_recipe("quickstart").space.search_space())
    assert list(choices) == ["depth", "mlp_ratio", "num_heads", "threshold", "tau", "time_step", "embed_dim"]
    found = {gene: gene_shares(gene, values, SUBNETS) for gene, values in choices.items()}
    assert found["depth"] == [2 / 3, 1 / 3]
    assert found["mlp_ratio"] == [1 / 4, 1 / 4, 2 / 4], "every block counts as one"
    assert found["num_heads"] == [2 / 4, 2 / 4]
    assert found["threshold"] == [1 / 4, 0.0, 2 / 4, 0.0, 1 / 4]
    assert found["tau"] == [0.0, 1 / 4, 2 / 4, 0.0, 1 / 4]
    assert found["time_step"] == [0.0, 2 / 3, 1 / 3]
    assert found["embed_dim"] == [2 / 3, 1 / 3, 0.0]


def test_a_gene_with_one_choice_is_left_out_and_nothing_has_no_share() -> None:
    one = load_recipe("quickstart", {"space.tau": [2], "space.depth": [1]}).space.search_space()
    assert not {"tau", "depth"} & gene_choices(one).keys()
    assert all(map(isnan, gene_shares("depth", (1, 2), [])))
