"""The training loop of a supernet, or of one subnet. It can resume at every step, and has no random state."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.data.augmentation import augment
from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.device_images import DeviceImages
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.data.mixing import mixup
from autospikformer_cli.data.order import epoch_order
from autospikformer_cli.engine.machine_memory import memory_of
from autospikformer_cli.engine.trained import training_pass
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.supernet import Supernet
from autospikformer_cli.store.supernet import EpochRecord, TrainState
from autospikformer_cli.training.activation_checkpointing import run_checkpointed
from autospikformer_cli.training.averaging import UNAVERAGED, WeightAverage
from autospikformer_cli.training.choosing import Accuracies, ends_early, weights_at_end
from autospikformer_cli.training.gradients import average_statistics, sum_gradients
from autospikformer_cli.training.lacking_memory import explaining_lack
from autospikformer_cli.training.mixed_precision import HALF_FORMATS, LOSS_SCALE, LossScale, tf32_products
from autospikformer_cli.training.optimizers import Optimizers, optimizer_arrays, restore_optimizer
from autospikformer_cli.training.paths import PathSampler
from autospikformer_cli.training.ranks import ONE_RANK, BatchPart, Ranks
from autospikformer_cli.training.readings import READ_STEPS, NotFinite, Read, StepReadings, StepReport, Unread
from autospikformer_cli.training.schedule import learning_rate, num_steps, uses_mixup
from autospikformer_cli.training.step_times import StepTimes
from autospikformer_cli.training.used_weights import unused_stay
from autospikformer_cli.wording import shortened

SHARE_OF_IMAGES = 0.25
"""Of a GPU's memory, for all training images at most."""


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
class Recorder:
    """The functions that the loop calls.

    step: takes the report of each step, in order; a GPU's come many at a time. between: between two steps of an epoch,
    with the state. epoch: after each epoch, with the state. stop: returns whether to stop. accuracy: returns the top-1
    on validation; called once for each epoch, with the weights that are stored. unaveraged: the same of the weights
    without their average, if the recipe compares both. kept: after each epoch, before `epoch`, while the trainer has
    that epoch's weights. earlier: brings the weights and the optimizers' state of an earlier epoch back, which a
    training ends with. due: whether `between` is wanted now: the state is known only if all reports are read.
    """

    step: Callable[[StepReport], None]
    between: Callable[[TrainState], None]
    epoch: Callable[[TrainState], None]
    stop: Callable[[], bool]
    accuracy: Callable[[], Accuracies]
    unaveraged: Callable[[], Accuracies] = Accuracies
    kept: Callable[[TrainState], None] = lambda state: None
    earlier: Callable[[int], None] = lambda epoch: None
    due: Callable[[], bool] = lambda: True


