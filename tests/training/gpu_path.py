"""Tests of the path of a GPU, on a stand-in. `test_host_reads.py` runs them in a process of their own.

Each wait stops the host until a GPU has done all that it was given, and then the GPU waits for the host. So a training
step reads nothing, an evaluation a few numbers for each subnet, and recalibration nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.device_images import DeviceImages
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine.choice import make_engine
from autospikformer_cli.evaluation.evaluator import Evaluator, SubnetResult
from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet
from autospikformer_cli.store.supernet import TrainState
from autospikformer_cli.training.choosing import Accuracies
from autospikformer_cli.training.loop import Divergence, Recorder, Trainer, TrainingData
from autospikformer_cli.training.optimizers import make_optimizer
from autospikformer_cli.training.paths import sampled_paths
from autospikformer_cli.training.readings import StepReport

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = SearchSpace(
    depth=(1, 2),
    mlp_ratio=(Decimal(2), Decimal(3)),
    num_heads=(1, 2),
    threshold=(Decimal("0.6"), Decimal(1)),
    tau=(Decimal("1.25"), Decimal(2)),
    time_step=(2, 3),
    embed_dim=(8, 16),
)
SIDE, CLASSES, STEPS, BATCH = 16, 4, 8, 6
DESCRIPTION = DataDescription(num_classes=CLASSES, in_channels=1, image_size=SIDE, mean=(0.5,), std=(0.25,))
START = TrainState(epoch=0, step=0, finished=False, history=(), loss_sum=0.0, images=0, seconds=0.0)
READS_A_SUBNET = 3
"""Of an evaluation: its counts, the facts of its moments, its logits."""
UPLOADS_A_STEP = 8
"""Rows, labels, and the numbers of an augmentation, at most."""


def image_set(number: int, split: str = "train") -> ImageSet:
    generator = torch.Generator().manual_seed(number)
    images = torch.randint(256, (number, SIDE, SIDE, 1), generator=generator, dtype=torch.uint8)
    return ImageSet(images, torch.arange(number) % CLASSES, torch.arange(number), split, "0" * 64)


def network(device: torch.device | str, kind: str = "spikformer") -> Supernet:
    """In float64, in which sums in another order give the same spikes. BatchNorm's numbers keep its neurons firing."""
    shape = NetworkShape(
        image_size=SIDE, in_channels=1, num_classes=CLASSES, widest_dim=16, pooled_stages=(2, 4),
        network=kind,  # type: ignore[arg-type]
    )  # fmt: skip
    supernet, generator = Supernet(NetworkConfig(shape, SPACE)).double(), torch.Generator().manual_seed(3)
    for name, value in supernet.state_dict().items():
        if "_bn." in name and name.endswith(("weight", "bias")):
            value.copy_(torch.rand(value.shape, generator=generator) + (0.5 if name.endswith("weight") else 0.1))
    return supernet.to(device)


def trainer(device: torch.device | str, augmentation: str = "spikformer", read_steps: int = 3, **keys: Any) -> Trainer:
    config = TrainConfig(**{"epochs": 1, "batch": BATCH, "warmup_epochs": 0.5, "cooldown_epochs": 0.25} | keys)
    supernet, images = network(device), image_set(STEPS * config.step_images)
    return Trainer(
        supernet, make_optimizer(supernet, config), TrainingData(images, DESCRIPTION, augmentation, translation=2),
        config, paths=sampled_paths(SPACE, 0, config), seed=0, read_steps=read_steps,
    )  # fmt: skip


@dataclass
class Log:
    """What a trainer reported. reads_then: how many reads there were at each report. stop_after: these steps."""

    counter: Callable[[], int] = lambda: 0
    stop_asked: Callable[[], bool] = lambda: False
    steps: list[StepReport] = field(default_factory=list)
    saved: list[TrainState] = field(default_factory=list)
    reads_then: list[int] = field(default_factory=list)

    def recorder(self, *, due: bool = False) -> Recorder:
        """Saves are due after each step, or never."""

        def step(report: StepReport) -> None:
            self.steps.append(report)
            self.reads_then.append(self.counter())

        return Recorder(
            step=step, between=self.saved.append, epoch=lambda state: None, stop=self.stop_asked,
            accuracy=Accuracies, due=lambda: due,
        )  # fmt: skip


