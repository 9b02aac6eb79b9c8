"""What a subnet measures: statistics of its own, exact counts, predictions that do not depend on the batch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.counting import Counter, step_sums
from autospikformer_cli.evaluation.evaluator import Evaluator, Result, silent_channels
from autospikformer_cli.space import SearchSpace, Subnet, parse_subnet
from autospikformer_cli.spiking.layout import NetworkShape, num_neurons, num_params, operations
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.nodes import Node
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm, FixedStatistics, Moments, RunningStatistics
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = SearchSpace(
    depth=(1, 2),
    mlp_ratio=(Decimal(2), Decimal(3)),
    num_heads=(2, 4),
    threshold=(Decimal("0.6"), Decimal(1)),
    tau=(Decimal("1.25"), Decimal(2)),
    time_step=(2, 3),
    embed_dim=(8, 16),
)
SUBNET = parse_subnet("(2, 2, 3, 4, 2, 0.6, 1, 2, 1.25, 3, 8)")
SHALLOW = parse_subnet("(1, 3, 2, 0.6, 1.25, 2, 16)")
DESCRIPTION = DataDescription(num_classes=4, in_channels=2, image_size=8, mean=(0.5, 0.4), std=(0.3, 0.2))


def image_set(number: int, seed: int) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (number, 8, 8, 2), generator=generator, dtype=torch.uint8)
    labels = torch.randint(4, (number,), generator=generator)
    return ImageSet(images, labels, torch.arange(100, 100 + number), "validation", "")


IMAGES, CALIBRATION = image_set(13, 1), image_set(11, 2)


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    """Float64, with random weights and BatchNorms that keep the neurons firing."""
    shape = NetworkShape(image_size=8, in_channels=2, num_classes=4, widest_dim=16, pooled_stages=(3,))
    network = Supernet(NetworkConfig(shape, SPACE, attention_scale=0.5)).double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "_bn" in name:
                parameter.uniform_(*((1.0, 4.0) if name.endswith("weight") else (-2.0, 1.5)), generator=generator)
            else:
                parameter.normal_(0, 1, generator=generator)
        for module in network.modules():
            if isinstance(module, ElasticBatchNorm):
                module.running_mean.normal_(0, 1, generator=generator)
                module.running_var.uniform_(5, 20, generator=generator)
    return network


def evaluator(supernet: Supernet, batchnorm: Any = "recalibrate", batch: int = 64) -> Evaluator:
    return Evaluator(supernet, DESCRIPTION, CALIBRATION, batchnorm, batch)


def pixels(images: ImageSet) -> Tensor:
    """Normalised frames, computed here."""
    scaled = images.images.numpy().astype(np.float64) / 255
    return torch.from_numpy((scaled - DESCRIPTION.mean) / np.array(DESCRIPTION.std))


@dataclass
class TwoPass:
    """Statistics computed by numpy, mean first, and kept."""

    by_layer: dict[str, Moments] = field(default_factory=dict)

    def moments(self, norm: ElasticBatchNorm, x_TBPC: Tensor) -> Moments:
        """The batch's own."""
        rows = x_TBPC.numpy().reshape(-1, x_TBPC.shape[-1])
        mean = np.array([column.mean() for column in rows.T])
        variance = np.array([((column - m) ** 2).mean() for column, m in zip(rows.T, mean, strict=True)])
        self.by_layer[norm.name] = Moments(torch.from_numpy(mean), torch.from_numpy(variance))
        return self.by_layer[norm.name]


@dataclass
class Everything:
    """An observer that keeps what it sees."""

    inputs: dict[str, Tensor] = field(default_factory=dict)
    spikes: dict[str, Tensor] = field(default_factory=dict)

    def reads(self, name: str, x_TBPC: Tensor) -> None:
        """Keep a layer's input."""
        self.inputs[name] = x_TBPC

    def emits(self, name: str, spikes_TBPC: Tensor) -> None:
        """Keep a layer's spikes."""
        self.spikes[name] = spikes_TBPC


# Statistics


