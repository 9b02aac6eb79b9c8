"""How often each value of each gene occurs among subnets, and whether among the best by more than chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import lgamma
from typing import TYPE_CHECKING

from autospikformer_cli.analysis.paired import holm
from autospikformer_cli.space import BLOCK_GENES, Number, SearchSpace, Subnet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

DRAWS = 9999
"""Random selections that a share is compared with."""
_TAIL = 0.025
"""Of 95 %, on each side."""
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


@dataclass(frozen=True)
class ShareTest:
    """A share among the best N next to that among all, and next to N candidates drawn by lot.

    lift: the share among the best divided by that among all. chance: the lift of 95 % of such draws. probability: of a
    draw that differs from all at least as much, two-sided.
    """

    share_all: float
    share_best: float
    lift: float
    chance: tuple[float, float]
    probability: float


@dataclass(frozen=True)
class ValueShare:
    """How often a gene's value occurs. test: None if all candidates have it, or none, or if the best are all.

    corrected: the test's probability after Holm's correction for all values of all genes.
    """

    gene: str
    value: Number
    share_all: float
    share_best: float
    test: ShareTest | None = None
    corrected: float | None = None


def share_test(counts: Counts, totals: Counts, num_best: int, generator: np.random.Generator) -> ShareTest | None:
    """Whether something occurs more or less often among the first N of M candidates than among N drawn by lot.

    counts, totals: of each candidate, the best first, how many of its blocks have it, and how many blocks it has; for a
    gene with one value, 0 or 1, and 1. With C and D their sums over all M, and c_i, d_i those of a candidate,

    T = sum over the N of (c_i D - d_i C)

    is 0 on average if the N are drawn without replacement. Candidates with equal c and d form a class. So a draw is
    one from the multivariate hypergeometric distribution over the classes, and a candidate's blocks stay together. With
    two classes, as a gene with one value has them, chance and probability are exact. With more, the probability is
    (1 + draws with |T| >= that of the best) / (1 + draws). None if T cannot vary.
    """
    import numpy as np

    whole, among = int(totals.sum()), int(counts.sum())
    if not 0 < num_best < len(counts) or not 0 < among < whole:
        return None
    span = int(totals.max()) + 1
    classes, sizes = np.unique(counts * span + totals, return_counts=True)
    c, d = classes // span, classes % span
    share_all, best = among / whole, int(totals[:num_best].sum())
    observed = abs(int(counts[:num_best].sum()) * whole - best * among)
    if len(classes) == 2:
        drawn, ends, weights = _all_draws(sizes, num_best)
    else:
        drawn = generator.multivariate_hypergeometric(sizes, num_best, DRAWS, method="marginals")
        ends, weights = drawn, None
    is_far = abs(drawn @ (c * whole - d * among)) >= observed
    low, high = np.quantile((ends @ c) / (ends @ d) / share_all, [_TAIL, 1 - _TAIL] if weights is None else [0, 1])
    share_best = int(counts[:num_best].sum()) / best
    return ShareTest(
        share_all,
        share_best,
        share_best / share_all,
        (float(low), float(high)),
        (1 + int(is_far.sum())) / (1 + DRAWS) if weights is None else min(1.0, float(weights[is_far].sum())),
    )


def _all_draws(sizes: Counts, num: int) -> tuple[Counts, Counts, NDArray[np.float64]]:
    """Of two classes: every possible draw of num, (K, 2); the two at the ends of 95 %; and each draw's probability."""
    import numpy as np

    firsts, among = int(sizes[0]), int(sizes[1])
    seconds = np.arange(max(0, num - firsts), min(num, among) + 1)
    # The hypergeometric distribution, from logarithms: its factorials are too large for floats.
    logs = [-sum(map(lgamma, (k + 1, among - k + 1, num - k + 1, firsts - num + k + 1))) for k in seconds.tolist()]
    weights = np.exp(np.array(logs) - max(logs))
    weights /= weights.sum()
    ends = seconds[np.searchsorted(weights.cumsum(), [_TAIL, 1 - _TAIL])]
    every, outer = (np.stack([num - each, each], axis=1) for each in (seconds, ends))
    return every, outer, weights


def value_shares(space: SearchSpace, ranked: Sequence[Subnet], num_best: int, seed: int) -> tuple[ValueShare, ...]:
    """Every value of every gene with several, among the first `num_best` of ranked subnets and among all of them."""
    import numpy as np

    generator, found = np.random.default_rng(seed), []
    for gene, choices in gene_choices(space).items():
        counts_NV = _counts(gene, choices, ranked)
        totals = counts_NV.sum(axis=1)
        for counts, value in zip(counts_NV.T, choices, strict=True):
            share_all, share_best = (_share(counts[:num], totals[:num]) for num in (len(ranked), num_best))
            test = share_test(counts, totals, num_best, generator)
            found.append(ValueShare(gene, value, share_all, share_best, test))
    tested = [each.test.probability for each in found if each.test]
    corrected = iter(holm(tested))
    return tuple(replace(each, corrected=next(corrected)) if each.test else each for each in found)


def _counts(gene: str, choices: Sequence[Number], subnets: Sequence[Subnet]) -> Counts:
    """How many blocks of each subnet have each choice: (N, V). A gene with one value counts as one block."""
    import numpy as np

    places = {choice: place for place, choice in enumerate(choices)}
    counts_NV = np.zeros((len(subnets), len(choices)), np.int64)
    for row, subnet in zip(counts_NV, subnets, strict=True):
        value = getattr(subnet, gene)
        for each in value if gene in BLOCK_GENES else (value,):
            row[places[each]] += 1
    return counts_NV


def _share(counts: Counts, totals: Counts) -> float:
    total = int(totals.sum())
    return int(counts.sum()) / total if total else float("nan")
