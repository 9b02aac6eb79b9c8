"""The same bits: whatever the batch, the order of images, the number of threads, the settings and outputs beside."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import torch
from torch import Tensor

from autospikformer_cli.engine.event_driven import EventDriven
from autospikformer_cli.engine.tally import Untallied
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.neuron_kinds import ParametricLIFKind
from autospikformer_cli.spiking.normalisation import BatchStatistics, FixedStatistics, RunningStatistics

pytestmark = pytest.mark.usefixtures("one_thread")

IMAGES = 39
WIDE = SearchSpace(
    depth=(1,),
    mlp_ratio=(Decimal("1.5"), Decimal(2)),
    num_heads=(2, 4),
    threshold=(Decimal(1),),
    tau=(Decimal(2),),
    time_step=(3,),
    embed_dim=(104, 132),
)
"""More columns than one tile holds, in either precision."""
NEURONS = [Neuron(2.0, 1.0), Neuron(1.25, 0.6), Neuron(3.0, 1.4), Neuron(10.0, 0.3), Neuron(2.0, 0.9)]


@pytest.fixture(scope="module", params=["image", "events"])
def lively(make_lively: Any, request: pytest.FixtureRequest) -> Any:
    """A network in float32, with statistics of its own on the frames."""
    frames = 1 if request.param == "image" else 5
    subnet = WIDE.largest()
    made = make_lively(
        subnet,
        kind="recalibrate",
        space=WIDE,
        images=IMAGES,
        frames=frames,
        lively_on=4,
        keys={"attention_scale": 0.125},
    )
    return made.as_float32()


def logits(lively: Any, frames: Tensor, statistics: Any, threads: int = 1, batch: int = IMAGES) -> Tensor:
    engine = EventDriven(lively.supernet, threads)
    with torch.no_grad():
        return torch.cat(
            [engine.logits(each, lively.subnet, statistics, Untallied()) for each in frames.split(batch, 1)]
        )


def test_an_images_result_is_its_own(lively: Any) -> None:
    """In batches of 1, 7 and 32, in another order, under two threads; in both kinds of statistics that are fixed."""
    order = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(1))
    for statistics in (lively.statistics(EventDriven(lively.supernet, 1)), RunningStatistics()):
        whole = logits(lively, lively.frames, statistics)
        assert whole.dtype == torch.float32
        assert len(whole.unique(dim=0)) > IMAGES // 2
        for batch in (1, 7, 32):
            assert torch.equal(logits(lively, lively.frames, statistics, batch=batch), whole)
            assert torch.equal(logits(lively, lively.frames, statistics, threads=2, batch=batch), whole)
        assert torch.equal(logits(lively, lively.frames[:, order], statistics), whole[order])
        assert torch.equal(logits(lively, lively.frames[:, order], statistics, threads=3, batch=7), whole[order])


def test_moments_know_no_order(lively: Any) -> None:
    """Of calibration images, of threads."""
    order = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(2)).tolist()
    expected = lively.statistics(EventDriven(lively.supernet, 1))
    assert isinstance(expected, FixedStatistics)
    assert len(expected.by_layer) == 5 + 6
    for threads, rows in ((1, order), (2, None), (3, order)):
        found = lively.statistics(EventDriven(lively.supernet, threads), rows)
        for name, (mean, variance) in expected.by_layer.items():
            assert mean.dtype == variance.dtype == torch.float64
            assert torch.equal(found.by_layer[name].mean, mean), name
            assert torch.equal(found.by_layer[name].variance, variance), name


def test_batch_statistics_know_no_order_either(lively: Any) -> None:
    order = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(3))
    whole = logits(lively, lively.frames, BatchStatistics())
    assert torch.equal(logits(lively, lively.frames[:, order], BatchStatistics(), threads=2), whole[order])
    assert not torch.equal(logits(lively, lively.frames, BatchStatistics(), batch=13), whole)


# Settings and outputs beside


class Stages:
    """Inputs of every stage of a network, as it reads them, and the stages."""

    def __init__(self, lively: Any, watched: Any, statistics: Any) -> None:
        self.lively, self.watched, self.statistics = lively, watched, statistics
        network = lively.supernet
        block = network.block[0]
        mlp = block.mlp
        qkv = [block.attn.layer(name) for name in "qkv"]
        self.layers = [[stage] for stage in network.patch_embed.convolutions]
        self.layers += [qkv, [block.attn.layer("proj")], [mlp.layer("fc1")], [mlp.layer("fc2")]]

    def widths(self, layers: Any) -> int:
        """Outputs of a stage in the widest subnet."""
        return len(layers[0].weights.weight)

    def fire(self, layers: Any, outputs: int, neurons: Any, tally: Any = None, threads: int = 1) -> Any:
        """The stage's spikes for each setting."""
        engine = EventDriven(self.lively.supernet, threads)
        run = engine.forward_pass(self.lively.subnet, self.statistics, tally or Untallied())
        with torch.no_grad():
            return run.fire(layers, self.watched.inputs[layers[0].weights.name], outputs, neurons)


