"""What a subnet measures: statistics of its own, exact counts, predictions that do not depend on the batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine.choice import EngineName, make_engine
from autospikformer_cli.engine.dense import Counting
from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.counting import Counter
from autospikformer_cli.evaluation.evaluator import Evaluator, SubnetResult, moment_facts
from autospikformer_cli.space import SearchSpace, Subnet, parse_subnet
from autospikformer_cli.spiking.layout import NetworkShape, num_neurons, num_params, operations
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.neuron_kinds import NeuronKind
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm, FixedStatistics, Moments
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


ENGINES = ("event_driven", "dense")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> EngineName:
    """What runs the subnets: the tests that have it hold for either."""
    name: EngineName = request.param
    return name


def evaluator(
    supernet: Supernet, batchnorm: Any = "recalibrate", batch: int = 64, engine: EngineName | None = None,
    threads: int = 1, calibration: ImageSet = CALIBRATION,
) -> Evaluator:  # fmt: skip
    return Evaluator(make_engine(supernet, threads, engine), DESCRIPTION, calibration, batchnorm, batch)


def agree(engine: EngineName, found: Tensor, expected: Tensor) -> bool:
    """Bit for bit where the engine promises it, else but for float64's last bits."""
    if engine == "event_driven":
        return torch.equal(found, expected)
    return found.shape == expected.shape and float((found - expected).abs().max()) < 1e-9


def pixels(images: ImageSet) -> Tensor:
    """Normalised frames, computed here."""
    scaled = images.images.numpy().astype(np.float64) / 255
    return torch.from_numpy((scaled - DESCRIPTION.mean) / np.array(DESCRIPTION.std))


