"""The training loop: it learns, and stopped anywhere and resumed it ends at the very same weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from autospikformer_cli.data.augmentation import augment
from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.data.mixing import mixup
from autospikformer_cli.data.order import epoch_order
from autospikformer_cli.engine.trained import training_pass
from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.extraction import layer_widths
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet
from autospikformer_cli.store.supernet import Checkpoint, TrainState, load_checkpoint, save_checkpoint
from autospikformer_cli.training.choosing import Accuracies
from autospikformer_cli.training.loop import (
    Divergence,
    Recorder,
    Trainer,
    TrainingData,
)
from autospikformer_cli.training.optimizers import make_optimizer, optimizer_arrays
from autospikformer_cli.training.paths import one_path, sampled_paths
from autospikformer_cli.training.readings import StepReport
from autospikformer_cli.training.schedule import learning_rate, num_steps

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
DESCRIPTION = DataDescription(num_classes=4, in_channels=1, image_size=8, mean=(0.5,), std=(0.25,))
SHAPE = NetworkShape(image_size=8, in_channels=1, num_classes=4, widest_dim=16, pooled_stages=(4,))
START = TrainState(epoch=0, step=0, finished=False, history=(), loss_sum=0.0, images=0, seconds=0.0)
SEED = 3


def textures(number: int) -> ImageSet:
    """Noise on rows, columns, a chessboard or nothing, which is the class."""
    generator = torch.Generator().manual_seed(4)
    labels = torch.randint(4, (number,), generator=generator)
    noise = torch.randint(120, (number, 8, 8, 1), generator=generator, dtype=torch.uint8)
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    patterns = torch.stack([rows % 2, columns % 2, (rows + columns) % 2, torch.zeros(8, 8, dtype=torch.int64)])
    images = noise + 120 * patterns.to(torch.uint8)[labels, :, :, None]
    return ImageSet(images, labels, torch.arange(number), "train", "0" * 64)


@dataclass
class Log:
    """What a trainer told; it is asked to stop after so many steps."""

    stop_after: float = float("inf")
    steps: list[StepReport] = field(default_factory=list)
    epochs: list[TrainState] = field(default_factory=list)
    between: list[TrainState] = field(default_factory=list)

    def recorder(self) -> Recorder:
        """Its recorder; the accuracies are made up."""
        return Recorder(
            step=self.steps.append,
            between=self.between.append,
            epoch=self.epochs.append,
            stop=lambda: len(self.steps) >= self.stop_after,
            accuracy=lambda: Accuracies(60.0 + len(self.epochs), 50.0 + len(self.epochs)),
        )


def network(seed: int = 0) -> Supernet:
    return Supernet(NetworkConfig(SHAPE, SPACE), seed)


def trainer(supernet: Supernet, images: ImageSet, augmentation: str = "spikformer", **keys: Any) -> Trainer:
    given = {"epochs": 2, "batch": 16, "warmup_epochs": 0.5, "cooldown_epochs": 0.5, "lr": 3e-3} | keys
    config = TrainConfig(**given)
    return Trainer(
        supernet,
        make_optimizer(supernet, config),
        TrainingData(images, DESCRIPTION, augmentation),
        config,
        paths=sampled_paths(SPACE, SEED, config),
        seed=SEED,
    )


def weights(supernet: Supernet) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().copy() for name, value in supernet.state_dict().items()}


def equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def checkpoint(training: Trainer, state: TrainState) -> Checkpoint:
    return Checkpoint(
        recipe_name="toy",
        recipe_toml="",
        state=state,
        splits={},
        environment={},
        weights={name: value.numpy() for name, value in training.weights().items()},
        optimizer=training.arrays(),
    )


# Stopping and going on


STOPS: list[tuple[int, dict[str, Any]]] = [(steps, {}) for steps in (1, 2, 3, 4, 5)]
STOPS += [(steps, {"optimizer": "muon"}) for steps in (1, 4)]
STOPS += [(steps, {"ema_half_life": 0.3}) for steps in (1, 3, 4)]
STOPS += [(steps, {"batch": 8, "accumulate": 2}) for steps in (1, 4)]
TOGETHER = {
    "sampling": "fair", "ema_half_life": 0.3, "neuron_curriculum": 0.7, "time_step_curriculum": 0.9,
    "optimizer": "muon", "norm_bias_lr_factor": 4, "schedule": "linear",
}  # fmt: skip
STOPS += [(steps, TOGETHER) for steps in (2, 3, 5)]


@pytest.mark.parametrize(("stop_after", "keys"), STOPS)
def test_stopped_anywhere_and_resumed_it_ends_alike(tmp_path: Path, stop_after: int, keys: dict[str, Any]) -> None:
    """Two epochs of three steps, the last batch smaller, through a checkpoint file."""
    images = textures(40)
    whole, log = trainer(network(), images, **keys), Log()
    end = whole.run(START, log.recorder())
    assert end.finished
    assert [report.images for report in log.steps] == [16, 16, 8] * 2

    first, stopped = trainer(network(), images, **keys), Log(stop_after)
    state = first.run(START, stopped.recorder())
    assert (state.epoch, state.step, state.finished) == (stop_after // 3, stop_after % 3, False)
    assert state.images == sum(report.images for report in stopped.steps[state.epoch * 3 :])
    save_checkpoint(tmp_path, checkpoint(first, state))

    stored = load_checkpoint(tmp_path)
    again, rest = trainer(network(seed=9), images, **keys), Log()
    again.supernet.load_state_dict({name: torch.from_numpy(array) for name, array in stored.weights.items()})
    again.restore(stored.optimizer)
    resumed_end = again.run(stored.state, rest.recorder())
    assert equal(weights(again.supernet), weights(whole.supernet))
    assert equal(again.arrays(), whole.arrays())
    assert stopped.steps + rest.steps == log.steps
    assert [replace(r, seconds=0, images_per_second=0, val_top1_largest=0, val_top1_smallest=0)
            for r in resumed_end.history] == [
        replace(r, seconds=0, images_per_second=0, val_top1_largest=0, val_top1_smallest=0) for r in end.history
    ]  # fmt: skip


def test_what_is_told_of_a_training() -> None:
    log = Log()
    end = trainer(network(), textures(40)).run(START, log.recorder())
    assert [(state.epoch, state.step, state.finished) for state in log.epochs] == [(1, 0, False), (2, 0, True)]
    assert [(state.epoch, state.step) for state in log.between] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert end == log.epochs[-1]
    assert [report.number for report in log.steps] == [1, 2, 3, 4, 5, 6]
    for epoch, record in enumerate(end.history):
        steps = log.steps[3 * epoch : 3 * epoch + 3]
        assert (record.epoch, record.steps) == (epoch + 1, 3)
        assert record.loss == pytest.approx(sum(s.loss * s.images for s in steps) / 40)
        assert record.seconds == pytest.approx(sum(s.seconds for s in steps))
        assert record.images_per_second == pytest.approx(40 / record.seconds)
        assert (record.val_top1_largest, record.val_top1_smallest) == (60.0 + epoch, 50.0 + epoch)


def test_timms_cool_down_follows_after_the_epochs() -> None:
    training, log = (
        trainer(network(), textures(32), schedule="timm", epochs=2, warmup_epochs=1, cooldown_epochs=1),
        Log(),
    )
    rates = []
    training.optimizer.parts[0].register_step_post_hook(
        lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
    )
    end = training.run(START, log.recorder())
    assert (end.epoch, end.finished, len(log.steps)) == (3, True, 6)
    assert [state.finished for state in log.epochs] == [False, False, True]
    assert rates == pytest.approx([1e-5, 1e-5, 1e-5 + (3e-3 - 1e-5) / 2, 1e-5 + (3e-3 - 1e-5) / 2, 1e-5, 1e-5])


def test_a_finished_training_does_nothing() -> None:
    training = trainer(network(), textures(40))
    end = training.run(START, Log().recorder())
    before, log = weights(training.supernet), Log()
    assert training.run(end, log.recorder()) == end
    assert not log.steps
    assert equal(weights(training.supernet), before)


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    ends = []
    for seed in (SEED, SEED, 4):
        training = trainer(network(), textures(40))
        training.seed = seed
        training.run(START, Log().recorder())
        ends.append(weights(training.supernet))
    assert equal(ends[0], ends[1])
    assert not equal(ends[0], ends[2])


# Steps


@pytest.mark.parametrize(
    ("sampling", "distillation"),
    [("single", "none"), ("fair", "none"), ("sandwich", "none"), ("sandwich", "soft_labels")],
)
def test_steps_by_hand(sampling: Any, distillation: Any) -> None:
    """Into the second epoch: rows, augmentation, mixup, rate, the mean gradient of the paths, AdamW."""
    images = textures(40)
    keys = {"sampling": sampling, "distillation": distillation, "neuron_curriculum": 0.9, "time_step_curriculum": 0.5}
    training, log = trainer(network(), images, **keys), Log(stop_after=4)
    training.run(START, log.recorder())

    supernet, config = network(), training.config
    matrices = [p for p in supernet.parameters() if p.ndim > 1]
    vectors = [p for p in supernet.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999), fused=True)
    for number, (epoch, step) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0)]):
        rows = epoch_order(40, SEED, epoch)[16 * step : 16 * step + 16]
        frames = augment(
            images.images[rows], images.index[rows], kind="spikformer", seed=SEED, epoch=epoch,
            description=DESCRIPTION, device="cpu", dtype=torch.float32,
        )  # fmt: skip
        alpha = 0.5 if epoch == 0 else 0.0
        frames, targets = mixup(
            frames,
            images.labels[rows],
            4,
            alpha=alpha,
            probability=1.0,
            smoothing=0.1,
            seed=SEED,
            epoch=epoch,
            step=step,
        )
        subnets = sampled_paths(SPACE, SEED, config)(number, number / 6)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, number / 3)
        optimizer.zero_grad()
        losses = []
        labels = targets
        for subnet in subnets:
            logits = supernet.run(frames, subnet, training_pass(supernet, subnet))
            losses.append(functional.cross_entropy(logits, targets))
            if distillation == "soft_labels" and targets is labels:
                assert subnet.embed_dim == SPACE.largest().embed_dim
                targets = functional.softmax(logits.detach(), dim=1)
            (losses[-1] / len(subnets)).backward()
        optimizer.step()
        assert log.steps[number].loss == pytest.approx(sum(map(float, torch.stack(losses).detach())) / len(losses))
    by_hand = weights(supernet)
    for name, array in weights(training.supernet).items():
        np.testing.assert_allclose(array, by_hand[name], rtol=0, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_loss_falls_on_what_can_be_learnt(optimizer: str) -> None:
    training = trainer(
        network(), textures(96), augmentation="none", epochs=10, batch=8, lr=1e-2, mixup=0, label_smoothing=0,
        optimizer=optimizer,
    )  # fmt: skip
    end = training.run(START, Log().recorder())
    losses = [record.loss for record in end.history]
    assert losses[0] > 1.1
    assert losses[-1] < 0.7


def test_fine_tuning_leaves_other_blocks_alone() -> None:
    supernet = network()
    training = trainer(supernet, textures(32), epochs=1)
    training.paths = one_path(SPACE.smallest())
    before = weights(supernet)
    training.run(START, Log().recorder())
    after = weights(supernet)
    assert all(np.array_equal(after[name], before[name]) for name in before if name.startswith("block.1"))
    changed = "block.0.attn.q_linear.weight"
    assert not np.array_equal(after[changed][:8, :8], before[changed][:8, :8])


@pytest.mark.parametrize(
    ("share", "epochs", "mixed"), [(0.6667, 300, 200), (0.6667, 6, 4), (0.5, 3, 2), (0, 3, 0), (1, 3, 3)]
)
def test_mixup_in_the_first_epochs(share: float, epochs: int, mixed: int) -> None:
    """With the published share, the published script's 200 of 300 epochs."""
    images = textures(16)
    training = trainer(
        network(), images, augmentation="none", epochs=epochs, mixup_epochs=share, label_smoothing=0
    )  # fmt: skip
    rows = torch.arange(16)
    soft = [bool((training.step_data(epoch, 0, rows)[1] % 1 != 0).any()) for epoch in range(epochs)]
    assert soft == [True] * mixed + [False] * (epochs - mixed)


