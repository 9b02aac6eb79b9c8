"""A sample of subnets that spans a search space: each gene's choices appear equally often, as far as possible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autospikformer_cli.space import BLOCK_GENES, Choice, SearchSpace, Subnet

MOST_POINTS_LOG2 = 14
"""2^14 points are drawn at most. A space of which they miss a member is small: the rest follow in its own order."""


def spanning_sample(space: SearchSpace, num: int, seed: int) -> list[Subnet]:
    """`num` distinct subnets: the largest, the smallest, and then points of a scrambled Sobol sequence.

    A coordinate of the sequence is cut into as many equal parts as a gene has choices (Owen, 1998: scrambled nets). So
    of 2^k points, each choice of depth, T and dimension has its share within one or two points. Genes of a block
    are those of the blocks that the drawn depth has. A larger sample begins with the smaller one of the same seed.
    Raises ValueError if the space has fewer subnets.
    """
    if num > space.size():
        raise ValueError(f"a space of {space.size()} subnets has no {num}")
    found: dict[Subnet, None] = {}
    for subnet in _members(space, num, seed):
        found[subnet] = None
        if len(found) == num:
            break
    return list(found)


def _members(space: SearchSpace, num: int, seed: int) -> Iterator[Subnet]:
    yield space.largest()
    yield space.smallest()
    from scipy.stats import qmc

    blocks = space.depth[-1]
    dimensions = 3 + len(BLOCK_GENES) * blocks
    for log2 in range(num.bit_length(), MOST_POINTS_LOG2 + 1):  # repeats are rare, so most samples need one turn
        for point in qmc.Sobol(dimensions, seed=seed).random_base2(log2).tolist():
            yield _at(space, point)
    yield from space.members()


def _at(space: SearchSpace, point: Sequence[float]) -> Subnet:
    """The subnet at a point of the unit cube: depth, T and dimension, then the genes of each block."""
    depth = _choice(space.depth, point[0])
    genes = [point[3 + gene :: len(BLOCK_GENES)][:depth] for gene in range(len(BLOCK_GENES))]
    return Subnet(
        mlp_ratio=tuple(_choice(space.mlp_ratio, each) for each in genes[0]),
        num_heads=tuple(_choice(space.num_heads, each) for each in genes[1]),
        threshold=tuple(_choice(space.threshold, each) for each in genes[2]),
        tau=tuple(_choice(space.tau, each) for each in genes[3]),
        time_step=_choice(space.time_step, point[1]),
        embed_dim=_choice(space.embed_dim, point[2]),
    )


def _choice(choices: Sequence[Choice], share: float) -> Choice:
    return choices[int(share * len(choices))]
