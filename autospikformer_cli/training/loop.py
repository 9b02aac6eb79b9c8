"""The training loop of a supernet, or of one subnet. It can resume at every step, and has no random state."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.data.augmentation import augment
from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.data.mixing import mixup
from autospikformer_cli.data.order import epoch_order
from autospikformer_cli.engine.trained import training_pass
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.supernet import Supernet
from autospikformer_cli.store.supernet import EpochRecord, TrainState
from autospikformer_cli.training.averaging import UNAVERAGED, WeightAverage
from autospikformer_cli.training.gradients import average_statistics, sum_gradients
from autospikformer_cli.training.optimizers import Optimizers, optimizer_arrays, restore_optimizer
from autospikformer_cli.training.paths import PathSampler
from autospikformer_cli.training.ranks import ONE_RANK, Part, Ranks
from autospikformer_cli.training.schedule import learning_rate, num_steps, uses_mixup
from autospikformer_cli.training.step_times import StepTimes
from autospikformer_cli.wording import shortened


class Divergence(UserError):
    """A training whose loss, gradient, weights or statistics are not finite."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The images to train on, and their preparation. translation: pixels, of the augmentation "translate"."""

    images: ImageSet
    description: DataDescription
    augmentation: str
    translation: int = 0


@dataclass(frozen=True, slots=True)
class StepReport:
    """Result of one step.

    epoch: from 1 on. number: since the start of the training, from 1. images: number of images trained on.
    loss: mean loss of its paths. learning_rate: the recipe's at this step. gradient_norm: Euclidean, of all gradients
    as one vector, before it is clipped. seconds: how long it took; equal reports may differ in it.
    """

    epoch: int
    number: int
    images: int
    loss: float
    learning_rate: float
    gradient_norm: float
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Recorder:
    """The functions that the loop calls.

    step: after each step. between: between two steps of an epoch, with the state. epoch: after each epoch, with the
    state. stop: returns whether to stop. accuracy: returns the top-1 in percent of the largest and the smallest subnet
    on validation, None without validation images; called once for each epoch.
    """

    step: Callable[[StepReport], None]
    between: Callable[[TrainState], None]
    epoch: Callable[[TrainState], None]
    stop: Callable[[], bool]
    accuracy: Callable[[], tuple[float | None, float | None]]


