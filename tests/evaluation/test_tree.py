"""Subnets measured together are measured as alone, to the last bit, whoever is beside them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine.choice import EngineName, make_engine
from autospikformer_cli.engine.event_driven import EventDrivenPass
from autospikformer_cli.evaluation.evaluator import Evaluator, SubnetResult
from autospikformer_cli.evaluation.stems import StemKey
from autospikformer_cli.evaluation.walk import Walk
from autospikformer_cli.space import SearchSpace, Subnet, parse_subnet, subnet_from_tuple
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = SearchSpace(
    depth=(1, 2, 3),
    mlp_ratio=(Decimal(1), Decimal("1.05"), Decimal(2), Decimal(3)),  # of the first two a hidden layer is as wide
    num_heads=(2, 4),
    threshold=(Decimal("0.6"), Decimal(1)),
    tau=(Decimal("1.25"), Decimal(2)),
    time_step=(1, 2, 4),
    embed_dim=(8, 12, 16),
)
MEMORIES = (1, 20_000, 10**9)
"""Bytes: one setting of neurons at a time, a few, all."""


def image_set(number: int, seed: int, frames: int) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    shape = (number, frames, 8, 8, 2) if frames > 1 else (number, 8, 8, 2)
    images = torch.randint(256 if frames == 1 else 3, shape, generator=generator, dtype=torch.uint8)
    labels = torch.randint(4, (number,), generator=generator)
    return ImageSet(images, labels, torch.arange(number), "validation", "")


class Measurements:
    """A supernet, and what its subnets measure alone, each by an evaluator of its own."""

    def __init__(
        self, engine: EngineName, batchnorm: Any, frames: int, scope: Any, network: Any = "spikformer",
        fixed_heads: int | None = None, dtype: torch.dtype = torch.float64,
    ) -> None:  # fmt: skip
        shape = NetworkShape(
            8, 2, 4, 16, pooled_stages=(3,), reads_events=frames > 1, network=network, fixed_heads=fixed_heads
        )
        config = NetworkConfig(shape, SPACE, attention_scale=0.5, threshold_scope=scope)
        self.supernet = Supernet(config).to(dtype)
        self.description = DataDescription(
            4, 2, 8, mean=(0.5, 0.4), std=(0.3, 0.2), num_frames=frames if frames > 1 else None
        )
        self.images, self.calibration = image_set(7, 1, frames), image_set(5, 2, frames)
        self.name, self.batchnorm = engine, batchnorm
        self.alone: dict[Subnet, SubnetResult] = {}
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for name, parameter in self.supernet.named_parameters():
                if "_bn" in name:
                    low, high = (1.0, 4.0) if name.endswith("weight") else (-2.0, 1.5)
                    parameter.uniform_(low, high, generator=generator)
                else:
                    parameter.normal_(0, 1, generator=generator)
            for module in self.supernet.modules():
                if isinstance(module, ElasticBatchNorm):
                    module.running_mean.normal_(0, 1, generator=generator)
                    module.running_var.uniform_(5, 20, generator=generator)

    def evaluator(self, memory: int = MEMORIES[-1], batch: int = 4) -> Evaluator:
        engine = make_engine(self.supernet, 1, self.name)
        return Evaluator(engine, self.description, self.calibration, self.batchnorm, batch, memory)

    def expected(self, subnet: Subnet) -> SubnetResult:
        if subnet not in self.alone:
            self.alone[subnet] = self.evaluator().measure(subnet, self.images)
        return self.alone[subnet]

    def check(self, found: dict[Subnet, SubnetResult], subnets: list[Subnet]) -> None:
        assert set(found) == set(subnets)
        for subnet, result in found.items():
            expected = self.expected(subnet)
            assert result.measurement == expected.measurement, subnet
            assert torch.equal(result.predictions.logits, expected.predictions.logits), subnet


@pytest.fixture(
    scope="module",
    params=[
        ("event_driven", "recalibrate", 1, "block"),
        ("event_driven", "recalibrate", 1, "fc1"),
        ("event_driven", "recalibrate", 4, "block"),
        ("event_driven", "running", 1, "block"),
        ("event_driven", "running", 4, "block"),
        ("event_driven", "batch", 1, "block"),
        ("dense", "recalibrate", 1, "block"),
        ("dense", "running", 4, "block"),
        ("dense", "batch", 1, "fc1"),
        ("dense", "recalibrate", 1, "block", "transformer"),
        ("event_driven", "batch", 1, "fc1", "spikformer", 4),
        ("event_driven", "recalibrate", 1, "block", "spikformer", None, torch.float32),
    ],
    ids=lambda each: "-".join(map(str, each)),
)
def measured(request: pytest.FixtureRequest) -> Measurements:
    return Measurements(*request.param)


@st.composite
def subnets_of(draw: st.DrawFn) -> list[Subnet]:
    """Distinct subnets in any order, most of them near the first: what a generation's children are."""
    pool = [SPACE.sample(Random(draw(st.integers(0, 10**6))))]
    for _ in range(draw(st.integers(0, 7))):
        changed = _changed(draw, draw(st.sampled_from(pool)))
        pool.append(changed if draw(st.booleans()) else SPACE.sample(Random(draw(st.integers(0, 10**6)))))
    return draw(st.permutations(list(dict.fromkeys(pool))))