# The stand-in itself


READS: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x[0].item(),
    "float": lambda x: float(x.sum()),
    "int": lambda x: int(x[0]),
    "bool": lambda x: bool((x > 0).any()),
    "cpu": lambda x: x.cpu(),
    "to the CPU": lambda x: x.to("cpu"),
    "copied into an array": lambda x: torch.empty(4).copy_(x),
    "nonzero": lambda x: x.nonzero(),
    "where": lambda x: torch.where(x > 0),
    "a mask": lambda x: x[x > 1],
    "assigned by a mask": lambda x: x.index_put_((x > 1,), torch.zeros_like(x[0])),
    "masked_select": lambda x: x.masked_select(x > 1),
    "unique": lambda x: x.unique(),
    "bincount": lambda x: x.long().bincount(),
    "equal": lambda x: torch.equal(x, x + 1),
}


@pytest.mark.parametrize("name", READS)
def test_a_read_is_counted(gpu: Any, name: str) -> None:
    with gpu.StandIn() as stand_in:
        x = torch.arange(4.0).pin_memory().to(gpu.stand_in_device(), non_blocking=True)
        assert not stand_in.reads
        READS[name](x)
    assert sum(stand_in.reads.values()) == 1, stand_in.reads
    assert not stand_in.stalls


def test_what_need_not_wait_is_counted_apart(gpu: Any) -> None:
    device = gpu.stand_in_device()
    with gpu.StandIn() as stand_in:
        pinned = torch.arange(4.0).pin_memory()
        x = pinned.to(device, non_blocking=True)
        fetched = (x * 2).to("cpu", non_blocking=True)
        assert (sum(stand_in.uploads.values()), sum(stand_in.fetches.values())) == (1, 1)
        assert not stand_in.stalls
        for upload in (
            pinned.to(device),
            torch.arange(4.0).to(device, non_blocking=True),
            torch.tensor([1.0]).to(device),
        ):
            assert upload.device == device
        torch.tensor([1.0, 2.0], device=device)
    assert sum(stand_in.stalls.values()) == 4
    assert not stand_in.reads
    assert fetched.tolist() == [0, 2, 4, 6]


def test_a_read_is_told_with_its_line(gpu: Any) -> None:
    with gpu.StandIn() as stand_in:
        network(gpu.stand_in_device()).not_finite()
    (place,) = stand_in.reads
    assert place.startswith("spiking/supernet.py:")
    assert "isfinite" in place


def test_two_devices_in_one_operation_raise(gpu: Any) -> None:
    with gpu.StandIn():
        x = torch.ones(2, 3, device=gpu.stand_in_device())
        assert float((x + torch.tensor(2.0)).sum()) == 18  # a number of no dimension may come from the host
        for mixed in (
            lambda: x + torch.ones(2, 3),
            lambda: x @ torch.ones(3, 2),
            lambda: torch.cat([x, torch.ones(1, 3)]),
        ):
            with pytest.raises(RuntimeError, match="all tensors to be on standin"):
                mixed()
        with pytest.raises(RuntimeError, match="all tensors to be on standin"):
            network("cpu")(x[0, 0].double().expand(1, 2, SIDE, SIDE, 1), SPACE.largest())


# Training


TRAININGS: dict[str, dict[str, Any]] = {
    "spikformer": {},
    "translate": {"augmentation": "translate"},
    "flip": {"augmentation": "flip", "mixup": 0.0},
    "muon": {"optimizer": "muon", "ema_half_life": 0.3, "clip_norm": 0.5},
    "sandwich": {"sampling": "sandwich", "distillation": "soft_labels"},
    "accumulate": {"accumulate": 2, "clip_norm": 0.1},
    "unused weights stay": {"unused_weights": "stay"},
    "checkpointed": {"activation_checkpointing": True},
    "bf16": {"mixed_precision": "bf16"},
    "fp16": {"mixed_precision": "fp16", "optimizer": "muon", "clip_norm": 0.5},
}