def convolved(x_MHWC: Any, weights: Any) -> Any:
    """A 3 x 3 convolution with one row and column of zeros around, tap by tap."""
    padded = np.pad(x_MHWC, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x_MHWC.shape[1:3]
    taps = [(row, column) for row in range(3) for column in range(3)]
    return sum(padded[:, r : r + height, c : c + width] @ weights[:, :, r, c].T for r, c in taps)


@dataclass
class TwoPass:
    """Statistics computed by numpy from what layers read and their weights, mean first, and kept.

    read: inputs by layer, which a watcher keeps before the layer is asked for its moments.
    """

    weights: dict[str, Tensor]
    read: dict[str, Tensor]
    by_layer: dict[str, Moments] = field(default_factory=dict)

    def outputs(self, norm: str, channels: int) -> Any:
        """What the BatchNorm of that name normalises, (rows, channels)."""
        is_linear = norm.startswith("block")
        layer = norm.replace("bn", "linear" if is_linear else "conv")
        x = self.read[layer].numpy()
        weights = self.weights[f"{layer}.weight"][:channels, : x.shape[-1]].numpy()
        if is_linear:
            return (x @ weights.T + self.weights[f"{layer}.bias"][:channels].numpy()).reshape(-1, channels)
        return convolved(x.reshape(-1, *x.shape[2:]), weights).reshape(-1, channels)

    def moments(self, norm: ElasticBatchNorm, channels: int, measure: Callable[[], Moments]) -> Moments:
        """The batch's own, without asking for them."""
        rows = self.outputs(norm.name, channels)
        mean = np.array([column.mean() for column in rows.T])
        variance = np.array([((column - m) ** 2).mean() for column, m in zip(rows.T, mean, strict=True)])
        self.by_layer[norm.name] = Moments(torch.from_numpy(mean), torch.from_numpy(variance))
        return self.by_layer[norm.name]


# Statistics


@pytest.mark.parametrize("subnet", [SUBNET, SHALLOW], ids=str)
def test_recalibrated_statistics_are_two_passes_layer_by_layer(
    supernet: Supernet, engine: EngineName, subnet: Subnet, watcher: Any
) -> None:
    expected = TwoPass(supernet.state_dict(), watcher.inputs)
    with torch.no_grad():
        supernet.run(pixels(CALIBRATION)[None], subnet, watcher.on(supernet.in_torch(subnet, expected)))
    statistics = evaluator(supernet, engine=engine).statistics(subnet)
    assert isinstance(statistics, FixedStatistics)
    assert list(statistics.by_layer) == list(expected.by_layer)
    assert len(statistics.by_layer) == 5 + 6 * subnet.depth
    for name, (mean, variance) in statistics.by_layer.items():
        torch.testing.assert_close(mean, expected.by_layer[name].mean, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(variance, expected.by_layer[name].variance, rtol=1e-9, atol=1e-12)


def test_recalibration_leaves_the_supernet_as_it_is(supernet: Supernet, engine: EngineName) -> None:
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    for batchnorm in ("recalibrate", "running", "batch"):
        evaluator(supernet, batchnorm, engine=engine).measure(SUBNET, IMAGES)
    assert all(torch.equal(value, before[name]) for name, value in supernet.state_dict().items())
    assert all(parameter.grad is None for parameter in supernet.parameters())


def test_the_order_of_the_calibration_images_is_no_matter(supernet: Supernet, engine: EngineName) -> None:
    rows = torch.randperm(11, generator=torch.Generator().manual_seed(1))
    shuffled = ImageSet(CALIBRATION.images[rows], CALIBRATION.labels[rows], rows, "train", "")
    evaluators = [evaluator(supernet, engine=engine, calibration=images) for images in (CALIBRATION, shuffled)]
    one, other = (each.measure(SUBNET, IMAGES) for each in evaluators)
    assert other.measurement == one.measurement
    assert agree(engine, other.predictions.logits, one.predictions.logits)
    own, again = (each.statistics(SUBNET).by_layer for each in evaluators)  # type: ignore[attr-defined]
    assert all(agree(engine, *pair) for name in own for pair in zip(own[name], again[name], strict=True))


# Results


def test_predictions_are_the_networks(supernet: Supernet, engine: EngineName) -> None:
    for batchnorm in ("recalibrate", "running", "batch"):
        measured = evaluator(supernet, batchnorm, engine=engine)
        with torch.no_grad():
            logits = supernet(pixels(IMAGES)[None], SUBNET, measured.statistics(SUBNET))
        result = measured.measure(SUBNET, IMAGES)
        torch.testing.assert_close(result.predictions.logits, logits, rtol=0, atol=1e-9)
        assert torch.equal(result.predictions.labels, IMAGES.labels)
        assert torch.equal(result.predictions.index, IMAGES.index)
        correct = sum(int(row.argmax()) == int(label) for row, label in zip(logits, IMAGES.labels, strict=True))
        assert result.measurement.correct == correct
        right = [int(row.argmax()) == int(label) for row, label in zip(logits, IMAGES.labels, strict=True)]
        assert result.measurement.answers == int("".join("01"[each] for each in (*right, 0, 0, 0)), 2).to_bytes(2)
        assert result.measurement.top1 == 100 * correct / 13


@pytest.mark.parametrize("batchnorm", ["recalibrate", "running"])
@pytest.mark.parametrize("threads", [1, 2])
def test_results_do_not_depend_on_the_batch(
    supernet: Supernet, engine: EngineName, batchnorm: Any, threads: int
) -> None:
    whole = evaluator(supernet, batchnorm, 64, engine).measure(SUBNET, IMAGES)
    for batch in (1, 3, 7, 13):
        result = evaluator(supernet, batchnorm, batch, engine, threads).measure(SUBNET, IMAGES)
        assert result.measurement == whole.measurement
        assert torch.equal(result.predictions.logits.argmax(-1), whole.predictions.logits.argmax(-1))
        assert agree(engine, result.predictions.logits, whole.predictions.logits)


def test_the_dense_engine_computes_a_last_batch_as_a_whole_one(supernet: Supernet) -> None:
    """To the bit, images beside it or none: a batch of another size would be another product for torch."""
    rows = torch.tensor([12, 3, 5, 8])
    whole = ImageSet(IMAGES.images[rows], IMAGES.labels[rows], rows, "validation", "")
    measured = evaluator(supernet, "running", 4, "dense")
    alone = measured.measure(SUBNET, IMAGES).predictions.logits[-1]
    assert torch.equal(measured.measure(SUBNET, whole).predictions.logits[0], alone)


@pytest.mark.parametrize("batchnorm", ["recalibrate", "running", "batch"])
@pytest.mark.parametrize("subnet", [SUBNET, SHALLOW], ids=str)
def test_engines_agree(supernet: Supernet, batchnorm: Any, subnet: Subnet) -> None:
    """In every count, silent channels and synaptic events among them; in logits, but for float64's last bits."""
    one, other = (evaluator(supernet, batchnorm, 5, engine).measure(subnet, IMAGES) for engine in ENGINES)
    assert one.measurement == other.measurement
    torch.testing.assert_close(one.predictions.logits, other.predictions.logits, rtol=0, atol=1e-9)


def test_results_under_batch_statistics_do(supernet: Supernet, engine: EngineName) -> None:
    one, other = (evaluator(supernet, "batch", batch, engine).measure(SUBNET, IMAGES) for batch in (13, 4))
    assert one.measurement != other.measurement


def test_subnets_are_measured_alike_in_any_order(supernet: Supernet, engine: EngineName) -> None:
    measured = evaluator(supernet, engine=engine)
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
def test_counts_are_brute_force(supernet: Supernet, engine: EngineName, subnet: Subnet, watcher: Any) -> None:
    """Batches of 4 against every element of one pass over all images, one after the other."""
    measured = evaluator(supernet, batch=4, engine=engine)
    with torch.no_grad():
        run = watcher.on(supernet.in_torch(subnet, measured.statistics(subnet)))
        supernet.run(pixels(IMAGES)[None], subnet, run)
    result: SubnetResult = measured.measure(subnet, IMAGES)
    shape = supernet.config.shape
    found = operations(shape, subnet)
    real = {operation.reads for operation in found if operation.input_kind == "real"}
    assert real == {"patch_embed.proj_conv", "head"}
    assert [count.layer for count in result.measurement.inputs] == list(dict.fromkeys(o.reads for o in found))
    macs = {operation.reads: operation.macs for operation in found}
    for count in result.measurement.inputs:
        values = watcher.inputs[count.layer].tolist()
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
    assert list(emitted) == list(watcher.spikes)
    for name, spikes in watcher.spikes.items():
        assert emitted[name].spikes == tuple(int(sum(np.array(step).ravel().tolist())) for step in spikes.tolist())
        assert emitted[name].neurons == spikes[0, 0].numel()
    total = sum(int(spikes.sum()) for spikes in watcher.spikes.values())
    neurons = num_neurons(shape, subnet)
    assert sum(count.neurons for count in emitted.values()) == neurons
    assert result.measurement.firing_rate == total / (13 * neurons * subnet.time_step)
    assert 0.05 < result.measurement.firing_rate < 0.6
    assert result.measurement.params == num_params(shape, subnet)
    integers = [count for count in result.measurement.inputs if count.sums != count.nonzeros and count.sums]
    assert {count.layer.rpartition(".")[2] for count in integers} >= {"q_linear", "fc1_linear"}
    executed = {o.name for order in ("qk_v", "q_kv") for o in operations(shape, subnet, order) if o.reads not in real}
    assert {count.operation for count in result.measurement.synapses} == executed
    assert all(len(count.events) == len(count.passes) == subnet.time_step for count in result.measurement.synapses)


TINY = parse_subnet("(1, 2, 2, 1, 2, 2, 8)")


def counted(shape: NetworkShape) -> tuple[Counter, Counting]:
    """What adds up the counts of TINY, and what a dense pass tells of it."""
    space = SearchSpace((1,), TINY.mlp_ratio, TINY.num_heads, TINY.threshold, TINY.tau, (2,), (8,))
    counter = Counter()
    return counter, Counting(NetworkConfig(shape, space), TINY, counter)


def test_sums_are_exact_in_float32() -> None:
    """An odd number of ones, beyond those that float32 holds."""
    counter, counting = counted(NetworkShape(8, 2, 4, 8))
    ones = torch.ones(1, 40, 1700, 256)
    ones[0, 0, 0, 0] = 0
    odd = 40 * 1700 * 256 - 1
    assert odd > 2**24
    counting.emits("block.0.attn.q_bn", ones)
    counting.reads("block.0.mlp.fc2_linear", ones)
    counting.reads("block.0.mlp.fc1_linear", ones * 2)
    assert counter.emitted(TINY.time_step)[0].spikes == (odd,)
    assert [tuple(each.tolist()) for each in counter.values["block.0.mlp.fc2_linear"]] == [(odd,), (odd,)]
    assert [tuple(each.tolist()) for each in counter.values["block.0.mlp.fc1_linear"]] == [(2 * odd,), (odd,)]
    assert [(c.operation, c.events, c.passes) for c in counter.executed(TINY.time_step)] == [
        ("block.0.mlp.fc2_linear", (8 * odd,), (8 * odd,)),
        ("block.0.mlp.fc1_linear", (2 * 16 * odd,), (16 * odd,)),
    ]


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_spikes_in_half_precision_are_counted_exactly(half: torch.dtype) -> None:
    """bfloat16 holds whole numbers up to 256, float16 up to 2048. There are more channels."""
    generator = torch.Generator().manual_seed(0)
    q, k, v, residual = ((torch.rand(2, 1, 300, 2500, generator=generator) < 0.9).float() for _ in range(4))
    counted_in = []
    for dtype in (torch.float32, half):
        counter, counting = counted(NetworkShape(8, 2, 4, 8))
        counting.emits("block.0.attn.q_bn", q.to(dtype))
        counting.reads("block.0.mlp.fc2_linear", k.to(dtype))
        counting.reads("block.0.mlp.fc1_linear", (v + residual).to(dtype))
        counting.multiplies("block.0.attn", *(each.to(dtype) for each in (q, k, v)), 4)
        counted_in.append(
            (counter.emitted(2), counter.executed(2), {n: list(map(list, v)) for n, v in counter.values.items()})
        )
    assert counted_in[0][0][0].spikes == tuple(int(each) for each in q.sum((1, 2, 3), dtype=torch.float64))
    assert counted_in[1] == counted_in[0]


@pytest.mark.parametrize("column", [0, 3])
def test_counts_of_events_are_exact_in_float32(column: int) -> None:
    """2^24 + 1 events at one place, no number of float32, which reach 4 outputs of each channel in a corner, else 6."""
    counter, counting = counted(NetworkShape(8, 2, 4, 8, reads_events=True))
    frames = torch.zeros(1, 1, 8, 8, 2)
    frames[0, 0, 7, column] = torch.tensor([2.0**24, 1.0])
    counting.reads("patch_embed.proj_conv", frames)
    assert [tuple(each.tolist()) for each in counter.values["patch_embed.proj_conv"]] == [(2**24 + 1,), (2,)]
    outputs = 4 if column == 0 else 6  # the first convolution has one channel, an eighth of the widest
    (convolved,) = counter.executed(TINY.time_step)
    assert (convolved.events, convolved.passes) == ((outputs * (2**24 + 1),), (outputs * 2,))


def test_batches_of_any_size_add_up() -> None:
    counter, counting = counted(NetworkShape(8, 2, 4, 8))
    for images in (2, 5):
        counting.reads("block.0.attn.q_linear", torch.full((2, images, 4, 8), 2.0))
        counting.emits("block.0.attn.q_bn", torch.ones(2, images, 4, 8))
    assert counter.sizes["block.0.attn.q_linear"] == 7 * 32
    assert counter.values["block.0.attn.q_linear"].sums.tolist() == [2 * 7 * 32] * 2
    assert counter.values["block.0.attn.q_linear"].nonzeros.tolist() == [7 * 32] * 2
    assert [(count.operation, count.events, count.passes) for count in counter.executed(TINY.time_step)] == [
        ("block.0.attn.q_linear", (8 * 2 * 7 * 32,) * 2, (8 * 7 * 32,) * 2)
    ]
    assert [(count.layer, count.spikes, count.neurons) for count in counter.emitted(TINY.time_step)] == [
        ("block.0.attn.q_bn", (7 * 32, 7 * 32), 32)
    ]


# Silent channels


def test_channels_without_variance_are_counted(supernet: Supernet, engine: EngineName) -> None:
    def silent(batchnorm: str) -> int:
        measured = evaluator(supernet, batchnorm, engine=engine)
        return measured.measure(SUBNET, IMAGES).measurement.silent_channels

    assert silent("recalibrate") == 0
    weight = supernet.block[0].mlp.fc1_linear.weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight[:3] = 0
        weight[-1] = 0
    try:
        assert (silent("recalibrate"), silent("running"), silent("batch")) == (3, 0, 0)
    finally:
        with torch.no_grad():
            weight.copy_(kept)


def test_silent_means_below_eps() -> None:
    variance = torch.tensor([0.0, 0.9e-5, 1e-5, 1.0], dtype=torch.float64)
    assert moment_facts([Moments(torch.zeros(4), variance)]) == (2, True)
    assert moment_facts([]) == (0, True)


# Embedding


def test_embedding_rates_are_means_over_time(supernet: Supernet, engine: EngineName, watcher: Any) -> None:
    measured = evaluator(supernet, batch=4, engine=engine)
    rates = measured.embedding_rates(SUBNET, IMAGES)
    with torch.no_grad():
        run = watcher.on(supernet.in_torch(SUBNET, measured.statistics(SUBNET)))
        supernet.run(pixels(IMAGES)[None], SUBNET, run)
    tokens_TBND = watcher.inputs["block.0.attn.q_linear"]
    assert rates.shape == (13, 8, 4, 4)
    for image, channel, row, column in [(0, 0, 0, 0), (12, 7, 3, 2), (5, 3, 1, 0)]:
        steps = tokens_TBND[:, image, 4 * row + column, channel].tolist()
        assert float(rates[image, channel, row, column]) == pytest.approx(sum(steps) / 3 / 2)
    assert 0 <= float(rates.min()) < float(rates.max()) <= 1


def test_a_plugins_neuron_must_spike(supernet: Supernet) -> None:
    """What is not 0 or 1 would be priced as spikes."""

    class Graded(NeuronKind):
        def forward(self, current_TMC: Tensor, time_step: int, neuron: Neuron) -> Tensor:
            return torch.sigmoid(current_TMC).expand(time_step, -1, -1)

    graded = Supernet(replace(supernet.config, neuron=Graded)).double()
    for engine in (None, "dense"):
        with pytest.raises(UserError, match="the neuron Graded emits other values than 0 and 1"):
            evaluator(graded, "batch", engine=engine).measure(SUBNET, IMAGES)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="cannot run the neuron Graded, which has no form for compiled loops"):
        evaluator(graded, "batch", engine="event_driven")
