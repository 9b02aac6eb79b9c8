"""Ideas for better supernets that `aspk` does not have. Each changes a training within a `with`, for `supernet.py`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from random import Random
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.data.order import epoch_order
from autospikformer_cli.engine.compute import make_compute
from autospikformer_cli.recipe import Recipe, TrainConfig
from autospikformer_cli.runs.building import make_supernet
from autospikformer_cli.runs.retraining import as_transformer
from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm
from autospikformer_cli.spiking.passes import Layer, SpikingPass
from autospikformer_cli.spiking.stages import Fire, State
from autospikformer_cli.spiking.supernet import Supernet
from autospikformer_cli.training import first_weights, loop, paths
from autospikformer_cli.training.optimizers import make_optimizer

Idea = Callable[[Recipe], AbstractContextManager[object]]

RATED_IMAGES, HALVINGS = 128, 12
LARGEST_RATIO = 5.0
TEACHERS_SHARE = 0.5


def scaled_potentials(factor: float) -> Idea:
    """BatchNorm's first scale times a factor. With thresholds times the same, the surrogate is as much narrower.

    A spike's slope 4 s (1 - s) at a distance of potentials that are `factor` times as large is that of a sigmoid of
    slope 4 `factor`. Thresholds alone do nothing but that: with a hard reset and a decayed input, a threshold and the
    scale of its currents cancel.
    """

    def scale(supernet: Supernet, *_: object) -> None:
        with torch.no_grad():
            for module in supernet.modules():
                if isinstance(module, ElasticBatchNorm):
                    module.weight.mul_(factor)

    return lambda recipe: _after_first_weights(scale)


def first_rate(rate: float) -> Idea:
    """BatchNorm's first scale such that every layer of the largest subnet fires at a rate, layer after layer."""

    def adjust(
        supernet: Supernet, _: TrainConfig, images: ImageSet, description: DataDescription, *rest: object
    ) -> None:
        subnet = supernet.config.space.largest()
        frames = loop.augment(
            images.images[:RATED_IMAGES], images.index[:RATED_IMAGES], kind="none", seed=0, epoch=0,
            description=description, device=torch.device("cpu"), dtype=torch.float32, translation=0,
        )  # fmt: skip
        run = SpikingPass(subnet.time_step, supernet.config.attention_scale, None)
        state = State(supernet.read_frames(frames, subnet.time_step))
        with torch.no_grad():
            for stage in supernet.stages(subnet):
                if isinstance(stage, Fire):
                    for layer in stage.layers:
                        _fire_at(rate, layer, state.read, stage, run)
                state = stage.run(state, run)

    return lambda recipe: _after_first_weights(adjust)


def _fire_at(rate: float, layer: Layer, x: Tensor, stage: Fire, run: SpikingPass) -> None:
    low, high = 0.1, 10.0
    for _ in range(HALVINGS):
        scale = (low * high) ** 0.5
        layer.norm.weight.fill_(scale)
        ((spikes,),) = run.fire((layer,), x, stage.outputs, [stage.neuron])
        low, high = (scale, high) if float(spikes.mean()) < rate else (low, scale)


@contextmanager
def _after_first_weights(change: Callable[..., None]) -> Iterator[None]:
    original = first_weights.set_first_weights

    def changed(*arguments: Any) -> None:
        original(*arguments)
        change(*arguments)

    with patch.object(first_weights, "set_first_weights", changed):
        yield


@contextmanager
def taus_by_importance(recipe: Recipe) -> Iterator[None]:
    """A tau is drawn with a probability in proportion to 1 / tau: neurons that hardly fire teach less often."""
    original = paths.sampled_paths

    def drawn(space: SearchSpace, seed: int, config: TrainConfig) -> paths.PathSampler:
        uniform, weights = original(space, seed, config), [1 / float(tau) for tau in space.tau]

        def sampled(step: int, progress: float) -> Sequence[Subnet]:
            random = Random(f"tau {seed} {step}")
            return [
                replace(each, tau=tuple(random.choices(space.tau, weights, k=each.depth)))
                for each in uniform(step, progress)
            ]

        return sampled

    with patch.object(paths, "sampled_paths", drawn):
        yield


