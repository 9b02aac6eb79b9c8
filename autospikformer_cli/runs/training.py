"""A training in a run's folder. It saves about once a minute, after every epoch and when interrupted, and resumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autospikformer_cli.data.description import DataDescription, describe
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.runs.building import (
    environment,
    first_images,
    load_arrays,
    load_images,
    make_evaluator,
    make_supernet,
    neuron_kind,
    require_room_for_step,
    stored_text,
    versions,
    warm_engine,
    warm_training,
    weight_arrays,
)
from autospikformer_cli.runs.chosen_weights import WeightChoice, measured_by_recipe, require_choosable
from autospikformer_cli.runs.conditions import require_resumable, require_same_images, training_identity
from autospikformer_cli.runs.dead_networks import dead_notes
from autospikformer_cli.runs.kept_epochs import KeptEpochs
from autospikformer_cli.runs.kept_training import require_own_training, trained_anew_without
from autospikformer_cli.runs.number_format import require_number_format
from autospikformer_cli.runs.tracking import UNTRACKED, Tracking
from autospikformer_cli.say import Interruptible, Say, Stop, uninterrupted
from autospikformer_cli.store import supernet as stored
from autospikformer_cli.store.pace import SavingPace
from autospikformer_cli.store.supernet import Checkpoint, SubnetMean, TrainState
from autospikformer_cli.store.training_log import LoggedStep, TrainingLog
from autospikformer_cli.training.ranks import ONE_RANK, Ranks, require_image_for_each

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet, Split
    from autospikformer_cli.engine.compute import Compute
    from autospikformer_cli.evaluation.evaluator import SubnetResult
    from autospikformer_cli.space import Subnet
    from autospikformer_cli.spiking.supernet import Supernet
    from autospikformer_cli.training.choosing import Accuracies
    from autospikformer_cli.training.loop import Trainer
    from autospikformer_cli.training.paths import PathSampler
    from autospikformer_cli.training.readings import StepReport
    from autospikformer_cli.training.step_times import StepTimes

SECONDS_UNSAVED = 60.0
"""Seconds between two saves inside an epoch."""
START = TrainState(epoch=0, step=0, finished=False, history=(), loss_sum=0.0, images=0, seconds=0.0)


@dataclass(frozen=True)
class TrainingResult:
    """A run as its training left it. times: of the steps that were trained now, if that was asked for."""

    path: Path
    recipe: Recipe
    state: TrainState
    times: StepTimes | None = None

    @property
    def choice(self) -> WeightChoice | None:
        """Which weights the training chose, and by what; None if its recipe asks for no choice."""
        return WeightChoice.of(self.recipe, self.state)

    def to_document(self) -> dict[str, object]:
        """As JSON. Weights that were imported have no history."""
        history = self.state.history
        images = sum(record.images_per_second * record.seconds for record in history)
        return {
            "run": str(self.path),
            "recipe": self.recipe.name,
            "epochs": len(history),
            "steps": sum(record.steps for record in history),
            "images_per_second": images / sum(record.seconds for record in history) if history else None,
            "val_top1_largest": self.state.top1[0],
            "val_top1_smallest": self.state.top1[1],
            **({} if self.choice is None else {"choice": self.choice.to_document()}),
            **self.recipe.fidelity_document(),
            **({} if self.times is None else {"step_times": self.times.to_document()}),
        }


@dataclass(frozen=True)
class TrainingRun:
    """A training, stored in the folder that it runs in. paths: each step's subnets. shown: two subnets to follow.

    interruptible: asked after each step. first_weights: what a new training starts from; None for the
    recipe's (`set_first_weights`). split_seed: what cuts the data set; None for the recipe's seed. loaded: its images
    by split, if they are read. tracking: who follows it from outside. times: takes how long the parts of
    its steps take. alone: whether it is of one subnet, in a folder whose name stands for it. ranks: the processes that
    train it together, each with a run like this; rank 0 reads and writes the folder.
    """

    recipe: Recipe
    compute: Compute
    say: Say
    paths: PathSampler
    shown: tuple[Subnet, Subnet]
    interruptible: Interruptible = uninterrupted
    first_weights: Mapping[str, np.ndarray[Any, Any]] | None = None
    split_seed: int | None = None
    loaded: Mapping[str, ImageSet] | None = None
    alone: bool = False
    tracking: Tracking = UNTRACKED
    times: StepTimes | None = None
    ranks: Ranks = ONE_RANK

    def require_startable(self) -> None:
        """Raises UserError if data or validation images are missing, or the engine or the memory does not suffice.

        Called before anything is written.
        """
        require_choosable(self.recipe)
        require_number_format(self.recipe, self.compute)
        neuron_kind(self.recipe.model.neuron, self.recipe.given_by)  # why it is not known, if it is not
        require_room_for_step(self.recipe, self.compute, 1)  # images of this size may be more than fits, too
        batch = min(self.recipe.train.batch, len(self.images["train"]))
        require_image_for_each(self.ranks, batch)
        require_room_for_step(self.recipe, self.compute, self.ranks.most_of(batch))
        self.compute.engine_for(make_supernet(self.recipe, self.compute))

    @cached_property
    def description(self) -> DataDescription:
        """The data set's shape."""
        return describe(self.recipe.data)

    def run(self, path: Path, label: str) -> tuple[Supernet, TrainState]:
        """Train to the end, or resume what the folder holds.

        Raises UserError if the folder was begun with another recipe, KeyboardInterrupt when stopped, after saving.
        """
        opened = self.open(path)
        if not opened.state.finished:
            self._train(opened, label)
        return opened.supernet, opened.state

    def open(self, path: Path) -> OpenTraining:
        """The training as the folder holds it, or a new one, in memory. Raises UserError as `run`."""
        from autospikformer_cli.training.first_weights import set_first_weights
        from autospikformer_cli.training.loop import Trainer, TrainingData
        from autospikformer_cli.training.optimizers import make_optimizer

        if not self.ranks.is_alone:
            self._meet()
        recipe, begun = self.recipe, self.ranks.from_first(lambda: self._begun(path))
        supernet = make_supernet(recipe, self.compute)
        if begun is not None:
            load_arrays(supernet, begun.weights, str(path))
            if begun.state.finished:
                return OpenTraining(self, path, supernet, begun.state, None, begun.log)
        elif self.first_weights is not None:
            load_arrays(supernet, self.first_weights, str(path))
        else:
            set_first_weights(supernet, recipe.train, self.images["train"], self.description, recipe.seed)
            if not self.ranks.is_alone:
                load_arrays(supernet, self.ranks.from_first(lambda: weight_arrays(supernet)), str(path))
        require_number_format(recipe, self.compute)
        warm_training(recipe, self.compute, self.say)
        data = TrainingData(self.images["train"], self.description, recipe.data.augment, recipe.data.translation)
        optimizer = make_optimizer(supernet, recipe.train)
        trainer = Trainer(
            supernet, optimizer, data, recipe.train, paths=self.paths, seed=recipe.seed, times=self.times,
            ranks=self.ranks,
        )  # fmt: skip
        if begun is not None:
            trainer.restore(begun.optimizer)
        if begun is None:
            return OpenTraining(self, path, supernet, START, trainer, TrainingLog.of())
        return OpenTraining(self, path, supernet, begun.state, trainer, begun.log)

    def _meet(self) -> None:
        """Before the folder is read: all ranks have the same recipe, images and packages. Raises UserError if not."""
        hashes = {f"images in the {split} split": images.hash for split, images in self.images.items()}
        recipe = "\n".join(training_identity(self.recipe))
        self.ranks.require_same({"keys of the recipe": recipe, **hashes, "packages": str(versions())})
        if not self.recipe.train.sync_batchnorm:
            ranks = f"as they are with {self.ranks.world} processes"
            self.say.remark(f"train.sync_batchnorm is false: results are {ranks}, and others with another number")

    def _begun(self, path: Path) -> Checkpoint | None:
        if not (path / stored.SUPERNET_FILE).is_file():
            return None
        with self._explained(path):
            begun = stored.load_checkpoint(path)
            require_own_training(path, begun, alone=self.alone)
            changed = require_resumable(path, begun, self.recipe, self.compute.precision)
        images = self.loaded or {} if begun.state.finished else self.images
        with self._explained(path):
            for split in images.values():
                require_same_images(path, begun.splits, split)
        if begun.state.finished and changed:
            kept = f"{', '.join(changed)} {'decides' if len(changed) == 1 else 'decide'} nothing of a training"
            self.say.remark(f"{kept}: the run keeps the recipe that it was trained with")
        stored_recipe = recipe_from_toml(begun.recipe_toml, begun.recipe_name)
        KeptEpochs(path, self.recipe.train).require_as_begun(stored_recipe.train, begun.state)
        return begun

    def _explained(self, path: Path) -> AbstractContextManager[None]:
        return trained_anew_without(path) if self.alone else nullcontext()

    @cached_property
    def images(self) -> Mapping[str, ImageSet]:
        """The training images, and the validation images if there are any. Raises UserError for damaged ones."""
        from autospikformer_cli.data.sources import has_validation

        if self.loaded is not None:
            return self.loaded
        seed = self.recipe.seed if self.split_seed is None else self.split_seed
        splits: tuple[Split, ...] = ("train", "validation") if has_validation(self.recipe.data) else ("train",)
        return self.ranks.first_before_others(
            lambda: {split: load_images(self.recipe, seed, split, self.say) for split in splits}
        )

    @cached_property
    def _validated(self) -> tuple[ImageSet, ImageSet | None]:
        """The images of the accuracy after each epoch, and those that recalibrate BatchNorm, if any do."""
        recipe, images = self.recipe, self.images
        validation = first_images(images["validation"], recipe, "train.validation_images", self.say)
        if recipe.model.batchnorm != "recalibrate":
            return validation, None
        return validation, first_images(images["train"], recipe, "model.calibration_images", self.say)

    def _train(self, opened: OpenTraining, label: str) -> None:
        from autospikformer_cli.training.choosing import Accuracies

        images = self.images
        if "validation" in images:
            _ = self._validated  # what is to say of it is said before the bar
        total = self.recipe.train.total_epochs * len(images["train"])
        warm_engine(self.compute.engine_for(opened.supernet), self.say)
        pace = SavingPace(SECONDS_UNSAVED)
        showing = self.say.progress(label, total, unit="images", start=opened.done)
        measured: dict[Subnet, SubnetResult] = {}
        following = self.tracking.of(opened.path, self.recipe)
        with self.interruptible() as stop, showing as progress, following:

            def step(report: StepReport) -> None:
                progress.advance(report.images, epoch=f"{report.epoch}/{self.recipe.train.epochs}", loss=report.loss)
                self.tracking.step(report)

            def accuracy(kind: str = "val") -> Accuracies:
                if "validation" not in images:
                    return Accuracies()
                measured.update(self._measured(opened.supernet))
                found = self._accuracies(measured)
                self.tracking.validated(kind, found)
                largest, smallest = (measured[subnet].measurement.top1 for subnet in self.shown)
                both = {f"{kind}_largest": largest, f"{kind}_smallest": smallest}
                progress.advance(0, **({kind: largest} if len(set(self.shown)) == 1 else both))
                return found

            opened.go_on(stop, step, pace, accuracy, lambda: accuracy("unaveraged"))
        state = opened.state
        if state.finished:
            self._remark_on_end(opened, measured)
            return
        if state.step:
            opened.save()
        self.ranks.agreed(False)  # the others wait until it is saved
        self.say.remark(f"stopped and saved in {opened.place}; the same command goes on from there")
        raise KeyboardInterrupt

    @cached_property
    def measure(self) -> tuple[Subnet, ...]:
        """The subnets by whose mean accuracy weights are chosen; none if the recipe asks for no choice."""
        return measured_by_recipe(self.recipe)

    @property
    def stored_measure(self) -> SubnetMean | None:
        """The same as it is stored."""
        if not self.measure:
            return None
        return SubnetMean(tuple(str(subnet) for subnet in self.measure), len(self._validated[0]))

    def _measured(self, supernet: Supernet) -> dict[Subnet, SubnetResult]:
        """What the two subnets that are followed measure on validation images, and those that weights are chosen by."""
        validation, calibration = self._validated
        engine = self.compute.engine_for(supernet)  # it packs the weights once, so each validation has its own
        evaluator = make_evaluator(engine, self.recipe, self.description, calibration, self.say)
        subnets = dict.fromkeys((*self.shown, *self.measure))
        if not self.measure:
            return {subnet: evaluator.measure(subnet, validation) for subnet in subnets}
        found = {
            subnet: each for part in evaluator.measure_many([*subnets], validation) for subnet, each in part.items()
        }
        return {subnet: found[subnet] for subnet in subnets}

    def _accuracies(self, measured: Mapping[Subnet, SubnetResult]) -> Accuracies:
        from autospikformer_cli.training.choosing import Accuracies

        largest, smallest = (measured[subnet].measurement.top1 for subnet in self.shown)
        of_measure = [measured[subnet].measurement.top1 for subnet in self.measure]
        return Accuracies(largest, smallest, sum(of_measure) / len(of_measure) if of_measure else None)

    def _remark_on_end(self, opened: OpenTraining, measured: Mapping[Subnet, SubnetResult]) -> None:
        """Say which weights were chosen, and whether networks are dead with them. measured: after the last epoch."""
        if not self.ranks.is_first:
            return
        state, choice = opened.state, WeightChoice.of(self.recipe, opened.state)
        for remark in choice.remarks() if choice else ():
            self.say.remark(remark)
        if state.chosen_unaveraged or state.chosen_epoch != state.epoch:
            measured = self._measured(opened.supernet)
        self._remark_on_dead({subnet: measured[subnet] for subnet in dict.fromkeys(self.shown) if measured})

    def _remark_on_dead(self, measured: Mapping[Subnet, SubnetResult]) -> None:
        """Say if one of these subnets is dead. Who trains a subnet alone measures it then, and says so of it."""
        if self.alone:
            return
        names = ("the largest subnet", "the smallest subnet") if len(measured) > 1 else ("the network",)
        for name, result in zip(names, measured.values(), strict=False):
            for note in dead_notes(name, result, self.recipe):
                self.say.remark(note)