def test_steps_of_an_epoch() -> None:
    config = TrainConfig(epochs=30, batch=16)
    assert [num_steps(config, images) for images in (1, 16, 17, 40)] == [1, 1, 2, 3]
    config = TrainConfig(epochs=30, batch=8, accumulate=3)
    assert [num_steps(config, images) for images in (1, 24, 25, 40)] == [1, 1, 2, 2]


def test_one_subnet_has_nobody_to_learn_from() -> None:
    ends = []
    for distillation in ("none", "soft_labels"):
        training = trainer(network(), textures(32), epochs=1, sampling="sandwich", distillation=distillation)
        training.paths = one_path(SPACE.smallest())
        training.run(START, Log().recorder())
        ends.append(weights(training.supernet))
    assert equal(*ends)


# Several batches a step


@pytest.mark.parametrize("keys", [{}, {"sampling": "sandwich", "distillation": "soft_labels", "clip_norm": 0.1}])
def test_several_batches_a_step_are_one_as_large(keys: dict[str, Any]) -> None:
    """Two batches, one of half the size, of which BatchNorm's moments agree: the same images, with other labels."""
    images, copies = textures(30), torch.arange(10).repeat(3)
    images = replace(images, images=images.images[copies], index=images.index[copies])
    stepped, told, means = [], [], []
    for batch, accumulate in ((30, 1), (20, 2)):
        supernet = network().double()
        training = trainer(supernet, images, batch=batch, accumulate=accumulate, epochs=1, **keys)
        taken = training.train_step(0, 0, torch.arange(30))
        told.append(taken.report(taken.on_device.tolist()))
        stepped.append(training.arrays())
        means.append(supernet.patch_embed.proj_bn.running_mean.numpy())
    close = {key: pytest.approx(getattr(told[1], key), rel=1e-9) for key in ("loss", "gradient_norm")}
    assert told[0] == replace(told[1], **close)
    assert stepped[0].keys() == stepped[1].keys()
    for path, each in stepped[0].items():
        np.testing.assert_allclose(stepped[1][path], each, rtol=1e-6, atol=1e-12, err_msg=path)
    num_subnets = len(training.paths(0, 0.0))
    moved = [1 - 0.9 ** (num_subnets * batches) for batches in (1, 2)]  # running statistics move once a batch
    np.testing.assert_allclose(means[1] / means[0], moved[1] / moved[0], rtol=1e-9)