def _changed(draw: st.DrawFn, subnet: Subnet) -> Subnet:
    """Another time step, or another gene of a block."""
    gene = draw(st.sampled_from(["time_step", "mlp_ratio", "num_heads", "threshold", "tau"]))
    value = draw(st.sampled_from(getattr(SPACE, gene)))
    if gene == "time_step":
        return replace(subnet, time_step=value)
    block = draw(st.integers(0, subnet.depth - 1))
    values = getattr(subnet, gene)
    return replace(subnet, **{gene: (*values[:block], value, *values[block + 1 :])})


@settings(max_examples=12)
@given(subnets=subnets_of(), others=subnets_of(), memory=st.sampled_from(MEMORIES))
def test_what_a_subnet_measures_does_not_depend_on_the_others(
    measured: Measurements, subnets: list[Subnet], others: list[Subnet], memory: int
) -> None:
    """Counts, accuracy and logits, whatever was evaluated before, and whatever waits for lack of memory."""
    evaluator = measured.evaluator(memory)
    for generation in (subnets, others, subnets):
        found: dict[Subnet, SubnetResult] = {}
        for part in evaluator.measure_many(generation, measured.images):
            found |= part
        measured.check(found, generation)


def test_subnets_that_compute_the_same_end_at_one_leaf() -> None:
    """Heads that change nothing, and ratios whose hidden layers are as wide: each subnet has its own measurement."""
    measured = Measurements("event_driven", "recalibrate", 1, "block", "spikformer", 4)
    texts = ("(1, 1, 2, 1, 2, 2, 8)", "(1, 1, 4, 1, 2, 2, 8)", "(1, 1.05, 4, 1, 2, 2, 8)")
    subnets = [parse_subnet(text) for text in texts]
    (found,) = measured.evaluator().measure_many(subnets, measured.images)
    measured.check(found, subnets)
    assert len({id(result.predictions.logits) for result in found.values()}) == 1


def test_batches_and_threads_change_nothing() -> None:
    measured = Measurements("event_driven", "recalibrate", 1, "block")
    subnets = list({SPACE.sample(Random(seed)) for seed in range(12)})
    for batch, threads in ((1, 1), (3, 2), (64, 2)):
        engine = make_engine(measured.supernet, threads, "event_driven")
        evaluator = Evaluator(engine, measured.description, measured.calibration, "recalibrate", batch)
        found: dict[Subnet, SubnetResult] = {}
        for part in evaluator.measure_many(subnets, measured.images):
            found |= part
        measured.check(found, subnets)


def test_fewer_steps_count_fewer_though_memory_parts_the_neurons_that_share_them() -> None:
    """One batch has room for both settings of a layer, 2 steps and 4, and the other has not."""
    measured = Measurements("event_driven", "running", 1, "block")
    subnets = [
        subnet_from_tuple(each)
        for each in (
            (2, 2, 3, 4, 4, 1, 1, 1.25, 2, 2, 16),
            (2, 2, 2, 4, 4, 1, 1, 1.25, 2, 4, 16),
            (2, 2, 2, 4, 4, 1, 1, 1.25, 2, 2, 16),
            (2, 2, 2, 4, 4, 1, 1, 2, 2, 4, 16),
        )
    ]
    for memory in (5_000, 10_000, 20_000, 40_000):
        (found,) = measured.evaluator(memory).measure_many(subnets, measured.images)
        measured.check(found, subnets)