@pytest.mark.parametrize("name", TRAININGS)
def test_a_step_reads_nothing_and_computes_what_a_cpu_computes(gpu: Any, name: str) -> None:
    expected = Log()
    on_cpu = trainer("cpu", **TRAININGS[name])
    ended = on_cpu.run(START, expected.recorder())
    with gpu.StandIn() as stand_in:
        training = trainer(gpu.stand_in_device(), **TRAININGS[name])
        begun = sum(stand_in.uploads.values())
        stand_in.stalls.clear()  # the network went there
        log = Log(lambda: sum(stand_in.reads.values()))
        state = training.run(START, log.recorder())
        # The one read is whether the weights are finite, at the end of the epoch.
        assert [place.partition(":")[0] for place in stand_in.reads] == ["spiking/supernet.py"]
        assert sum(stand_in.reads.values()) == 1
        arrays = training.arrays() | {name: value.cpu().numpy() for name, value in training.weights().items()}
    assert log.reads_then == [0] * STEPS
    assert sum(stand_in.fetches.values()) == 3  # after 3 and 6 steps, and at the end
    assert not stand_in.stalls
    assert sum(stand_in.uploads.values()) - begun <= STEPS * UPLOADS_A_STEP
    assert [(each.epoch, each.number, each.images, each.learning_rate) for each in log.steps] == [
        (each.epoch, each.number, each.images, each.learning_rate) for each in expected.steps
    ]
    for which in ("loss", "gradient_norm"):
        there, here = ([getattr(each, which) for each in one.steps] for one in (log, expected))
        assert there == pytest.approx(here, rel=1e-5)
    assert state.history[0].loss == pytest.approx(ended.history[0].loss, rel=1e-5)
    host = on_cpu.arrays() | {name: value.numpy() for name, value in on_cpu.weights().items()}
    assert arrays.keys() == host.keys()


def test_reports_come_late_and_all_in_order(gpu: Any) -> None:
    """A copy is read when the next one begins. A save asks for the rest first."""
    with gpu.StandIn():
        known: list[int] = []
        log = Log(stop_asked=lambda: bool(known.append(len(log.steps))))
        trainer(gpu.stand_in_device()).run(START, log.recorder())
        saved = Log()
        trainer(gpu.stand_in_device()).run(START, saved.recorder(due=True))
    assert known[: STEPS - 1] == [0, 0, 0, 0, 0, 3, 3]
    assert [each.number for each in log.steps] == list(range(1, STEPS + 1))
    assert [state.step for state in saved.saved] == list(range(1, STEPS))
    assert saved.steps == log.steps


def test_stopped_and_resumed_it_ends_alike(gpu: Any) -> None:
    def weights(training: Trainer) -> dict[str, np.ndarray]:
        return {name: value.cpu().numpy().copy() for name, value in training.weights().items()}

    with gpu.StandIn():
        whole = trainer(gpu.stand_in_device(), optimizer="muon")
        whole.run(START, Log().recorder())
        asked: list[None] = []
        stopped = trainer(gpu.stand_in_device(), optimizer="muon")
        state = stopped.run(START, Log(stop_asked=lambda: asked.append(None) or len(asked) > 4).recorder())
        assert (state.step, state.images) == (5, 5 * BATCH)
        resumed = trainer(gpu.stand_in_device(), optimizer="muon")
        held = weights(stopped)
        resumed.supernet.load_state_dict({name: torch.from_numpy(value) for name, value in held.items()})
        resumed.restore(stopped.arrays())
        ended = resumed.run(state, Log().recorder())
        assert ended.finished
        ends = [weights(each) | each.arrays() for each in (whole, resumed)]
    assert ends[0].keys() == ends[1].keys()
    for name, value in ends[0].items():
        np.testing.assert_array_equal(ends[1][name], value, err_msg=name)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("device", ["cpu", "stand-in"])