# Clipping


def first_moments(optimizer: str, clip_norm: float, norms: list[float]) -> dict[str, np.ndarray]:
    """AdamW's and Muon's after one step: a tenth of the gradients that they were given. norms: takes what is told."""
    training = trainer(network(), textures(16), epochs=1, optimizer=optimizer, clip_norm=clip_norm)
    log = Log()
    training.run(START, log.recorder())
    norms += [report.gradient_norm for report in log.steps]
    return {path: each for path, each in training.arrays().items() if path.endswith(("/exp_avg", "/momentum"))}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_gradients_of_all_optimizers_are_clipped_as_one_vector(optimizer: str) -> None:
    told: list[float] = []
    whole, clipped = (first_moments(optimizer, clip_norm, told) for clip_norm in (0, 0.1))
    norm = 10 * sum(float((each.astype(np.float64) ** 2).sum()) for each in whole.values()) ** 0.5
    assert norm > 0.1
    assert told == pytest.approx([norm, norm], rel=1e-4), "the norm before it is clipped"
    assert whole.keys() == clipped.keys()
    for path, each in whole.items():
        np.testing.assert_allclose(clipped[path], each * (0.1 / norm), rtol=1e-4, atol=1e-9, err_msg=path)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_gradients_below_the_norm_are_not_touched(optimizer: Any) -> None:
    ends = []
    for clip_norm in (0, 1e6):
        training = trainer(network(), textures(40), optimizer=optimizer, clip_norm=clip_norm)
        training.run(START, Log().recorder())
        ends.append(weights(training.supernet))
    assert equal(*ends)