@pytest.fixture(scope="module", params=["float32", "float64", "plif"])
def stages(make_lively: Any, request: pytest.FixtureRequest) -> Stages:
    """Of a wide network; statistics are measured, so that moments take part."""
    keys = {"attention_scale": 0.125} | ({"neuron": ParametricLIFKind} if request.param == "plif" else {})
    lively = make_lively(WIDE.largest(), kind="batch", space=WIDE, images=5, keys=keys)
    lively = lively.as_float32() if request.param != "float64" else lively
    _, watched = lively.run(EventDriven(lively.supernet, 1))
    return Stages(lively, watched, BatchStatistics())


def test_settings_beside_change_nothing(stages: Stages, listed: Any) -> None:
    """Nor counts: each setting has its spikes, and all the same input and synapses."""
    for layers in stages.layers:
        outputs, tally = stages.widths(layers), listed()
        found = stages.fire(layers, outputs, NEURONS, tally, threads=2)
        assert len(found) == len(NEURONS)
        for setting, neuron in enumerate(NEURONS):
            alone = listed()
            (expected,) = stages.fire(layers, outputs, [neuron], alone)
            assert len(found[setting]) == len(expected) == len(layers)
            assert all(torch.equal(one, other) for one, other in zip(found[setting], expected, strict=True))
            assert (tally.values, tally.synapses, tally.sizes) == (alone.values, alone.synapses, alone.sizes)
            assert tally.neurons == alone.neurons
            assert {name: [spikes[setting]] for name, spikes in tally.spikes.items()} == alone.spikes
        rates = [[float(spikes.double().mean()) for spikes in setting] for setting in found]
        assert len({tuple(each) for each in rates}) == len(NEURONS)


def test_narrower_outputs_are_the_first_columns(stages: Stages) -> None:
    for layers in stages.layers:
        widest = stages.fire(layers, stages.widths(layers), NEURONS[:2])
        for outputs in {1, 7, 16, 40, 65, 97, 104, 131} & set(range(stages.widths(layers))):
            narrow = stages.fire(layers, outputs, NEURONS[:2])
            for setting, expected in zip(narrow, widest, strict=True):
                for spikes, all_spikes in zip(setting, expected, strict=True):
                    assert spikes.shape[-1] == outputs
                    assert torch.equal(spikes, all_spikes[..., :outputs])


def test_slices_are_read_as_they_are(stages: Stages) -> None:
    """Inputs that are not contiguous: of a wider tensor the first channels."""
    network = stages.lively.supernet
    run = EventDriven(network, 1).forward_pass(stages.lively.subnet, stages.statistics, Untallied())
    q, k, v, _ = (
        each if isinstance(each, int) else each[..., :104] for each in stages.watched.products["block.0.attn"]
    )
    attention = network.block[0].attn.attention
    whole = [x.contiguous() for x in (q, k, v)]
    assert not any(x.is_contiguous() for x in (q, k, v))
    expected, found = (run.attend(attention, *each, 4, NEURONS[1]) for each in (whole, (q, k, v)))
    assert torch.equal(found, expected)
    for layers in stages.layers:
        x = stages.watched.inputs[layers[0].weights.name]
        half = x[..., : max(x.shape[-1] // 2, 1)]
        with torch.no_grad():
            ((expected, *_),) = run.fire(layers, half.contiguous(), 7, NEURONS[:1])
            ((found, *_),) = run.fire(layers, half, 7, NEURONS[:1])
        assert torch.equal(found, expected)
    map_TBHWC = stages.watched.spikes["patch_embed.proj_bn2"]
    assert torch.equal(run.pool(map_TBHWC[..., :9]), run.pool(map_TBHWC)[..., :9])


def test_shapes_are_those_of_the_widest_subnet(stages: Stages) -> None:
    """What the tests above rely on: tiles of several sizes."""
    assert stages.lively.config.shape == replace(
        NetworkShape(7, 3, 5, 132, (3,)), neuron_params=stages.lively.config.shape.neuron_params
    )
    assert [stages.widths(layers) for layers in stages.layers] == [16, 33, 66, 132, 132, 132, 132, 264, 132]