class Trainer:
    """Trains subnets of one supernet, from any state, to the end or until asked to stop."""

    def __init__(
        self, supernet: Supernet, optimizer: Optimizers, data: TrainingData, config: TrainConfig, *,
        paths: PathSampler, seed: int, times: StepTimes | None = None, ranks: Ranks = ONE_RANK,
    ) -> None:  # fmt: skip
        """times: takes how long the parts of the steps take, if that is asked for. ranks: who trains together."""
        self.times, self.ranks = times, ranks
        self.supernet, self.optimizer, self.data, self.config = supernet, optimizer, data, config
        self.paths, self.seed = paths, seed
        self.steps = num_steps(config, len(data.images.labels))
        half_life = config.ema_half_life * config.total_epochs * self.steps
        self.average = WeightAverage(supernet, half_life) if half_life else None

    def weights(self) -> dict[str, Tensor]:
        """What is validated and stored, by name: the average, if the recipe asks for one, or the network's weights."""
        return self.average.values if self.average else self.supernet.state_dict()

    def arrays(self) -> dict[str, np.ndarray]:
        """What a store needs next to `weights` to go on: the optimizers' state, and weights that are not averaged."""
        own = self.average.arrays() if self.average else {}
        return {**optimizer_arrays(self.supernet, self.optimizer), **own}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take over what `arrays` returned, after the stored weights were loaded into the network."""
        own = {path: array for path, array in arrays.items() if path.endswith(f"/{UNAVERAGED}")}
        restore_optimizer(self.supernet, self.optimizer, {p: each for p, each in arrays.items() if p not in own})
        if self.average:
            self.average.restore(own)

    def run(self, state: TrainState, recorder: Recorder) -> TrainState:
        """Train from a state. Returns the state reached; it is `finished` if all epochs are done.

        Then the network has the weights that are stored.
        """
        while state.epoch < self.config.total_epochs:
            state = self._epoch(state, recorder)
            if state.step:
                return state
            recorder.epoch(state)
            if self.ranks.agreed(recorder.stop()):
                break
        if state.finished and self.average:
            self.average.settle()
        return state

    def _epoch(self, state: TrainState, recorder: Recorder) -> TrainState:
        """Train the rest of the current epoch. If asked to stop between steps, return a state with step > 0."""
        order = epoch_order(len(self.data.images.labels), self.seed, state.epoch)
        for step in range(state.step, self.steps):
            if state.step and self.ranks.agreed(recorder.stop()):
                return state
            began = time.perf_counter()
            images = self.config.step_images
            rows, following = (order[first : first + images] for first in (step * images, (step + 1) * images))
            self.data.images.read_ahead(self._own_rows(following))
            report = self.train_step(state.epoch, step, rows)
            report = replace(report, seconds=time.perf_counter() - began)
            state = replace(
                state,
                step=step + 1,
                loss_sum=state.loss_sum + report.loss * report.images,
                images=state.images + report.images,
                seconds=state.seconds + report.seconds,
            )
            recorder.step(report)
            if state.step < self.steps:
                recorder.between(state)
        self.require_finite(state)
        with self.average.in_place() if self.average else nullcontext():
            largest, smallest = recorder.accuracy()
        record = EpochRecord(
            epoch=state.epoch + 1,
            steps=self.steps,
            loss=state.loss_sum / state.images,
            images_per_second=state.images / state.seconds,
            val_top1_largest=largest,
            val_top1_smallest=smallest,
            seconds=state.seconds,
        )
        epoch = state.epoch + 1
        finished = epoch >= self.config.total_epochs
        return TrainState(epoch, 0, finished, (*state.history, record), loss_sum=0.0, images=0, seconds=0.0)

    def require_finite(self, state: TrainState) -> None:
        """Raises Divergence if the network has a number that is not finite. Asked before each save and each validation.

        A spiking network hides it from the loss: a potential that is no number reaches no threshold.
        """
        broken = self.supernet.not_finite()
        if broken:
            raise self._diverged("weights or statistics are not finite", state.epoch, state.step, broken)

    def _diverged(self, what: str, epoch: int, step: int, names: Sequence[str] = ()) -> Divergence:
        told = f"{what} in epoch {epoch + 1}, step {step}{': ' if names else ''}{shortened(names)}"
        less = f"train anew with less than {self.config.rates_text}; what was saved before is kept"
        return Divergence(told, ", ".join(self.config.rates), less)

    def train_step(self, epoch: int, step: int, rows: Tensor) -> StepReport:
        """Train the subnets of a step. Raises Divergence before a weight moves if a loss or a gradient is not finite.

        The gradient is the mean over all images of the step, batch after batch.
        """
        parts = self.ranks.parts(len(rows), self.config.batch)
        with self._timed("data"):
            frames, targets = self.step_data(epoch, step, rows, parts)
        rate = learning_rate(self.config, epoch + step / self.steps)
        self.optimizer.set_rate(rate)
        self.optimizer.zero_grad()
        number = epoch * self.steps + step
        subnets = self.paths(number, number / (self.config.total_epochs * self.steps))
        mean_loss, norm = 0.0, torch.tensor(0.0)
        told: list[tuple[float, Tensor]] = []
        sizes = [len(part.positions) for part in parts]
        for part, of_frames, of_targets in zip(parts, frames.split(sizes, 1), targets.split(sizes), strict=True):
            share = part.num_own / len(rows)
            numbers = self._add_gradients(subnets, of_frames, of_targets, part, share, epoch, step)
            mean_loss += share * sum(loss for loss, _ in numbers) / len(numbers)
            norm = numbers[-1][1]
            told += numbers
        if not self.ranks.is_alone:
            with self._timed("optimizer"):
                mean_loss, norm = self._exchange(subnets, parts, mean_loss, told, epoch, step)
        with self._timed("optimizer"):
            if self.config.clip_norm:
                self.optimizer.clip(self.config.clip_norm, norm)
            self.optimizer.step()
            if self.average:
                self.average.update(number + 1)
        if self.times:
            self.times.num_steps += 1
        return StepReport(epoch + 1, number + 1, len(rows), mean_loss, rate, float(norm))

    def _add_gradients(
        self, subnets: Sequence[Subnet], frames: Tensor, targets: Tensor, part: Part, share: float, epoch: int,
        step: int,
    ) -> list[tuple[float, Tensor]]:  # fmt: skip
        """Add this rank's part of a batch to a step's mean gradient. Returns each subnet's loss and gradient's norm.

        With distillation, the first subnet, the largest, learns from the labels, and the others from what it answers:
        the targets of their cross-entropy are its softmax, without gradient (BigNAS; Yu et al. 2020).
        share: the part's, of the images of the step. Ranks that train together find out later what is not finite.
        """
        shared = part if self._shares_batches else None
        numbers = []
        for subnet in subnets:
            with self._timed("forward"):
                logits = self.supernet.run(frames, subnet, training_pass(self.supernet, subnet, shared))
                loss = self.loss(logits, targets)
                told = float(loss.detach())
            if self.ranks.is_alone:
                self._require_finite("loss", told, subnet, epoch, step)
            with self._timed("backward"):
                (share * loss / len(subnets)).backward()
            with self._timed("optimizer"):
                norm = self.optimizer.gradient_norm()  # so far: the first subnet that makes it no number is named
            if self.ranks.is_alone:
                self._require_finite("gradient", float(norm), subnet, epoch, step)
            numbers.append((told, norm))
            if self.config.distillation == "soft_labels" and subnet is subnets[0]:
                targets = logits.detach().softmax(-1)
        return numbers

    def _require_finite(self, what: str, number: float, subnet: Subnet, epoch: int, step: int) -> None:
        if not math.isfinite(number):
            raise self._diverged(f"the {what} of subnet {subnet} is not finite", epoch, step + 1)

    @property
    def _shares_batches(self) -> bool:
        return not self.ranks.is_alone and self.config.sync_batchnorm

    def _exchange(
        self, subnets: Sequence[Subnet], parts: Sequence[Part], mean_loss: float, told: Sequence[tuple[float, Tensor]],
        epoch: int, step: int,
    ) -> tuple[float, Tensor]:  # fmt: skip
        """Sum the gradient over ranks. Returns the step's mean loss and its gradient's norm.

        told: each subnet's loss and norm on this rank, batch after batch. All ranks raise the same Divergence.
        """
        mean_loss, *numbers = sum_gradients(
            self.supernet, subnets, self.ranks, [mean_loss, *(number for both in told for number in both)]
        )
        for subnet, loss, norm in zip(len(parts) * list(subnets), numbers[::2], numbers[1::2], strict=True):
            self._require_finite("loss", loss, subnet, epoch, step)
            self._require_finite("gradient", norm, subnet, epoch, step)
        if not self._shares_batches:
            images = sum(part.images for part in parts)
            average_statistics(self.supernet, self.ranks, sum(part.num_own for part in parts) / images)
        whole = self.optimizer.gradient_norm()
        self._require_finite("gradient", float(whole), subnets[-1], epoch, step)
        return mean_loss, whole

    def _timed(self, part: str) -> AbstractContextManager[None]:
        return self.times.part(part) if self.times else nullcontext()

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy with probabilities. Shapes: both (B, classes)."""
        return functional.cross_entropy(logits, targets)

    def step_data(
        self, epoch: int, step: int, rows: Tensor, parts: Sequence[Part] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Frames (F, B, H, W, C) of a step, augmented, and the probabilities (B, classes) that they are to give.

        parts: of its batches, those that are computed here; None for all images. Mixup is that of the whole step, as
        `mixup` defines it: an image is mixed with that of the opposite position, which another rank may have, too.
        """
        mixing = self.config.mixup if uses_mixup(self.config, epoch) else 0.0
        if self.ranks.is_alone or parts is None:
            own, opposite = rows, None
        else:
            positions = torch.cat([part.positions for part in parts])
            own, opposite = rows[positions], partial(self._prepared, epoch, rows[len(rows) - 1 - positions])
        return mixup(
            *self._prepared(epoch, own), self.data.description.num_classes, alpha=mixing,
            probability=self.config.mixup_probability, smoothing=self.config.label_smoothing, seed=self.seed,
            epoch=epoch, step=step, opposite=opposite,
        )  # fmt: skip

    def _prepared(self, epoch: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Frames of images, augmented, and their labels."""
        images, parameter = self.data.images, next(self.supernet.parameters())
        frames = augment(
            images.images[rows], images.index[rows], kind=self.data.augmentation, seed=self.seed, epoch=epoch,
            description=self.data.description, device=parameter.device, dtype=parameter.dtype,
            translation=self.data.translation,
        )  # fmt: skip
        return frames, images.labels[rows].to(parameter.device)

    def _own_rows(self, rows: Tensor) -> Tensor:
        """Those of a step's rows that this rank computes."""
        parts = self.ranks.parts(len(rows), self.config.batch)
        return rows[torch.cat([part.positions for part in parts])]
