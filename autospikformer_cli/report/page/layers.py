"""Energies by layer of all candidates under all prices, in little room.

A layer's energy is linear in its synaptic operations (`energy.many.LayerPrices`). These do not depend on the profile,
and are the same under most conventions. The two prices depend on the size of the layer alone, and there are few sizes.
So the block of columns, which keeps equal columns once, has a part of what a table of all energies would have.
"""

from __future__ import annotations

import numpy as np

from autospikformer_cli.energy.many import LayerPrices, ManyPriced
from autospikformer_cli.report.page.columns import ColumnBlock


def layer_facts(priced: ManyPriced, rows: list[int], num: int, block: ColumnBlock) -> list[dict[str, object]]:
    """Each layer's name and kind, and the columns of which the page computes its energy: float32, so to 7 digits.

    rows: the candidates' rows on the page, in the order of `priced`. num: all rows of the page.
    which: for each row, the place of its price plus 1; 0 without such a layer.
    """
    return [_layer(layer, rows, num, block) for layer in priced.layers]


def _layer(layer: LayerPrices, rows: list[int], num: int, block: ColumnBlock) -> dict[str, object]:
    which = np.zeros(num, np.int64)
    which[rows] = layer.which + 1
    sops = None
    if layer.sops is not None:
        found = np.zeros(num)
        found[rows] = np.nan_to_num(layer.sops)
        sops = block.add(found, np.float32)
    return {
        "name": layer.name,
        "kind": layer.kind,
        "sops": sops,
        "which": block.add_whole(which),
        "prices": block.add([value for price in layer.prices for value in price], np.float32),
    }