@dataclass
class OpenTraining:
    """A training in memory, at some step. trainer: None if it is finished. log: of the steps before the last save."""

    run: TrainingRun
    path: Path
    supernet: Supernet
    state: TrainState
    trainer: Trainer | None
    log: TrainingLog
    _unlogged: list[LoggedStep] = field(default_factory=list)

    @property
    def kept(self) -> KeptEpochs:
        """The files of its epochs."""
        return KeptEpochs(self.path, self.run.recipe.train)

    @property
    def done(self) -> int:
        """Images that it has trained on, each as often as it was."""
        return self.state.epoch * len(self.run.images["train"]) + self.state.images

    @property
    def place(self) -> str:
        """The next step, in words."""
        assert self.trainer is not None
        return f"epoch {self.state.epoch + 1}, step {self.state.step} of {self.trainer.steps}"

    def go_on(
        self, stop: Stop, step: Callable[[StepReport], None], pace: SavingPace,
        accuracy: Callable[[], Accuracies] | None = None, unaveraged: Callable[[], Accuracies] | None = None, *,
        every_epoch: bool = True,
    ) -> None:  # fmt: skip
        """Train to the end, or until asked to stop between two steps. Without `accuracy`, no epoch is validated.

        It is saved at the times of the pace, after every epoch unless `every_epoch` is false, and at the end.
        """
        from autospikformer_cli.training.choosing import Accuracies
        from autospikformer_cli.training.loop import Recorder

        def logged(report: StepReport) -> None:
            if not self.run.ranks.is_first:
                return
            numbers = report.number, report.loss, report.learning_rate, report.gradient_norm, report.seconds
            self._unlogged.append(LoggedStep(*numbers))
            step(report)

        def epoch(state: TrainState) -> None:
            if every_epoch or state.finished or pace.is_due():
                save(state)

        def save(state: TrainState) -> None:
            self.state = state
            with pace.saving():
                self.save()

        if self.trainer is not None:
            validation = accuracy or Accuracies, unaveraged or Accuracies
            recorder = Recorder(
                logged, save, epoch, stop, *validation, self._keep, self._take_earlier, due=pace.is_due
            )  # fmt: skip
            self.state = self.trainer.run(self.state, recorder)

    def _keep(self, state: TrainState) -> None:
        """Keep the weights of an epoch in a file of their own, if the recipe asks for it."""
        if self.run.ranks.is_first and self.kept.wants(state):
            self.state = state
            self.kept.keep(self._checkpoint())

    def _take_earlier(self, epoch: int) -> None:
        """Take the weights of an earlier epoch, which are kept, back into the network."""
        assert self.trainer is not None
        kept = self.run.ranks.from_first(lambda: self.kept.load(self.state, epoch))
        load_arrays(self.supernet, kept.weights, str(self.path))
        self.trainer.restore(kept.optimizer)

    def save(self) -> None:
        """Write it into its folder. Raises Divergence if it is no network any more: what was saved before stays.

        Of several ranks, the first writes.
        """
        if not self.run.ranks.is_first:
            return
        stored.save_checkpoint(self.path, self._checkpoint())
        self.kept.remove_needless(self.state)

    def _checkpoint(self) -> Checkpoint:
        """What there is to save now. Raises Divergence as `save`."""
        assert self.trainer is not None
        self.trainer.require_finite(self.state)
        self.log = self.log.followed_by(self._unlogged)
        self._unlogged.clear()
        return Checkpoint(
            recipe_name=self.run.recipe.name,
            recipe_toml=stored_text(self.run.recipe),
            state=self.state,
            folder=self.path.name if self.run.alone else "",
            splits={split: part.hash for split, part in self.run.images.items()},
            environment=environment(self.run.compute) | self.run.ranks.environment(),
            weights={name: value.detach().cpu().numpy() for name, value in self.trainer.weights().items()},
            optimizer=self.trainer.arrays(),
            log=self.log,
            measure=self.run.stored_measure,
        )