class Trainer:
    """Trains subnets of one supernet, from any state, to the end or until asked to stop."""

    def __init__(
        self, supernet: Supernet, optimizer: Optimizers, data: TrainingData, config: TrainConfig, *,
        paths: PathSampler, seed: int, times: StepTimes | None = None, read_steps: int | None = None,
        ranks: Ranks = ONE_RANK,
    ) -> None:  # fmt: skip
        """times: takes how long the parts of the steps take, if that is asked for. ranks: who trains together.

        read_steps: steps whose numbers are read together; None for what suits the device.
        """
        self.times, self.ranks = times, ranks
        self.supernet, self.optimizer, self.data, self.config = supernet, optimizer, data, config
        self.paths, self.seed = paths, seed
        self.steps = num_steps(config, len(data.images.labels))
        half_life = config.ema_half_life * config.total_epochs * self.steps
        self.average = WeightAverage(supernet, half_life) if half_life else None
        self.device = next(supernet.parameters()).device
        self.half = HALF_FORMATS[config.mixed_precision]
        self.loss_scale = LossScale(self.device) if self.half == torch.float16 else None
        self._reads_at_once = self.device.type == "cpu" and self.loss_scale is None
        self.unread = Unread(1 if self.device.type == "cpu" else read_steps or READ_STEPS)
        room = int((memory_of(str(self.device)) or 0) * SHARE_OF_IMAGES)
        self._images = DeviceImages(data.images, self.device, room)
        self._halted = torch.zeros((), dtype=torch.bool, device=self.device)

    def weights(self) -> dict[str, Tensor]:
        """What is validated and stored, by name: the average, if the recipe asks for one, or the network's weights."""
        return self.average.values if self.average else self.supernet.state_dict()

    def arrays(self) -> dict[str, np.ndarray]:
        """What a store needs next to `weights` to go on: the optimizers' state, and weights that are not averaged."""
        own = self.average.arrays() if self.average else {}
        own |= self.loss_scale.arrays() if self.loss_scale else {}
        return {**optimizer_arrays(self.supernet, self.optimizer), **own}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take over what `arrays` returned, after the stored weights were loaded into the network."""
        own = {path: array for path, array in arrays.items() if path.endswith(f"/{UNAVERAGED}")}
        scale = {path: array for path, array in arrays.items() if path.startswith(f"{LOSS_SCALE}/")}
        if self.loss_scale:
            self.loss_scale.restore(scale)
        states = {path: array for path, array in arrays.items() if path not in own and path not in scale}
        restore_optimizer(self.supernet, self.optimizer, states)
        if self.average:
            self.average.restore(own)

    def run(self, state: TrainState, recorder: Recorder) -> TrainState:
        """Train from a state. Returns the state reached; it is `finished` if all epochs are done.

        Then the network has the weights that are stored.
        """
        while state.epoch < self.config.total_epochs and not state.finished:
            state = self._epoch(state, recorder)
            if state.step:
                return state
            recorder.kept(state)
            if state.finished:
                self._take_chosen(state, recorder)
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
            if step and self.ranks.agreed(recorder.stop()):
                return self._read(state, recorder, self.unread.rest)
            began = time.perf_counter()
            images = self.config.step_images
            rows, following = (order[first : first + images] for first in (step * images, (step + 1) * images))
            self.data.images.read_ahead(self._own_rows(following))
            with explaining_lack(self.config, state.epoch + 1, step + 1):
                taken = self.train_step(state.epoch, step, rows)
            taken.seconds = time.perf_counter() - began
            self.unread.add(taken)
            state = self._read(state, recorder, self.unread.ready)
            if step + 1 < self.steps and recorder.due():
                state = self._read(state, recorder, self.unread.rest)
                recorder.between(state)
        state = self._read(state, recorder, self.unread.rest)
        self.require_finite(state)
        compares = self.average and self.config.ema_choice == "validation"
        own = self.ranks.from_first(recorder.unaveraged) if compares else Accuracies()
        with self.average.in_place() if self.average else nullcontext():
            validated = self.ranks.from_first(recorder.accuracy)
        record = EpochRecord(
            epoch=state.epoch + 1,
            steps=self.steps,
            loss=state.loss_sum / state.images,
            images_per_second=state.images / state.seconds,
            val_top1_largest=validated.largest,
            val_top1_smallest=validated.smallest,
            seconds=state.seconds,
            val_top1_mean=validated.mean,
            unaveraged_top1_largest=own.largest,
            unaveraged_top1_smallest=own.smallest,
            unaveraged_top1_mean=own.mean,
        )
        return self._after(state.epoch + 1, (*state.history, record))

    def _after(self, epoch: int, history: tuple[EpochRecord, ...]) -> TrainState:
        """The state after an epoch."""
        early = epoch < self.config.total_epochs and ends_early(history, self.config)
        state = TrainState(epoch, 0, early or epoch >= self.config.total_epochs, history, 0.0, 0, 0.0)
        if not state.finished:
            return state
        chosen = weights_at_end(history, self.config)
        return replace(state, chosen_epoch=chosen.epoch, chosen_unaveraged=chosen.unaveraged, stopped_early=early)

    def _take_chosen(self, state: TrainState, recorder: Recorder) -> None:
        """Let `weights` be those that a finished training has chosen."""
        if state.chosen_epoch != state.epoch:
            recorder.earlier(state.chosen_epoch)
        if state.chosen_unaveraged and self.average:
            self.average.take_own()

    def _read(self, state: TrainState, recorder: Recorder, read: Callable[[], list[Read]]) -> TrainState:
        """Report the steps that are read now. Returns the state after them. Raises Divergence if one was not finite."""
        began = time.perf_counter()
        steps = read()
        waited = time.perf_counter() - began
        for place, (step, numbers) in enumerate(steps, 1):
            report = self._report(step, numbers, waited if place == len(steps) else 0.0)
            state = replace(
                state,
                step=step.step + 1,
                loss_sum=state.loss_sum + report.loss * report.images,
                images=state.images + report.images,
                seconds=state.seconds + report.seconds,
            )
            recorder.step(report)
        return state

    def _report(self, step: StepReadings, numbers: Sequence[float], waited: float = 0.0) -> StepReport:
        try:
            return step.report(numbers, waited)
        except NotFinite as error:
            raise self._diverged(error.what, error.epoch, error.step + 1) from None

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

    def train_step(self, epoch: int, step: int, rows: Tensor) -> StepReadings:
        """Train the subnets of a step. Returns its numbers, which may still be computed.

        A weight moves only if all losses and gradients are finite. On a CPU it raises Divergence if they are not. On
        another device no weight moves from then on, and whoever reads the numbers is told. The gradient is the mean
        over all images of the step, batch after batch.
        """
        parts = self.ranks.parts(len(rows), self.config.batch)
        with self._timed("data"):
            frames, targets = self.step_data(epoch, step, rows, parts)
        rate = learning_rate(self.config, epoch + step / self.steps)
        self.optimizer.set_rate(rate)
        self.optimizer.zero_grad()
        number = epoch * self.steps + step
        subnets = self.paths(number, number / (self.config.total_epochs * self.steps))
        sizes = [len(part.positions) for part in parts]
        images = tuple(part.images for part in parts)
        taken = StepReadings(epoch, step, number, images, rate, subnets, loss_scale=self.loss_scale)
        with tf32_products(self.config.tf32):
            for part, of_frames, of_targets in zip(parts, frames.split(sizes, 1), targets.split(sizes), strict=True):
                self._add_gradients(taken, of_frames, of_targets, part, part.num_own / len(rows))
        if not self.ranks.is_alone:
            with self._timed("optimizer"):
                self._exchange(taken, parts)
        with self._timed("optimizer"):
            halted = self._halted_by(taken)
            if self.config.clip_norm:
                self.optimizer.clip(self.config.clip_norm, taken.norms[-1])
            stays = self.config.unused_weights == "stay"
            with unused_stay(self.supernet, self.optimizer, subnets) if stays else nullcontext():
                self.optimizer.step(halted)
            if self.average:
                self.average.update(number + 1)
        if self.times:
            self.times.end_step(number + 1)
        return taken

    def _halted_by(self, taken: StepReadings) -> Tensor | None:
        """A flag on the device, whether a step must move nothing. On a CPU None, or Divergence. Unscales gradients."""
        if self._reads_at_once:
            self._report(taken, taken.on_device.tolist())
            return None
        finite, scale = taken.on_device.isfinite().all(), self.loss_scale
        if scale is None:
            self._halted |= ~finite
            return self._halted
        # In float16 a gradient may overflow: its step is left out, and the scale of the loss halved.
        self._halted |= ~torch.stack(taken.losses).isfinite().all() | (~finite & (scale.scale <= scale.LEAST))
        scale.unscale(self.supernet.parameters())
        scale.update(finite)
        return self._halted | ~finite

    def _exchange(self, taken: StepReadings, parts: Sequence[BatchPart]) -> None:
        """Sum the gradient over ranks, and the numbers of the step: all ranks find the same.

        A loss is that of the whole batch then, and the last norm that of the whole gradient. The other norms are sums
        of the ranks' norms: these say no more than which subnet made one of them no number.
        """
        shares = [part.num_own / part.images for part in parts for _ in taken.subnets]
        losses = [share * loss for share, loss in zip(shares, taken.losses, strict=True)]
        along = torch.stack([*losses, *taken.norms])
        numbers = sum_gradients(self.supernet, taken.subnets, self.ranks, along).unbind()
        if not self.config.sync_batchnorm:
            own, whole = (sum(counts) for counts in zip(*((part.num_own, part.images) for part in parts), strict=True))
            average_statistics(self.supernet, self.ranks, own / whole)
        taken.losses, taken.norms = [*numbers[: len(losses)]], [*numbers[len(losses) : -1], self._gradient_norm()]

    def _gradient_norm(self) -> Tensor:
        norm = self.optimizer.gradient_norm()
        return norm if self.loss_scale is None else norm / self.loss_scale.scale

    def _add_gradients(
        self, taken: StepReadings, frames: Tensor, targets: Tensor, part: BatchPart, share: float
    ) -> None:
        """Add this rank's part of a batch to a step's mean gradient.

        With distillation, the first subnet, the largest, learns from the labels, and the others from what it answers:
        the targets of their cross-entropy are its softmax, without gradient (BigNAS; Yu et al. 2020).
        share: the part's, of the images of the step. Ranks that train together find out later what is not finite.
        """
        for subnet in taken.subnets:
            with self._timed("forward"):
                logits = self._logits(frames, subnet, part)
                loss = self.loss(logits, targets)
            with self._timed("backward"):
                term = share * loss / len(taken.subnets)
                (term if self.loss_scale is None else term * self.loss_scale.scale).backward()
            with self._timed("optimizer"):
                # The norm so far: the first subnet that makes it no number is named.
                taken.add(loss, self._gradient_norm())
            if self.config.distillation == "soft_labels" and subnet is taken.subnets[0]:
                targets = logits.detach().softmax(-1)

    def _logits(self, frames: Tensor, subnet: Subnet, part: BatchPart) -> Tensor:
        shared = part if self.config.sync_batchnorm and not self.ranks.is_alone else None
        run = training_pass(self.supernet, subnet, self.half, shared)
        if self.config.activation_checkpointing:
            return run_checkpointed(self.supernet, frames, subnet, run)
        return self.supernet.run(frames, subnet, run)

    def _timed(self, part: str) -> AbstractContextManager[None]:
        return self.times.part(part) if self.times else nullcontext()

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy with probabilities. Shapes: both (B, classes)."""
        return functional.cross_entropy(logits, targets)

    def step_data(
        self, epoch: int, step: int, rows: Tensor, parts: Sequence[BatchPart] | None = None
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
        images, labels = self._images.take(rows)
        frames = augment(
            images, self.data.images.index[rows], kind=self.data.augmentation, seed=self.seed, epoch=epoch,
            description=self.data.description, device=self.device, dtype=next(self.supernet.parameters()).dtype,
            translation=self.data.translation,
        )  # fmt: skip
        return frames, labels

    def _own_rows(self, rows: Tensor) -> Tensor:
        """Those of a step's rows that this rank computes."""
        parts = self.ranks.parts(len(rows), self.config.batch)
        return rows[torch.cat([part.positions for part in parts])]