def alpha_divergence(recipe: Recipe) -> AbstractContextManager[object]:
    """Distilled subnets of a sandwich learn by the larger of two divergences (AlphaNet; Wang et al., ICML 2021).

    alpha = 1 (Kullback-Leibler) punishes too little probability, alpha = -1 too much: 1/2 (sum q^2 / p - 1). The ratio
    q / p is cut.
    """

    class AlphaTrainer(loop.Trainer):
        def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
            if float(targets.amax(-1).min()) == 1:  # labels
                return super().loss(logits, targets)
            log_q, log_p = logits.log_softmax(-1), targets.clamp(min=1e-12).log()
            forward = (targets * (log_p - log_q)).sum(-1)
            ratio = (log_q - log_p).exp().clamp(max=LARGEST_RATIO)
            backward = ((log_q.exp() * ratio).sum(-1) - 1) / 2
            return torch.maximum(forward, backward).mean()

    return patch.object(loop, "Trainer", AlphaTrainer)


def ann_teacher(seconds: float) -> Idea:
    """An ANN of the largest shape is trained first, for so many CPU seconds. Half of each target is its softmax."""

    def with_teacher(recipe: Recipe) -> AbstractContextManager[object]:
        class TaughtTrainer(loop.Trainer):
            def __init__(self, *arguments: Any, **named: Any) -> None:
                super().__init__(*arguments, **named)
                self.teacher = _trained_ann(recipe, self.data, seconds)

            def step_data(self, epoch: int, step: int, rows: Tensor) -> tuple[Tensor, Tensor]:
                frames, targets = super().step_data(epoch, step, rows)
                with torch.no_grad():
                    taught = self.teacher(frames, self.teacher.config.space.largest()).softmax(-1)
                return frames, targets.lerp(taught, TEACHERS_SHARE)

        return patch.object(loop, "Trainer", TaughtTrainer)

    return with_teacher


def _trained_ann(recipe: Recipe, data: loop.TrainingData, seconds: float) -> Supernet:
    """It is trained as the recipe says; its schedule ends with the seconds. Its BatchNorm uses each batch's moments."""
    ann = as_transformer(recipe)
    supernet = make_supernet(ann, make_compute())
    first_weights.set_first_weights(supernet, ann.train, data.images, data.description, recipe.seed)
    largest = ann.space.search_space().largest()
    trainer = _PLAIN_TRAINER(
        supernet, make_optimizer(supernet, ann.train), data, ann.train, paths=paths.one_path(largest), seed=recipe.seed
    )
    epoch, began = 0, time.process_time()
    while True:
        for rows in epoch_order(len(data.images.labels), recipe.seed, epoch).split(ann.train.batch):
            progress = (time.process_time() - began) / seconds
            if progress >= 1:
                return supernet
            trainer.train_step(0, int(progress * trainer.steps), rows)
        epoch += 1


_PLAIN_TRAINER = loop.Trainer


def one_step_in_front(layers: int) -> Idea:
    """The first layers of the stem fire once, without a leak, and the others read that in every time step."""
    original = SpikingPass.fire

    def fire(
        self: SpikingPass, fired: Sequence[Layer], x: Tensor, outputs: int, neurons: Sequence[Neuron]
    ) -> list[tuple[Tensor, ...]]:
        if fired[0].weights.name in in_front:
            self, neurons = replace(self, time_step=1), [Neuron(1.0, each.threshold) for each in neurons]
        return original(self, fired, x, outputs, neurons)

    in_front = {f"patch_embed.proj_conv{number or ''}" for number in range(layers)}
    return lambda recipe: patch.object(SpikingPass, "fire", fire)
