"""The training loop of a supernet, or of one subnet. It can resume at every step, and has no random state."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.data.augmentation import augment
from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.data.mixing import mixup
from autospikformer_cli.data.order import epoch_order
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.spiking.supernet import Supernet
from autospikformer_cli.store.supernet import EpochRecord, TrainState
from autospikformer_cli.training.paths import PathSampler
from autospikformer_cli.training.schedule import learning_rate, num_steps, uses_mixup

BETAS = (0.9, 0.999)


class Divergence(UserError):
    """A training whose loss is not finite."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The images to train on, and their preparation."""

    images: ImageSet
    description: DataDescription
    augmentation: str


@dataclass(frozen=True, slots=True)
class StepReport:
    """Result of one step.

    epoch: from 1 on. images: number of images trained on. loss: mean loss of its paths.
    """

    epoch: int
    images: int
    loss: float


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


def make_optimizer(supernet: Supernet, weight_decay: float) -> torch.optim.AdamW:
    """AdamW. Biases and BatchNorm's parameters do not decay (timm's rule, which Spikformer uses)."""
    decayed = [p for p in supernet.parameters() if p.ndim > 1]
    others = [p for p in supernet.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, betas=BETAS, fused=True)


def optimizer_arrays(supernet: Supernet, optimizer: torch.optim.AdamW) -> dict[str, np.ndarray]:
    """The optimizer's state, as NAME/KEY -> array. NAME is a parameter, KEY is exp_avg and so on."""
    return {
        f"{name}/{key}": value.detach().cpu().numpy()
        for name, parameter in supernet.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(supernet: Supernet, optimizer: torch.optim.AdamW, arrays: dict[str, np.ndarray]) -> None:
    """Restore the state that `optimizer_arrays` returned."""
    parameters = dict(supernet.named_parameters())
    for path, array in arrays.items():
        name, _, key = path.rpartition("/")
        parameter = parameters[name]
        optimizer.state[parameter][key] = torch.from_numpy(array.copy()).to(parameter.device)


class Trainer:
    """Trains subnets of one supernet, from any state, to the end or until asked to stop."""

    def __init__(
        self, supernet: Supernet, optimizer: torch.optim.AdamW, data: TrainingData, config: TrainConfig, *,
        paths: PathSampler, seed: int,
    ) -> None:  # fmt: skip
        self.supernet, self.optimizer, self.data, self.config = supernet, optimizer, data, config
        self.paths, self.seed = paths, seed
        self.steps = num_steps(config, len(data.images.labels))

    def run(self, state: TrainState, recorder: Recorder) -> TrainState:
        """Train from a state. Returns the state reached; it is `finished` if all epochs are done."""
        while state.epoch < self.config.total_epochs:
            state = self._epoch(state, recorder)
            if state.step:
                return state
            recorder.epoch(state)
            if recorder.stop():
                break
        return state

    def _epoch(self, state: TrainState, recorder: Recorder) -> TrainState:
        """Train the rest of the current epoch. If asked to stop between steps, return a state with step > 0."""
        order = epoch_order(len(self.data.images.labels), self.seed, state.epoch)
        for step in range(state.step, self.steps):
            if state.step and recorder.stop():
                return state
            began = time.perf_counter()
            rows = order[step * self.config.batch : (step + 1) * self.config.batch]
            loss = self._step(state.epoch, step, rows)
            if not math.isfinite(loss):
                raise Divergence(
                    f"the loss is not finite in epoch {state.epoch + 1}, step {step + 1}",
                    "train.lr",
                    f"train anew with less than {self.config.lr:g}; what was saved before is kept",
                )
            state = replace(
                state,
                step=step + 1,
                loss_sum=state.loss_sum + loss * len(rows),
                images=state.images + len(rows),
                seconds=state.seconds + time.perf_counter() - began,
            )
            recorder.step(StepReport(state.epoch + 1, len(rows), loss))
            if state.step < self.steps:
                recorder.between(state)
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

    def _step(self, epoch: int, step: int, rows: Tensor) -> float:
        frames, targets = self._batch(epoch, step, rows)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, epoch + step / self.steps)
        self.optimizer.zero_grad()
        subnets = self.paths(epoch * self.steps + step)
        losses = []
        for subnet in subnets:
            loss = functional.cross_entropy(self.supernet(frames, subnet), targets)
            (loss / len(subnets)).backward()
            losses.append(float(loss.detach()))
        self.optimizer.step()
        return sum(losses) / len(losses)

    def _batch(self, epoch: int, step: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        images, description = self.data.images, self.data.description
        parameter = next(self.supernet.parameters())
        frames = augment(
            images.images[rows], images.index[rows], kind=self.data.augmentation, seed=self.seed, epoch=epoch,
            description=description, device=parameter.device, dtype=parameter.dtype,
        )  # fmt: skip
        mixing = self.config.mixup if uses_mixup(self.config, epoch) else 0.0
        return mixup(
            frames, images.labels[rows].to(parameter.device), description.num_classes, alpha=mixing,
            probability=self.config.mixup_probability, smoothing=self.config.label_smoothing, seed=self.seed,
            epoch=epoch, step=step,
        )  # fmt: skip