@pytest.mark.parametrize("keys", [{}, {"clip_norm": 1}, {"optimizer": "muon"}, {"sampling": "sandwich"}])
def test_a_gradient_without_numbers_moves_no_weight(keys: dict[str, Any]) -> None:
    """Neurons of a bias that is no number do not fire, so the loss is finite."""
    training = trainer(network(), textures(16), epochs=1, **keys)
    with torch.no_grad():
        training.supernet.block[0].mlp.fc1_bn.bias.fill_(float("nan"))
    before = {name: each.detach().clone() for name, each in training.supernet.named_parameters()}
    subnet = training.paths(0, 0.0)[0]
    with pytest.raises(Divergence, match=re.escape(f"of subnet {subnet} is not finite in epoch 1, step 1")) as raised:
        training.run(START, Log().recorder())
    assert raised.value.what.startswith("the gradient")
    for name, each in training.supernet.named_parameters():
        np.testing.assert_array_equal(each.detach(), before[name], err_msg=name)
    assert not training.arrays()


# The average of weights


def test_the_average_by_hand() -> None:
    """Weights after each step, of which those 2 steps older count half. Validation and the end have them."""
    images, log = textures(40), Log()
    plain = trainer(network(), images)
    after: list[dict[str, np.ndarray]] = []
    plain.run(START, replace(log.recorder(), step=lambda report: after.append(weights(plain.supernet))))

    averaged = trainer(network(), images, ema_half_life=2 / 6)
    validated: list[dict[str, np.ndarray]] = []

    def accuracy() -> Accuracies:
        validated.append(weights(averaged.supernet))
        return Accuracies(50.0, 50.0)

    averaged.run(START, replace(Log().recorder(), accuracy=accuracy))
    for steps, found in ((3, validated[0]), (6, validated[1]), (6, weights(averaged.supernet))):
        shares = np.array([0.5 ** ((steps - step) / 2) for step in range(1, steps + 1)])
        for name, array in found.items():
            stack = np.stack([each[name] for each in after[:steps]]).astype(np.float64)
            expected = np.tensordot(shares / shares.sum(), stack, 1)
            np.testing.assert_allclose(array, expected, rtol=0, atol=2e-6, err_msg=name)
    assert equal({name: value.numpy() for name, value in averaged.weights().items()}, weights(averaged.supernet))
    own = {path.rpartition("/")[0]: array for path, array in averaged.arrays().items() if path.endswith("unaveraged")}
    assert own.keys() == after[-1].keys()


