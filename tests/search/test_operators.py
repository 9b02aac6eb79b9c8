"""Genome operators over random spaces."""

from collections import Counter
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospikformer_cli.search.operators import crossover, mutate, mutate_one
from autospikformer_cli.space import BLOCK_GENES, SearchSpace, Subnet, parse_subnet

WHOLE = st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True).map(lambda found: tuple(sorted(found)))
DECIMALS = st.lists(st.decimals("0.1", "9", places=2), min_size=1, max_size=4, unique=True).map(
    lambda found: tuple(sorted(found))
)
DEPTHS = st.lists(st.integers(1, 6), min_size=1, max_size=4, unique=True).map(lambda found: tuple(sorted(found)))
SPACES = st.builds(
    SearchSpace,
    depth=DEPTHS,
    mlp_ratio=DECIMALS,
    num_heads=WHOLE,
    threshold=DECIMALS,
    tau=DECIMALS,
    time_step=WHOLE,
    embed_dim=WHOLE,
)
PROBABILITIES = st.floats(0, 1)


@given(SPACES, st.integers(), PROBABILITIES, PROBABILITIES)
def test_a_mutant_is_a_member_and_keeps_what_it_can(
    space: SearchSpace, seed: int, p_depth: float, p_mutation: float
) -> None:
    random = Random(seed)
    parent = space.sample(random)
    assert mutate(parent, space, random, p_depth=p_depth, p_mutation=p_mutation) in space
    assert mutate(parent, space, random, p_depth=0.0, p_mutation=0.0) == parent
    resized = mutate(parent, space, random, p_depth=1.0, p_mutation=0.0)
    common = min(parent.depth, resized.depth)
    for gene in BLOCK_GENES:
        assert getattr(resized, gene)[:common] == getattr(parent, gene)[:common]
    drawn = mutate(parent, space, random, p_depth=0.0, p_mutation=1.0)
    assert (drawn.depth, drawn.time_step, drawn.embed_dim) == (parent.depth, parent.time_step, parent.embed_dim)


@given(SPACES, st.integers())
def test_a_child_of_two_is_a_member_with_every_gene_from_a_parent(space: SearchSpace, seed: int) -> None:
    random = Random(seed)
    a, b = space.sample(random), space.sample(random)
    child = crossover(a, b, space, random)
    assert child in space
    assert child.depth in (a.depth, b.depth)
    assert child.time_step in (a.time_step, b.time_step)
    assert child.embed_dim in (a.embed_dim, b.embed_dim)
    for gene in BLOCK_GENES:
        of_a, of_b = getattr(a, gene), getattr(b, gene)
        for block, value in enumerate(getattr(child, gene)):
            assert value in [*of_a[block : block + 1], *of_b[block : block + 1]]


def test_redraw_probabilities(paper_space: SearchSpace) -> None:
    """A gene changes with its probability times the chance that the draw differs."""
    random = Random(0)
    parent = parse_subnet("(2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 2, 4, 348)")
    mutants = [mutate(parent, paper_space, random, p_depth=0.3, p_mutation=0.4) for _ in range(4000)]
    depths = sum(mutant.depth != 2 for mutant in mutants) / 4000
    dims = sum(mutant.embed_dim != 348 for mutant in mutants) / 4000
    heads = sum(mutant.num_heads[1] != 12 for mutant in mutants) / 4000
    ratios = sum(mutant.mlp_ratio[0] != Decimal("3.8") for mutant in mutants) / 4000
    assert depths == pytest.approx(0.3 * 2 / 3, abs=0.03)
    assert dims == pytest.approx(0.3 * 4 / 5, abs=0.03)
    assert heads == pytest.approx(0.4 / 2, abs=0.03)
    assert ratios == pytest.approx(0.4 * 5 / 6, abs=0.03)


def changed_genes(parent: Subnet, child: Subnet) -> list[tuple[str, int]]:
    """The genes in which two subnets differ: the depth, and the others of blocks that both have."""
    found = [(gene, 0) for gene in ("depth", "time_step", "embed_dim") if getattr(parent, gene) != getattr(child, gene)]
    for gene in BLOCK_GENES:
        pairs = zip(getattr(parent, gene), getattr(child, gene), strict=False)
        found += [(gene, block) for block, (old, new) in enumerate(pairs) if old != new]
    return found


@given(SPACES, st.integers())
def test_one_gene_changes_if_any_can(space: SearchSpace, seed: int) -> None:
    random = Random(seed)
    parent = space.sample(random)
    child = mutate_one(parent, space, random)
    assert child in space
    assert len(changed_genes(parent, child)) == (space.size() > 1)


def test_each_gene_is_the_one_equally_often(paper_space: SearchSpace) -> None:
    """Of depth, T, dimension and 4 genes of 2 blocks: 11. A new depth or value is any other choice equally often."""
    random = Random(3)
    parent = parse_subnet("(2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 2, 4, 348)")
    children = [mutate_one(parent, paper_space, random) for _ in range(6600)]
    genes = Counter(gene for child in children for gene in changed_genes(parent, child))
    assert len(genes) == 11
    assert all(abs(number - 600) < 5 * 600**0.5 for number in genes.values()), genes
    depths = Counter(child.depth for child in children if child.depth != 2)
    assert depths.keys() == {*paper_space.depth} - {2}
    assert all(abs(number - 300) < 5 * 300**0.5 for number in depths.values()), depths


def test_by_chance_of_each_gene_almost_five_change(paper_space: SearchSpace) -> None:
    """The other reading, with the paper's probabilities, over the whole space; genes of added blocks count."""
    random = Random(5)
    changes = 0
    for _ in range(4000):
        parent = paper_space.sample(random)
        child = mutate(parent, paper_space, random, p_depth=0.3, p_mutation=0.4)
        changes += len(changed_genes(parent, child)) + len(BLOCK_GENES) * max(child.depth - parent.depth, 0)
    assert changes / 4000 == pytest.approx(4.8, abs=0.1)


def test_both_parents_give_genes_equally(paper_space: SearchSpace) -> None:
    random = Random(1)
    a = parse_subnet("(2, 3.0, 3.0, 6, 6, 0.6, 0.6, 2, 2, 2, 336)")
    b = parse_subnet("(4, 4, 4, 4, 4, 12, 12, 12, 12, 2, 2, 2, 2, 5, 5, 5, 5, 4, 384)")
    children = [crossover(a, b, paper_space, random) for _ in range(2000)]
    assert sum(child.depth == 4 for child in children) / 2000 == pytest.approx(0.5, abs=0.05)
    assert sum(child.num_heads[0] == 12 for child in children) / 2000 == pytest.approx(0.5, abs=0.05)
    assert all(child.num_heads[2:] == (12, 12) for child in children if child.depth == 4)


def test_a_parent_outside_the_space_is_refused(tiny_space: SearchSpace) -> None:
    outside = parse_subnet("(2, 4, 4, 1, 1, 3, 1, 2, 2, 4, 8)")
    inside = tiny_space.largest()
    with pytest.raises(ValueError, match="outside the space"):
        crossover(inside, outside, tiny_space, Random(0))
    with pytest.raises(ValueError, match="outside the space"):
        mutate(outside, tiny_space, Random(0), p_depth=1.0, p_mutation=1.0)
    with pytest.raises(ValueError, match="outside the space"):
        mutate_one(outside, tiny_space, Random(0))
