"""How often each value of each gene occurs among subnets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from autospikformer_cli.space import BLOCK_GENES, Number, SearchSpace, Subnet

GENES = ("depth", *BLOCK_GENES, "time_step", "embed_dim")


def gene_choices(space: SearchSpace) -> dict[str, tuple[Number, ...]]:
    """The choices of each gene that has more than one, ascending."""
    choices: dict[str, tuple[Number, ...]] = {gene: getattr(space, gene) for gene in GENES}
    return {gene: values for gene, values in choices.items() if len(values) > 1}


def gene_shares(gene: str, choices: Sequence[Number], subnets: Iterable[Subnet]) -> list[float]:
    """The share, 0 to 1, of each choice of a gene. Every block counts as one. Without subnets, nan.

    >>> from autospikformer_cli.space import parse_subnet
    >>> gene_shares("num_heads", (6, 12), [parse_subnet("(2, 3, 3, 6, 12, 1, 1, 2, 2, 4, 348)")])
    [0.5, 0.5]
    """
    counts: Counter[Number] = Counter()
    for subnet in subnets:
        value = getattr(subnet, gene)
        counts.update(value if gene in BLOCK_GENES else [value])
    total = counts.total()
    return [counts[choice] / total if total else float("nan") for choice in choices]
