"""Packs weights as the engine adds them: a row for every input, in tiles of columns whose sums stay in registers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autospikformer_cli.engine.kernels import Rows
from autospikformer_cli.spiking.vector_code import lanes
from autospikformer_cli.spiking.vectors import MAX_VECTORS

Array = NDArray[Any]


class PackedLayers:
    """Weights of layers that read the same input, packed once. A subnet uses the first rows and the first columns.

    weights: of each layer, (outputs, inputs) or (outputs, inputs, 3, 3).
    """

    def __init__(self, weights: list[torch.Tensor]) -> None:
        groups = [_input_rows(weight.detach().numpy()) for weight in weights]
        self.kernel, self.inputs = weights[0].shape[-1] if weights[0].ndim == 4 else 1, weights[0].shape[1]
        self.lanes = lanes(groups[0].itemsize)
        self.tile = MAX_VECTORS * self.lanes
        parts = [self._tiles(group) for group in groups]
        self.numbers = np.concatenate([part.ravel() for tiles in parts for part in tiles])
        ends = np.cumsum([part.size for tiles in parts for part in tiles])
        offsets = iter([0, *ends.tolist()])
        self._tile_starts = [[(next(offsets), part.shape[1]) for part in tiles] for tiles in parts]

    def _tiles(self, group: Array) -> list[Array]:
        """Cut columns into tiles. The last tile gets columns of 0 up to a whole vector."""
        parts = (group[:, column : column + self.tile] for column in range(0, group.shape[1], self.tile))
        return [np.pad(part, ((0, 0), (0, -part.shape[1] % self.lanes))) for part in parts]

    def rows(self, outputs: int) -> Rows:
        """The rows that sum the first outputs of each layer."""
        tiles = []
        for group, starts in enumerate(self._tile_starts):
            for column, (offset, stride) in zip(range(0, outputs, self.tile), starts, strict=False):
                columns = min(self.tile, outputs - column)
                tiles.append((offset, stride, -(-columns // self.lanes), columns, group, column))
        return Rows(self.numbers, np.array(tiles, np.int64), self.kernel, self.inputs)


def _input_rows(weight: Array) -> Array:
    """(outputs, inputs) or (outputs, inputs, 3, 3) -> (taps * inputs, outputs)."""
    return weight.T if weight.ndim == 2 else weight.transpose(2, 3, 1, 0).reshape(-1, len(weight))