def test_an_average_does_not_change_what_is_trained() -> None:
    plain, averaged = (trainer(network(), textures(40), ema_half_life=share) for share in (0, 0.5))
    logs = []
    for training in (plain, averaged):
        logs.append(Log(stop_after=4))
        training.run(START, logs[-1].recorder())
    assert logs[0].steps == logs[1].steps
    assert equal(weights(plain.supernet), weights(averaged.supernet))
    assert not equal({name: value.numpy() for name, value in averaged.weights().items()}, weights(averaged.supernet))


# The optimizer


def test_only_matrices_decay() -> None:
    supernet = network()
    optimizer = make_optimizer(supernet, TrainConfig(epochs=1, weight_decay=0.06))
    names = {parameter: name for name, parameter in supernet.named_parameters()}
    decays = {names[p]: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decays.keys() == set(names.values())
    for name, decay in decays.items():
        matrix = name.endswith("weight") and "_bn" not in name
        assert decay == (0.06 if matrix else 0.0), name
    assert {group["betas"] for group in optimizer.param_groups} == {(0.9, 0.999)}


def test_muon_moves_all_matrices_but_the_classifiers() -> None:
    supernet = network()
    config = TrainConfig(epochs=1, optimizer="muon", lr=2e-3, matrix_lr=0.05, matrix_weight_decay=0.01)
    optimizer = make_optimizer(supernet, config)
    adamw, muon = optimizer.parts
    names = {parameter: name for name, parameter in supernet.named_parameters()}
    moved = {names[p] for group in muon.param_groups for p in group["params"]}
    assert moved == {name for name, p in supernet.named_parameters() if p.ndim > 1 and name != "head.weight"}
    assert {names[p] for group in adamw.param_groups for p in group["params"]} == set(names.values()) - moved
    optimizer.set_rate(1e-3)
    assert [group["lr"] for group in adamw.param_groups] == [1e-3] * 3
    assert [(group["lr"], group["weight_decay"]) for group in muon.param_groups] == [(pytest.approx(0.025), 0.01)]


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_biases_of_batchnorm_have_a_rate_of_their_own(optimizer: Any) -> None:
    supernet = network()
    config = TrainConfig(epochs=1, optimizer=optimizer, norm_bias_lr_factor=4)
    made = make_optimizer(supernet, config)
    made.set_rate(1e-3)
    rates = {parameter: group["lr"] for group in made.param_groups for parameter in group["params"]}
    assert rates.keys() == set(supernet.parameters())
    for name, parameter in supernet.named_parameters():
        if parameter.ndim == 1:
            assert rates[parameter] == (4e-3 if "_bn" in name and name.endswith("bias") else 1e-3), name


def test_a_factor_of_the_rate_acts_on_the_biases_first_step_alone() -> None:
    """AdamW's first step is by the learning rate, so a factor moves by as many times that."""
    once, ahead = network(), network()
    start = weights(once)
    for supernet, factor in ((once, 1.0), (ahead, 4.0)):
        training = trainer(supernet, textures(16), epochs=1, warmup_epochs=0, norm_bias_lr_factor=factor)
        training.run(START, Log().recorder())
    one, four = weights(once), weights(ahead)
    for name in dict(once.named_parameters()):
        factor = 4 if "_bn" in name and name.endswith("bias") else 1
        np.testing.assert_allclose(four[name] - start[name], factor * (one[name] - start[name]), rtol=0, atol=1e-6)


def test_muon_leaves_what_no_subnet_used_alone() -> None:
    supernet = network()
    training = trainer(supernet, textures(32), epochs=1, optimizer="muon", matrix_weight_decay=0)
    training.paths = one_path(SPACE.smallest())
    before = weights(supernet)
    training.run(START, Log().recorder())
    after = weights(supernet)
    assert all(np.array_equal(after[name], before[name]) for name in before if name.startswith("block.1"))
    name = "block.0.attn.q_linear.weight"
    assert not np.array_equal(after[name][:8, :8], before[name][:8, :8])
    assert np.array_equal(after[name][8:], before[name][8:])
    assert np.array_equal(after[name][:, 8:], before[name][:, 8:])


def test_the_optimizers_arrays_are_named_by_parameter() -> None:
    supernet = network()
    training = trainer(supernet, textures(32), epochs=1)
    assert optimizer_arrays(supernet, training.optimizer) == {}
    training.paths = one_path(SPACE.smallest())
    training.run(START, Log().recorder())
    arrays = optimizer_arrays(supernet, training.optimizer)
    used = {name for name, _ in supernet.named_parameters() if not name.startswith("block.1")}
    assert arrays.keys() == {f"{name}/{key}" for name in used for key in ("step", "exp_avg", "exp_avg_sq")}
    assert arrays["head.weight/step"] == 2
    assert arrays["head.weight/exp_avg"].shape == (4, 16)


# Weights that no subnet of a step used

LARGEST, SMALLEST = SPACE.largest(), SPACE.smallest()
FC1 = "block.0.mlp.fc1_linear"


def training_of(subnets: Sequence[Subnet], **keys: object) -> Trainer:
    training = trainer(network(), textures(48), weight_decay=0.5, **keys)
    training.paths = lambda number, share: subnets
    return training


def numbers(training: Trainer) -> dict[str, np.ndarray]:
    """Weights and the optimizers' moments, by name."""
    own = {name: each.detach().numpy().copy() for name, each in training.supernet.named_parameters()}
    return own | {name: each.copy() for name, each in training.arrays().items() if each.ndim}


def train_steps(training: Trainer, count: int) -> None:
    for step in range(count):
        training.train_step(0, step, torch.arange(16))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("unused", ["stay", "move"])
def test_after_a_wide_step_a_narrow_one_moves_the_narrow_part_only(unused: str, optimizer: str) -> None:
    training = training_of([LARGEST], unused_weights=unused, optimizer=optimizer)
    train_steps(training, 1)
    before = numbers(training)
    training.paths = lambda number, share: [SMALLEST]
    training.train_step(0, 1, torch.arange(16))
    after = numbers(training)
    assert before.keys() == after.keys()
    inputs, outputs = layer_widths(training.supernet.config.shape, SMALLEST)[FC1]
    of_fc1 = [name for name in before if name.startswith(f"{FC1}.weight")]
    assert len(of_fc1) >= 2, "the weight and a moment"
    for name in of_fc1:
        is_used = np.zeros(before[name].shape, bool)
        is_used[:outputs, :inputs] = True
        assert not is_used.all()
        changed = before[name] != after[name]
        assert changed[is_used].any(), name
        assert changed[~is_used].any() == (unused == "move"), name
    for name in before:
        if name.startswith("block.1."):
            assert (before[name] == after[name]).all(), "a block that the subnet lacks"


def test_what_is_used_moves_as_an_optimizer_of_that_part_alone_moves_it() -> None:
    training = training_of([SMALLEST], unused_weights="stay")
    inputs, outputs = layer_widths(training.supernet.config.shape, SMALLEST)[FC1]
    weight = training.supernet.block[0].mlp.fc1_linear.weight
    first = weight.detach().clone()
    part = torch.nn.Parameter(first[:outputs, :inputs].clone())
    alone = torch.optim.AdamW([part], betas=(0.9, 0.999), weight_decay=0.5)
    for step in range(3):
        rate = training.train_step(0, step, torch.arange(16)).learning_rate
        assert weight.grad is not None
        part.grad = weight.grad[:outputs, :inputs].clone()
        alone.param_groups[0]["lr"] = rate
        alone.step()
    torch.testing.assert_close(weight[:outputs, :inputs].detach(), part.detach(), rtol=1e-6, atol=1e-8)
    outside = torch.ones_like(weight, dtype=torch.bool)
    outside[:outputs, :inputs] = False
    assert torch.equal(weight[outside].detach(), first[outside])


def test_of_several_subnets_all_that_any_used_moves() -> None:
    """A sandwich has the largest, so nothing stays."""
    ends = []
    for unused in ("stay", "move"):
        training = training_of([SMALLEST, LARGEST], unused_weights=unused)
        train_steps(training, 2)
        ends.append(numbers(training))
    for name, each in ends[0].items():
        np.testing.assert_array_equal(each, ends[1][name], err_msg=name)


# Which weights it ends with


def test_it_ends_with_the_chosen_weights(tmp_path: Path) -> None:
    """Accuracies are made up. The best epoch is the second of four, and with patience 2 the last one trained is 4."""
    means, saved = [50.0, 70.0, 60.0, 65.0, 90.0], {}
    keys = {"epochs": 5, "warmup_epochs": 0, "cooldown_epochs": 0, "final": "best", "patience": 2}
    training, log = trainer(network(), textures(40), **keys), Log()

    def kept(state: TrainState) -> None:
        saved[state.epoch] = (weights(training.supernet), training.arrays())

    def earlier(epoch: int) -> None:
        stored, arrays = saved[epoch]
        training.supernet.load_state_dict({name: torch.from_numpy(array) for name, array in stored.items()})
        training.restore(arrays)

    recorder = replace(
        log.recorder(), accuracy=lambda: Accuracies(1.0, 2.0, means[len(log.epochs)]), kept=kept, earlier=earlier
    )
    end = training.run(START, recorder)
    assert (end.epoch, end.finished, end.stopped_early, end.chosen_epoch, end.weights_epoch) == (4, True, True, 2, 2)
    assert [record.val_top1_mean for record in end.history] == means[:4]
    assert sorted(saved) == [1, 2, 3, 4]
    assert equal(weights(training.supernet), saved[2][0])
    assert equal(training.arrays(), saved[2][1])
    assert not equal(saved[2][0], saved[4][0])
    plain, rest = trainer(network(), textures(40), **keys | {"final": "last", "patience": 0}), Log()
    plain.run(START, rest.recorder())
    assert rest.steps[:12] == log.steps  # the same rates, up to where it ends


@pytest.mark.parametrize(("average", "own"), [(50.0, 60.0), (60.0, 50.0), (50.0, 50.0)])
def test_the_better_of_the_average_and_the_weights_without_it(average: float, own: float) -> None:
    keys = {"ema_half_life": 0.5, "ema_choice": "validation"}
    training, measured = trainer(network(), textures(40), **keys), []

    def accuracy(kind: str, mean: float) -> Accuracies:
        measured.append((kind, weights(training.supernet)))
        return Accuracies(mean + 1, mean - 1, mean)

    end = training.run(
        START,
        replace(
            Log().recorder(),
            accuracy=lambda: accuracy("average", average),
            unaveraged=lambda: accuracy("own", own),
        ),
    )
    assert [kind for kind, _ in measured] == ["own", "average"] * 2
    assert not equal(measured[-1][1], measured[-2][1])
    takes_own = own > average
    assert end.chosen_unaveraged == takes_own
    assert equal(weights(training.supernet), measured[-2 if takes_own else -1][1])
    assert equal({name: value.numpy() for name, value in training.weights().items()}, weights(training.supernet))
    assert end.top1 == ((own if takes_own else average) + 1, (own if takes_own else average) - 1)
    plain = trainer(network(), textures(40))
    plain.run(START, Log().recorder())
    assert equal(measured[-2][1], weights(plain.supernet))  # averaging and comparing do not change the training