def test_no_weight_moves_after_a_number_that_is_not_finite(gpu: Any, device: str, optimizer: str) -> None:
    """The fourth step's loss is none. A GPU computes on until it is read, but its weights stay as they were."""
    keys: dict[str, Any] = {"optimizer": optimizer, "ema_half_life": 0.0}
    with gpu.StandIn():
        where = "cpu" if device == "cpu" else gpu.stand_in_device()
        asked: list[None] = []
        before, broken, log = trainer(where, **keys), trainer(where, **keys), Log()
        before.run(START, Log(stop_asked=lambda: asked.append(None) or len(asked) > 2).recorder())
        sound, calls = broken.loss, iter(range(STEPS))
        broken.loss = lambda *given: sound(*given) * (float("nan") if next(calls) == 3 else 1.0)  # type: ignore[method-assign]
        with pytest.raises(Divergence) as raised:
            broken.run(START, log.recorder())
        subnet = broken.paths(3, 3 / STEPS)[0]
        expected, held = (
            {name: value.detach().cpu().numpy().copy() for name, value in each.supernet.named_parameters()}
            for each in (before, broken)
        )
        moments = [{k: v for k, v in each.arrays().items() if not k.endswith("/step")} for each in (before, broken)]
    assert raised.value.what == f"the loss of subnet {subnet} is not finite in epoch 1, step 4"
    assert len(log.steps) == 3
    for name, value in (expected | moments[0]).items():
        np.testing.assert_array_equal((held | moments[1])[name], value, err_msg=name)


def test_images_that_do_not_fit_are_uploaded_by_batch(gpu: Any) -> None:
    images, rows = image_set(10), torch.tensor([3, 1, 7])
    with gpu.StandIn() as stand_in:
        for room, uploads in ((images.images.nbytes, 1 + 2), (images.images.nbytes - 1, 2)):
            stand_in.uploads.clear()
            held = DeviceImages(images, gpu.stand_in_device(), room)
            taken, labels = held.take(rows)
            assert sum(stand_in.uploads.values()) == uploads
            assert torch.equal(taken.cpu(), images.images[rows])
            assert torch.equal(labels.cpu(), images.labels[rows])
    assert not stand_in.stalls


# Evaluation


SUBNETS = list(dict.fromkeys(SPACE.sample(Random(number)) for number in range(5)))


def measured(
    device: torch.device | str, batchnorm: Any, batch: int, kind: str = "spikformer"
) -> dict[Subnet, SubnetResult]:
    engine = make_engine(network(device, kind), 1, "dense")
    evaluator = Evaluator(engine, DESCRIPTION, image_set(12), batchnorm, batch)
    results: dict[Subnet, SubnetResult] = {}
    for some in evaluator.measure_many(SUBNETS, image_set(20, "validation")):
        results |= some
    return results


@pytest.mark.parametrize("kind", ["spikformer", "transformer"])
@pytest.mark.parametrize("batchnorm", ["recalibrate", "running", "batch"])
def test_a_search_reads_three_times_a_subnet_and_measures_what_a_cpu_measures(
    gpu: Any, batchnorm: str, kind: str
) -> None:
    """However many batches there are. Counts are whole numbers, so they are equal."""
    for batch in (4, 20):
        expected = measured("cpu", batchnorm, batch, kind)
        with gpu.StandIn() as stand_in:
            network(gpu.stand_in_device())
            before = sum(stand_in.stalls.values())
            results = measured(gpu.stand_in_device(), batchnorm, batch, kind)
        assert sum(stand_in.reads.values()) <= READS_A_SUBNET * len(SUBNETS), stand_in.reads
        assert sum(stand_in.stalls.values()) == 2 * before  # the network went there, twice; images did not stall
        for subnet, (measurement, predictions) in expected.items():
            assert results[subnet].measurement == measurement
            torch.testing.assert_close(results[subnet].predictions.logits, predictions.logits)


def test_recalibration_reads_nothing(gpu: Any) -> None:
    with gpu.StandIn() as stand_in:
        engine = make_engine(network(gpu.stand_in_device()), 1)
        assert engine.name == "dense"
        evaluator = Evaluator(engine, DESCRIPTION, image_set(12), "recalibrate", 4)
        statistics = evaluator.statistics(SUBNETS[0])
        assert not stand_in.reads
        logits = evaluator.logits(SUBNETS[0], image_set(20, "validation"), statistics)
    assert sum(stand_in.reads.values()) == 1
    assert logits.device.type == "cpu"
