"""Genome operators. By construction, a child is a member of its parents' space."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from autospikformer_cli.space import BLOCK_GENES, SearchSpace, Subnet

SINGLE_GENES = ("time_step", "embed_dim")
"""Genes with one value for each subnet. The depth is another: it is the length of the block genes."""


def mutate(subnet: Subnet, space: SearchSpace, random: Random, *, p_depth: float, p_mutation: float) -> Subnet:
    """A copy of a member with some genes drawn anew, uniformly from their choices.

    Depth, time step and dimension are each drawn with probability p_depth (the paper's Pd), each gene of a block with
    p_mutation (Pm). Other genes of existing blocks stay; added blocks get random genes. Raises ValueError for a parent
    outside the space.
    """
    _require_members(space, subnet)
    depth = random.choice(space.depth) if random.random() < p_depth else subnet.depth
    genes: dict[str, Any] = {}
    for gene in BLOCK_GENES:
        old, choices = getattr(subnet, gene), getattr(space, gene)
        genes[gene] = tuple(
            random.choice(choices) if block >= len(old) or random.random() < p_mutation else old[block]
            for block in range(depth)
        )
    for gene in SINGLE_GENES:
        drawn = random.random() < p_depth
        genes[gene] = random.choice(getattr(space, gene)) if drawn else getattr(subnet, gene)
    return Subnet(**genes)


def mutate_one(subnet: Subnet, space: SearchSpace, random: Random) -> Subnet:
    """A copy of a member in which one gene has another value (the paper: "randomly modifies one parameter").

    The gene is drawn uniformly from those that have another choice: the depth, the time step, the dimension, and each
    gene of each block. Its value is drawn uniformly from its other choices. Blocks that another depth adds get random
    genes. A space of one subnet has no other: the copy equals its parent. Raises ValueError for a parent outside it.
    """
    _require_members(space, subnet)
    single = [(gene, 0) for gene in ("depth", *SINGLE_GENES)]
    of_blocks = [(gene, block) for gene in BLOCK_GENES for block in range(subnet.depth)]
    free = [(gene, block) for gene, block in single + of_blocks if len(getattr(space, gene)) > 1]
    if not free:
        return subnet
    gene, block = random.choice(free)
    values = getattr(subnet, gene)
    old = values[block] if gene in BLOCK_GENES else values
    new = random.choice([choice for choice in getattr(space, gene) if choice != old])
    if gene == "depth":
        added = {each: tuple(random.choice(getattr(space, each)) for _ in range(new - old)) for each in BLOCK_GENES}
        return replace(subnet, **{each: getattr(subnet, each)[:new] + added[each] for each in BLOCK_GENES})
    changed: Any = (*values[:block], new, *values[block + 1 :]) if gene in BLOCK_GENES else new
    return replace(subnet, **{gene: changed})


def crossover(a: Subnet, b: Subnet, space: SearchSpace, random: Random) -> Subnet:
    """A child of two members. Each gene comes from either parent with equal probability.

    The depth is one parent's. If only one parent has a block, the block's genes come from that parent. Every value is
    a parent's, so the child is a member of their space. Raises ValueError for a parent outside the space.
    """
    _require_members(space, a, b)
    depth = random.choice((a.depth, b.depth))
    genes: dict[str, Any] = {}
    for gene in BLOCK_GENES:
        parents = (getattr(a, gene), getattr(b, gene))
        genes[gene] = tuple(
            random.choice([values[block] for values in parents if block < len(values)]) for block in range(depth)
        )
    for gene in SINGLE_GENES:
        genes[gene] = random.choice((getattr(a, gene), getattr(b, gene)))
    return Subnet(**genes)


def _require_members(space: SearchSpace, *parents: Subnet) -> None:
    for parent in parents:
        if parent not in space:
            raise ValueError(f"{parent} is outside the space: its children might be too")