@pytest.mark.parametrize("subnet", [SUBNET, SHALLOW], ids=str)
def test_recalibrated_statistics_are_two_passes_layer_by_layer(supernet: Supernet, subnet: Subnet) -> None:
    expected = TwoPass()
    with torch.no_grad():
        supernet(pixels(CALIBRATION)[None], subnet, expected)
    statistics = evaluator(supernet).statistics(subnet)
    assert isinstance(statistics, FixedStatistics)
    assert list(statistics.by_layer) == list(expected.by_layer)
    assert len(statistics.by_layer) == 5 + 6 * subnet.depth
    for name, (mean, variance) in statistics.by_layer.items():
        torch.testing.assert_close(mean, expected.by_layer[name].mean, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(variance, expected.by_layer[name].variance, rtol=1e-9, atol=1e-12)


def test_recalibration_leaves_the_supernet_as_it_is(supernet: Supernet) -> None:
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    for batchnorm in ("recalibrate", "running", "batch"):
        evaluator(supernet, batchnorm).measure(SUBNET, IMAGES)
    assert all(torch.equal(value, before[name]) for name, value in supernet.state_dict().items())
    assert all(parameter.grad is None for parameter in supernet.parameters())


def test_the_order_of_the_calibration_images_is_no_matter(supernet: Supernet) -> None:
    rows = torch.randperm(11, generator=torch.Generator().manual_seed(1))
    shuffled = ImageSet(CALIBRATION.images[rows], CALIBRATION.labels[rows], rows, "train", "")
    one = evaluator(supernet).measure(SUBNET, IMAGES)
    other = Evaluator(supernet, DESCRIPTION, shuffled, "recalibrate", 64).measure(SUBNET, IMAGES)
    assert other.measurement == one.measurement
    torch.testing.assert_close(other.predictions.logits, one.predictions.logits, rtol=0, atol=1e-9)


# Results


def test_predictions_are_the_networks(supernet: Supernet) -> None:
    for batchnorm in ("recalibrate", "running", "batch"):
        measured = evaluator(supernet, batchnorm)
        with torch.no_grad():
            logits = supernet(pixels(IMAGES)[None], SUBNET, measured.statistics(SUBNET))
        result = measured.measure(SUBNET, IMAGES)
        torch.testing.assert_close(result.predictions.logits, logits, rtol=0, atol=1e-9)
        assert torch.equal(result.predictions.labels, IMAGES.labels)
        assert torch.equal(result.predictions.index, IMAGES.index)
        correct = sum(int(row.argmax()) == int(label) for row, label in zip(logits, IMAGES.labels, strict=True))
        assert result.measurement.correct == correct
        assert result.measurement.top1 == 100 * correct / 13


@pytest.mark.parametrize("batchnorm", ["recalibrate", "running"])
def test_results_do_not_depend_on_the_batch(supernet: Supernet, batchnorm: Any) -> None:
    whole = evaluator(supernet, batchnorm, 64).measure(SUBNET, IMAGES)
    for batch in (1, 3, 7, 13):
        result = evaluator(supernet, batchnorm, batch).measure(SUBNET, IMAGES)
        assert result.measurement == whole.measurement
        assert torch.equal(result.predictions.logits.argmax(-1), whole.predictions.logits.argmax(-1))
        torch.testing.assert_close(result.predictions.logits, whole.predictions.logits, rtol=0, atol=1e-9)


def test_results_under_batch_statistics_do(supernet: Supernet) -> None:
    one, other = (evaluator(supernet, "batch", batch).measure(SUBNET, IMAGES) for batch in (13, 4))
    assert one.measurement != other.measurement


def test_subnets_are_measured_alike_in_any_order(supernet: Supernet) -> None:
    measured = evaluator(supernet)
    first = measured.measure(SUBNET, IMAGES)
    between = measured.measure(SHALLOW, IMAGES)
    again = measured.measure(SUBNET, IMAGES)
    assert first.measurement == again.measurement != between.measurement
    assert torch.equal(first.predictions.logits, again.predictions.logits)


def test_progress_is_told_in_images(supernet: Supernet) -> None:
    told: list[int] = []
    evaluator(supernet, batch=5).measure(SUBNET, IMAGES, told.append)
    assert told == [5, 5, 3]


# Counts


@pytest.mark.parametrize("subnet", [SUBNET, SHALLOW], ids=str)
def test_counts_are_brute_force(supernet: Supernet, subnet: Subnet) -> None:
    """Batches of 4 against every element of one pass over all images, one after the other."""
    measured = evaluator(supernet, batch=4)
    seen = Everything()
    with torch.no_grad():
        supernet(pixels(IMAGES)[None], subnet, measured.statistics(subnet), seen)
    result: Result = measured.measure(subnet, IMAGES)
    shape = supernet.config.shape
    found = operations(shape, subnet)
    real = {operation.reads for operation in found if operation.input_kind == "real"}
    assert real == {"patch_embed.proj_conv", "head"}
    assert [count.layer for count in result.measurement.inputs] == list(dict.fromkeys(o.reads for o in found))
    macs = {operation.reads: operation.macs for operation in found}
    for count in result.measurement.inputs:
        values = seen.inputs[count.layer].tolist()
        elements = [np.array(step).ravel().tolist() for step in values]
        assert count.size == len(elements[0])
        assert count.macs == macs[count.layer]
        if count.layer in real:
            assert (count.sums, count.nonzeros, count.rate) == ((), (), None)
            continue
        assert count.sums == tuple(int(sum(step)) for step in elements)
        assert count.nonzeros == tuple(sum(value != 0 for value in step) for step in elements)
        assert len(count.sums) == subnet.time_step
        assert count.rate == sum(map(sum, elements)) / sum(map(len, elements))
    emitted = {count.layer: count for count in result.measurement.spikes}
    assert list(emitted) == list(seen.spikes)
    for name, spikes in seen.spikes.items():
        assert emitted[name].spikes == tuple(int(sum(np.array(step).ravel().tolist())) for step in spikes.tolist())
        assert emitted[name].neurons == spikes[0, 0].numel()
    total = sum(int(spikes.sum()) for spikes in seen.spikes.values())
    neurons = num_neurons(shape, subnet)
    assert sum(count.neurons for count in emitted.values()) == neurons
    assert result.measurement.firing_rate == total / (13 * neurons * subnet.time_step)
    assert 0.05 < result.measurement.firing_rate < 0.6
    assert result.measurement.params == num_params(shape, subnet)
    integers = [count for count in result.measurement.inputs if count.sums != count.nonzeros and count.sums]
    assert {count.layer.rpartition(".")[2] for count in integers} >= {"q_linear", "fc1_linear"}


def test_sums_are_exact_in_float32() -> None:
    """An odd number of ones, beyond those that float32 holds."""
    ones = torch.ones(1, 40, 1700, 256)
    ones[0, 0, 0, 0] = 0
    assert ones.numel() > 2**24
    assert step_sums(ones).tolist() == [40 * 1700 * 256 - 1]


def test_batches_of_any_size_add_up() -> None:
    subnet = parse_subnet("(1, 2, 2, 1, 2, 2, 8)")
    counter = Counter(operations(NetworkShape(8, 2, 4, 8), subnet))
    for images in (2, 5):
        counter.reads("block.0.attn.q_linear", torch.full((2, images, 4, 8), 2.0))
        counter.emits("block.0.attn.q_bn", torch.ones(2, images, 4, 8))
    assert counter.sizes["block.0.attn.q_linear"] == 7 * 32
    assert counter.sums["block.0.attn.q_linear"].tolist() == [2 * 7 * 32] * 2
    assert counter.nonzeros["block.0.attn.q_linear"].tolist() == [7 * 32] * 2
    assert [(count.layer, count.spikes, count.neurons) for count in counter.emitted()] == [
        ("block.0.attn.q_bn", (7 * 32, 7 * 32), 32)
    ]


# Silent channels


def test_channels_without_variance_are_counted(supernet: Supernet) -> None:
    assert evaluator(supernet).measure(SUBNET, IMAGES).measurement.silent_channels == 0
    weight = supernet.block[0].mlp.fc1_linear.weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight[:3] = 0
        weight[-1] = 0
    try:
        assert evaluator(supernet).measure(SUBNET, IMAGES).measurement.silent_channels == 3
        assert evaluator(supernet, "running").measure(SUBNET, IMAGES).measurement.silent_channels == 0
        assert evaluator(supernet, "batch").measure(SUBNET, IMAGES).measurement.silent_channels == 0
    finally:
        with torch.no_grad():
            weight.copy_(kept)


def test_silent_means_below_eps() -> None:
    variance = torch.tensor([0.0, 0.9e-5, 1e-5, 1.0], dtype=torch.float64)
    assert silent_channels(FixedStatistics({"norm": Moments(torch.zeros(4), variance)})) == 2
    assert silent_channels(RunningStatistics()) == 0


# Embedding


def test_embedding_rates_are_means_over_time(supernet: Supernet) -> None:
    measured = evaluator(supernet, batch=4)
    rates = measured.embedding_rates(SUBNET, IMAGES)
    seen = Everything()
    with torch.no_grad():
        supernet(pixels(IMAGES)[None], SUBNET, measured.statistics(SUBNET), seen)
    tokens_TBND = seen.inputs["block.0.attn.q_linear"]
    assert rates.shape == (13, 8, 4, 4)
    for image, channel, row, column in [(0, 0, 0, 0), (12, 7, 3, 2), (5, 3, 1, 0)]:
        steps = tokens_TBND[:, image, 4 * row + column, channel].tolist()
        assert float(rates[image, channel, row, column]) == pytest.approx(sum(steps) / 3 / 2)
    assert 0 <= float(rates.min()) < float(rates.max()) <= 1


def test_a_plugins_neuron_must_spike(supernet: Supernet) -> None:
    """What is not 0 or 1 would be priced as spikes."""

    class Graded(Node):
        def forward(self, current_TMC: Tensor, time_step: int, neuron: Neuron) -> Tensor:
            return torch.sigmoid(current_TMC).expand(time_step, -1, -1)

    graded = Supernet(replace(supernet.config, neuron=Graded)).double()
    with pytest.raises(UserError, match="the neuron Graded emits other values than 0 and 1"):
        evaluator(graded, "batch").measure(SUBNET, IMAGES)
