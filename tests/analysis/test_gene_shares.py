"""How often each value of each gene occurs, and whether among the best by more than chance."""

from __future__ import annotations

import warnings
from itertools import combinations
from math import isnan
from random import Random

import numpy as np
import pytest
from scipy.stats import hypergeom

from autospikformer_cli.analysis.gene_shares import DRAWS, gene_choices, gene_shares, share_test, value_shares
from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.space import parse_subnet

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from statsmodels.stats.multitest import multipletests

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


@pytest.mark.parametrize(("num_all", "num_best", "with_it", "best_with_it"), [
    (50, 10, 20, 8), (50, 10, 20, 1), (300, 60, 100, 20), (30, 9, 3, 3), (40, 20, 20, 10),
])  # fmt: skip
def test_a_gene_with_one_value_is_tested_hypergeometrically(
    num_all: int, num_best: int, with_it: int, best_with_it: int
) -> None:
    """The probability of all counts that are as far from the expected one, whatever the seed."""
    has = np.zeros(num_all, np.int64)
    has[:best_with_it] = 1
    has[num_best : num_best + with_it - best_with_it] = 1
    found = share_test(has, np.ones_like(has), num_best, np.random.default_rng(0))
    assert found is not None
    expected, counts = num_best * with_it / num_all, np.arange(num_best + 1)
    far = np.abs(counts - expected) >= abs(best_with_it - expected) - 1e-9
    exact = float(hypergeom.pmf(counts[far], num_all, with_it, num_best).sum())
    assert found.probability == pytest.approx(exact)
    assert found == share_test(has, np.ones_like(has), num_best, np.random.default_rng(1))
    assert (found.share_best, found.share_all) == (best_with_it / num_best, with_it / num_all)
    assert found.lift == pytest.approx(found.share_best / found.share_all)
    ends = hypergeom.ppf([0.025, 0.975], num_all, with_it, num_best) / expected
    assert found.chance == pytest.approx(tuple(ends))


def test_blocks_of_a_subnet_stay_together() -> None:
    """Against every choice of 4 of 9 candidates. Blocks drawn one by one would vary less."""
    counts = np.array([3, 3, 0, 2, 0, 0, 1, 0, 0])
    totals = np.array([3, 3, 1, 2, 3, 3, 1, 2, 1])
    found = share_test(counts, totals, 4, np.random.default_rng(1))
    assert found is not None
    share = counts.sum() / totals.sum()
    excess = np.abs([sum(counts[list(each)] - share * totals[list(each)]) for each in combinations(range(9), 4)])
    exact = float((excess >= abs(sum(counts[:4] - share * totals[:4])) - 1e-9).mean())
    assert found.probability == pytest.approx(exact, abs=5 * (exact * (1 - exact) / DRAWS) ** 0.5)
    assert found.probability > hypergeom.sf(7, 19, 9, 9)


def test_chance_is_told_from_choice_as_often_as_it_says() -> None:
    """300 rankings by lot: 5 % are taken for more than chance, or fewer, as counts are whole."""
    random, wrong = np.random.default_rng(7), 0
    for _ in range(300):
        has = random.permutation(np.repeat([0, 1], [120, 80]))
        found = share_test(has, np.ones_like(has), 60, random)
        wrong += found is not None and found.probability < 0.05
    assert 0.01 <= wrong / 300 <= 0.075


@pytest.mark.parametrize(("has", "num_best"), [([1, 1, 1], 2), ([0, 0, 0], 2), ([1, 0, 1], 3), ([1, 0, 1], 0)])
def test_what_cannot_differ_is_not_tested(has: list[int], num_best: int) -> None:
    counts = np.array(has)
    assert share_test(counts, np.ones_like(counts), num_best, np.random.default_rng(0)) is None


def test_every_value_has_its_share_and_all_are_corrected_together() -> None:
    space = load_recipe("quickstart").space.search_space()
    random = Random(0)
    ranked = sorted((space.sample(random) for _ in range(400)), key=lambda each: (each.embed_dim, random.random()))
    found = value_shares(space, ranked, 100, seed=0)
    assert found == value_shares(space, ranked, 100, seed=0)
    choices = gene_choices(space)
    assert [(each.gene, each.value) for each in found] == [
        (g, value) for g, values in choices.items() for value in values
    ]
    for gene, values in choices.items():
        own = [each for each in found if each.gene == gene]
        assert [each.share_all for each in own] == pytest.approx(gene_shares(gene, values, ranked))
        assert [each.share_best for each in own] == pytest.approx(gene_shares(gene, values, ranked[:100]))
    tested = [each.test.probability for each in found if each.test]
    assert [each.corrected for each in found] == pytest.approx(list(multipletests(tested, method="holm")[1]))
    told = {(each.gene, each.value) for each in found if each.corrected is not None and each.corrected < 0.05}
    assert told == {("embed_dim", 32), ("embed_dim", 40), ("embed_dim", 48)}


def test_shares_of_nothing_and_of_one() -> None:
    space = load_recipe("quickstart").space.search_space()
    assert all(isnan(each.share_all) and each.test is None for each in value_shares(space, [], 0, 0))
    one = value_shares(space, SUBNETS[:1], 1, 0)
    assert all(each.test is None and each.corrected is None for each in one)
    assert [each.share_best for each in one if each.gene == "tau"] == [0, 1, 0, 0, 0]
