"""Float32, stage by stage: on the same input, a stage's spikes are those of float64 but for one in a million."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
import torch
from torch import Tensor

from autospikformer_cli.engine.event_driven import EventDriven
from autospikformer_cli.engine.tally import Untallied
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.passes import Attention, Layer

SPACE = SearchSpace((1,), (Decimal(3),), (4,), (Decimal(1),), (Decimal(2),), (4,), (96,))
ONE_IN = 10**6


PARTS = ("weights", "norm", "activation")


class SideBySide:
    """The reference's stages; each is run in float32 too, on the reference's input, and flips are counted."""

    def __init__(self, lively: Any, rounded: Any) -> None:
        statistics = lively.statistics()
        self.reference = lively.supernet.in_torch(lively.subnet, statistics)
        self.engine = EventDriven(rounded.supernet, 2).forward_pass(lively.subnet, statistics, Untallied())
        self.modules = dict(rounded.supernet.named_modules())
        self.names = {module: name for name, module in lively.supernet.named_modules()}
        self.flips: dict[str, int] = {}
        self.neurons: dict[str, int] = {}
        self.pool, self.classify = self.reference.pool, self.reference.classify

    def _compare(self, name: str, found: Tensor, expected: Tensor) -> None:
        self.flips[name] = int((found != expected.to(torch.uint8)).sum())
        self.neurons[name] = expected.numel()

    def fire(
        self, layers: Sequence[Layer], x: Tensor, outputs: int, neurons: Sequence[Neuron]
    ) -> list[tuple[Tensor, ...]]:
        """The reference's."""
        expected = self.reference.fire(layers, x, outputs, neurons)
        is_first = layers[0].weights.name == "patch_embed.proj_conv"
        rounded = [
            layer._replace(**{name: self.modules[self.names[getattr(layer, name)]] for name in PARTS})
            for layer in layers
        ]
        found = self.engine.fire(rounded, x.float() if is_first else x.to(torch.uint8), outputs, neurons)
        for layer, one, other in zip(layers, found[0], expected[0], strict=True):
            self._compare(layer.weights.name, one, other)
        return expected

    def attend(self, attention: Attention, q: Tensor, k: Tensor, v: Tensor, *others: Any) -> Tensor:
        """The reference's."""
        expected = self.reference.attend(attention, q, k, v, *others)
        rounded = attention._replace(activation=self.modules[self.names[attention.activation]])
        found = self.engine.attend(rounded, *(x.to(torch.uint8) for x in (q, k, v)), *others)
        self._compare(attention.name, found, expected)
        return expected


@pytest.mark.parametrize("frames", [1, 4], ids=["image", "events"])
def test_a_stage_flips_less_than_one_spike_in_a_million(make_lively: Any, frames: int) -> None:
    lively = make_lively(
        SPACE.largest(), space=SPACE, images=24, lively_on=2, image_size=24, frames=frames, pooled_stages=(2, 4),
        keys={"attention_scale": 0.125},
    )  # fmt: skip
    rounded = lively.as_float32()
    lively.supernet.load_state_dict(rounded.supernet.state_dict())  # numbers that float32 has
    lively.frames.copy_(rounded.frames)
    compared = SideBySide(lively, rounded)
    with torch.no_grad():
        lively.supernet.run(lively.frames, lively.subnet, compared)
    assert len(compared.flips) == 5 + 3 + 1 + 3
    assert compared.flips["block.0.attn"] == 0  # whole numbers, and powers of two
    total = sum(compared.neurons.values())
    assert total > 5 * ONE_IN
    assert sum(compared.flips.values()) * ONE_IN < total, compared.flips
    for name, neurons in compared.neurons.items():
        assert neurons < ONE_IN or compared.flips[name] * ONE_IN < neurons, name
