"""Samples that span a space: members, distinct, nested, and with each choice as often as any other."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from random import Random

import pytest

from autospikformer_cli.analysis.space_sample import spanning_sample
from autospikformer_cli.space import BLOCK_GENES, SearchSpace


def decimals(*values: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, values))


SPACE = SearchSpace(
    depth=(1, 2, 3),
    mlp_ratio=decimals("3", "3.2", "3.4", "3.6", "4"),
    num_heads=(2, 4, 8),
    threshold=decimals("0.6", "0.8", "1", "1.2"),
    tau=decimals("1.5", "2", "3", "5", "8"),
    time_step=(1, 2, 3, 4),
    embed_dim=(32, 40, 48),
)
SMALL = SearchSpace((1, 2), decimals("2"), (1,), decimals("1"), decimals("2", "3"), (1, 2), (8,))


@pytest.mark.parametrize("seed", range(5))
def test_a_larger_sample_begins_with_the_smaller_one(seed: int) -> None:
    whole = spanning_sample(SPACE, 100, seed)
    assert len(set(whole)) == 100
    assert all(subnet in SPACE for subnet in whole)
    assert whole[:2] == [SPACE.largest(), SPACE.smallest()]
    for num in (2, 3, 17, 64, 99):
        assert spanning_sample(SPACE, num, seed) == whole[:num]


def imbalance(values: list[object], choices: int) -> float:
    """The largest difference between how often a choice appears and its share."""
    counts = Counter(values)
    share = len(values) / choices
    return max(abs(count - share) for count in [*counts.values(), *[0] * (choices - len(counts))])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num", [18, 34, 66])
def test_choices_of_a_whole_subnet_appear_equally_often(num: int, seed: int) -> None:
    """Apart from the two extremes, which come on top."""
    sample = spanning_sample(SPACE, num, seed)[2:]
    for gene in ("depth", "time_step", "embed_dim"):
        assert imbalance([getattr(subnet, gene) for subnet in sample], len(getattr(SPACE, gene))) <= 2


def block_imbalance(subnets: list[object]) -> float:
    """Summed over the genes of blocks: the imbalance of a gene, in all blocks of all subnets."""
    return sum(
        imbalance([value for subnet in subnets for value in getattr(subnet, gene)], len(getattr(SPACE, gene)))
        for gene in BLOCK_GENES
    )


def test_genes_of_blocks_are_more_even_than_in_random_samples() -> None:
    spanning = [block_imbalance(spanning_sample(SPACE, 34, seed)[2:]) for seed in range(20)]
    random = [block_imbalance([SPACE.sample(Random(f"{seed} {row}")) for row in range(32)]) for seed in range(20)]
    assert sum(spanning) < 0.75 * sum(random)


def test_another_seed_draws_another_sample() -> None:
    assert len({tuple(spanning_sample(SPACE, 4, seed)) for seed in range(10)}) == 10


def test_a_small_space_is_taken_whole() -> None:
    assert SMALL.size() == 12
    assert set(spanning_sample(SMALL, 12, 0)) == set(SMALL.members())
    with pytest.raises(ValueError, match=r"^a space of 12 subnets has no 13$"):
        spanning_sample(SMALL, 13, 0)
