"""What a measurement says of silent layers and blocks."""

import pytest

from autospikformer_cli.measurement import Measurement, SpikeCount

IMAGES = 10
LAYERS = (
    SpikeCount("patch_embed.proj_bn", (300, 500), 200),
    SpikeCount("block.0.attn.q_bn", (40, 0), 100),
    SpikeCount("block.0.mlp.fc1_bn", (0, 1), 100),
    SpikeCount("block.1.attn.q_bn", (1, 0), 500),
    SpikeCount("block.1.mlp.fc1_bn", (0, 9), 500),
    SpikeCount("block.10.attn.q_bn", (2, 2), 200),
)


def measured(*layers: SpikeCount) -> Measurement:
    return Measurement(4, IMAGES, 100, (), layers, silent_channels=0)


def test_rates_of_blocks_are_means_over_their_neurons() -> None:
    """Spikes divided by images x steps x neurons, by hand."""
    rates = measured(*LAYERS).block_rates
    assert rates == pytest.approx({0: 41 / (10 * 2 * 200), 1: 10 / (10 * 2 * 1000), 10: 4 / (10 * 2 * 200)})


def test_a_rate_below_a_thousandth_is_silent() -> None:
    """One spike in a thousand is the bound, and not silent: block 10."""
    found = measured(*LAYERS)
    assert found.silent_layers == ("block.0.mlp.fc1_linear", "block.1.attn.q_linear", "block.1.mlp.fc1_linear")
    assert found.silent_blocks == (1,)


def test_an_ann_is_never_silent() -> None:
    found = measured()
    assert (found.silent_layers, found.silent_blocks, found.block_rates) == ((), (), {})
