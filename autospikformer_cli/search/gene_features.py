"""The genes of subnets as columns of numbers, from which a model predicts what a subnet would measure.

Shapes: N subnets, B blocks of the deepest one, F columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.space import BLOCK_GENES, Number, SearchSpace, Subnet

Floats = NDArray[np.float64]
SINGLE = ("depth", "time_step", "embed_dim")
"""Genes with one value for each subnet."""


class GeneFeatures:
    """Codes the members of one space. Every column lies within -1 to 1, and a subnet without a block has 0 there.

    A gene's coordinate x is the logarithm of its value, scaled so that the smallest choice is -1 and the largest 1. The
    columns are x of each gene, of a block's gene for each block; x^2 of genes with three choices or more; and the
    products of every two genes, of a block's gene by its mean over blocks. A gene with one choice has no column.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._num_blocks = max(space.depth)
        choices: dict[str, tuple[Number, ...]] = {gene: getattr(space, gene) for gene in (*SINGLE, *BLOCK_GENES)}
        self._coordinates = {gene: _coordinates(values) for gene, values in choices.items() if len(values) > 1}
        self._curved = {gene for gene, values in choices.items() if len(values) > 2}

    def of(self, subnets: Sequence[Subnet]) -> Floats:
        """The columns (N, F) of some members. Raises KeyError for a value that is no choice of the space."""
        columns: list[Floats] = []
        single: list[Floats] = []
        for gene, coordinates in self._coordinates.items():
            if gene in BLOCK_GENES:
                x_NB, mean_N = self._of_blocks([getattr(subnet, gene) for subnet in subnets], coordinates)
            else:
                mean_N = np.array([coordinates[getattr(subnet, gene)] for subnet in subnets], np.float64)
                x_NB = mean_N[:, None]
            single.append(mean_N)
            columns.append(x_NB)
            if gene in self._curved:
                columns.append(x_NB**2)
        columns += [(first * second)[:, None] for first, second in combinations(single, 2)]
        return np.concatenate([np.empty((len(subnets), 0)), *columns], axis=1)

    def _of_blocks(
        self, values: Sequence[Sequence[Number]], coordinates: Mapping[Number, float]
    ) -> tuple[Floats, Floats]:
        """A gene's coordinates (N, B), 0 for a block that a subnet lacks, and their means over its blocks (N)."""
        x_NB = np.zeros((len(values), self._num_blocks))
        for row, of_blocks in enumerate(values):
            x_NB[row, : len(of_blocks)] = [coordinates[value] for value in of_blocks]
        depths_N = np.array([len(of_blocks) for of_blocks in values], np.float64)
        return x_NB, x_NB.sum(axis=1) / depths_N


def _coordinates(choices: Sequence[Number]) -> dict[Number, float]:
    logarithms = np.log(np.array([float(choice) for choice in choices]))
    low, high = logarithms.min(), logarithms.max()
    return dict(zip(choices, (2.0 * (logarithms - low) / (high - low) - 1.0).tolist(), strict=True))
