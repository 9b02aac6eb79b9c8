"""Many subnets priced at once: the rules of `pricing`, over columns with a row for each subnet.

`layout.operations` and `pricing.Pricing` only add, multiply and divide what they are given. Given columns, they do so
row by row, to the same bits. So there is one set of rules, for one subnet and for many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.energy.counts import count_columns
from autospikformer_cli.energy.pricing import EnergyModel
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.space import HALVES, BlockHalf, Subnet

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SubnetColumns:
    """The genes of whole subnets of one depth, as far as they decide operations: `layout.OperationGenes`.

    Each is a column. Its type says int: the same arithmetic holds for a number and for a column of them.
    """

    depth: int
    num_heads: tuple[int, ...]
    hidden_dims: tuple[int, ...]
    time_step: int
    embed_dim: int

    @classmethod
    def of(cls, subnets: Sequence[Subnet]) -> SubnetColumns:
        """The columns of some subnets, all of the depth of the first."""
        blocks = range(subnets[0].depth)
        return cls(
            subnets[0].depth,
            tuple(_column([subnet.num_heads[block] for subnet in subnets]) for block in blocks),
            tuple(_column([subnet.hidden_dim(block) for subnet in subnets]) for block in blocks),
            _column([subnet.time_step for subnet in subnets]),
            _column([subnet.embed_dim for subnet in subnets]),
        )

    def hidden_dim(self, block: int) -> int:
        """Hidden neurons of a block's MLP."""
        return self.hidden_dims[block]

    def present_halves(self) -> list[BlockHalf]:
        """Both residual branches of every block."""
        return [BlockHalf(block, half) for block in range(self.depth) for half in HALVES]


def _column(values: Sequence[int]) -> int:
    return cast(int, np.array(values, np.int64))


def price_columns(
    energy: EnergyModel, subnets: Sequence[Subnet], measurements: Sequence[Measurement]
) -> tuple[Floats, Floats]:
    """Joules and synaptic operations of an image, for each subnet. Raises MissingCounts if counts are missing."""
    energies, sops = np.empty(len(subnets)), np.empty(len(subnets))
    exact = energy.convention.border == "exact"
    for places, counts in count_columns(measurements, [subnet.depth for subnet in subnets], with_work=exact):
        report = energy.report(SubnetColumns.of([subnets[place] for place in places.tolist()]), counts, 0)
        energies[places], sops[places] = report.energy_j, report.sops
    return energies, sops
