"""The genes of subnets as columns of numbers, from which a model predicts what a subnet would measure.

Shapes: N subnets, B blocks of the deepest one, C coordinates, F columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.space import BLOCK_GENES, Number, SearchSpace, Subnet

Floats = NDArray[np.float64]
SINGLE = ("depth", "time_step", "embed_dim")
"""Genes with one value for each subnet."""
INTERACTION = 0.5
"""Scale of the products. A ridge then expects interactions of two genes to be weaker than what each does alone."""


class GeneFeatures:
    """Codes the members of one space. Every column lies within -1 to 1, and a subnet without a block has 0 there.

    A gene's coordinate x is the logarithm of its value, scaled so that the smallest choice is -1 and the largest 1. A
    gene of the blocks has one for each block. The columns are all x; x^2 of genes with three choices or more; and the
    product of every two coordinates, times INTERACTION. A gene with one choice has no column.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._num_blocks = max(space.depth)
        choices: dict[str, tuple[Number, ...]] = {gene: getattr(space, gene) for gene in (*SINGLE, *BLOCK_GENES)}
        self._coordinates = {gene: _coordinates(values) for gene, values in choices.items() if len(values) > 1}
        self._curved = {gene for gene, values in choices.items() if len(values) > 2}

    def of(self, subnets: Sequence[Subnet]) -> Floats:
        """The columns (N, F) of some members. Raises KeyError for a value that is no choice of the space."""
        straight: list[Floats] = []
        curved: list[Floats] = []
        for gene, coordinates in self._coordinates.items():
            x_NB = self._of_gene(gene, coordinates, subnets)
            straight.append(x_NB)
            if gene in self._curved:
                curved.append(x_NB**2)
        x_NC = np.concatenate([np.empty((len(subnets), 0)), *straight], axis=1)
        first, second = np.triu_indices(x_NC.shape[1], k=1)
        return np.concatenate([x_NC, *curved, INTERACTION * x_NC[:, first] * x_NC[:, second]], axis=1)

    def _of_gene(self, gene: str, coordinates: Mapping[Number, float], subnets: Sequence[Subnet]) -> Floats:
        """Its coordinates (N, 1), or (N, B) of a gene of the blocks, 0 for a block that a subnet lacks."""
        if gene not in BLOCK_GENES:
            return np.array([[coordinates[getattr(subnet, gene)]] for subnet in subnets], np.float64).reshape(-1, 1)
        x_NB = np.zeros((len(subnets), self._num_blocks))
        for row, subnet in enumerate(subnets):
            x_NB[row, : subnet.depth] = [coordinates[value] for value in getattr(subnet, gene)]
        return x_NB


def _coordinates(choices: Sequence[Number]) -> dict[Number, float]:
    logarithms = np.log(np.array([float(choice) for choice in choices]))
    low, high = logarithms.min(), logarithms.max()
    return dict(zip(choices, (2.0 * (logarithms - low) / (high - low) - 1.0).tolist(), strict=True))