@pytest.fixture
def fired(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Of every pass of the engine the layer, and the settings of neurons behind its sums."""
    seen: list[tuple[str, int]] = []
    fire = EventDrivenPass.fire

    def noted(self: EventDrivenPass, layers: Any, x: Any, outputs: int, neurons: Any) -> Any:
        seen.append((layers[0].weights.name, len(neurons)))
        return fire(self, layers, x, outputs, neurons)

    monkeypatch.setattr(EventDrivenPass, "fire", noted)
    return seen


def one_block(tau: str = "2", mlp_ratio: int = 2, embed_dim: int = 8) -> Subnet:
    return Subnet((Decimal(mlp_ratio),), (2,), (Decimal(1),), (Decimal(tau),), 2, embed_dim)


@pytest.mark.parametrize(("memory", "passes"), [(10**9, [2]), (1, [1, 1])])
def test_one_accumulation_feeds_all_settings_that_memory_holds(
    fired: list[tuple[str, int]], memory: int, passes: list[int]
) -> None:
    measured = Measurements("event_driven", "running", 1, "block")
    subnets = [one_block("1.25"), one_block("2"), one_block("2", mlp_ratio=3)]
    list(measured.evaluator(memory, batch=7).measure_many(subnets, measured.images))
    assert [settings for name, settings in fired if name == "block.0.attn.q_linear"] == passes
    of_fc1 = [settings for name, settings in fired if name == "block.0.mlp.fc1_linear"]
    assert of_fc1 == [1, 1]  # both widths of the second in one


def test_a_stem_is_computed_once(fired: list[tuple[str, int]]) -> None:
    measured = Measurements("event_driven", "recalibrate", 1, "block")
    evaluator = measured.evaluator()
    evaluator.measure(one_block("2"), measured.images)
    assert any(name.startswith("patch_embed") for name, _ in fired)
    fired.clear()
    evaluator.measure(one_block("1.25"), measured.images)
    assert fired
    assert not any(name.startswith("patch_embed") for name, _ in fired)


def test_without_memory_only_the_stem_in_use_is_kept() -> None:
    measured = Measurements("event_driven", "running", 1, "block")
    evaluator = measured.evaluator(memory=1)
    for dim in (8, 16):
        evaluator.measure(one_block(embed_dim=dim), measured.images)
        assert [StemKey(2, each) in evaluator.stems for each in (8, 16)] == [dim == 8, dim == 16]


def test_stems_that_fit_no_memory_together_are_computed_one_after_the_other(fired: list[tuple[str, int]]) -> None:
    """Nothing else is kept than memory allows, one stem at least; what is used last is needed first next time."""
    measured = Measurements("event_driven", "running", 1, "block")
    evaluator = measured.evaluator(memory=1)
    subnets = [one_block(embed_dim=dim) for dim in (16, 8, 12)]
    stems = []
    for _ in range(3):
        fired.clear()
        (found,) = evaluator.measure_many(subnets, measured.images)
        stems.append(sum(name == "patch_embed.rpe_conv" for name, _ in fired))
        measured.check(found, subnets)
        assert len([dim for dim in (8, 12, 16) if StemKey(2, dim) in evaluator.stems]) == 1
    batches = -(-len(measured.images) // evaluator.batch)
    assert stems == [3 * batches, 2 * batches, 2 * batches]


def test_what_waits_is_known_and_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken for waiting at the end; the last branch holds none of the spikes of those before it."""
    measured = Measurements("event_driven", "recalibrate", 1, "block")
    subnets = list({SPACE.sample(Random(seed)) for seed in range(30)})
    most: list[int] = []
    below, executed = Walk.below, Walk._executed

    def watched(self: Walk, *arguments: Any) -> None:
        below(self, *arguments)
        assert self._waiting == 0

    def noted(self: Walk, family: Any, children: Any, state: Any) -> Any:
        for node, behind in executed(self, family, children, state):
            most[-1] = max(most[-1], self._waiting)
            if node is children[-1]:
                assert all(x.untyped_storage().nbytes() == x.nbytes for x in behind.branch)
            yield node, behind

    monkeypatch.setattr(Walk, "below", watched)
    monkeypatch.setattr(Walk, "_executed", noted)
    for memory in MEMORIES:
        most.append(0)
        for part in measured.evaluator(memory).measure_many(subnets, measured.images):
            assert part
    assert most[0] < most[2] / 2
    assert most[1] <= most[2]
