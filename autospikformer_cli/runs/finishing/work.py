"""What a worker of `aspk finish` does: train one network, part by part, and test it once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.executors import Unfinished
from autospikformer_cli.measurement import Measurement, Provenance
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.runs.building import (
    load_arrays,
    make_evaluator,
    make_supernet,
    measured_by,
    warm_engine,
    weight_arrays,
)
from autospikformer_cli.runs.retraining import Retraining
from autospikformer_cli.runs.training import OpenTraining
from autospikformer_cli.say import SILENT
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.divergence import write_divergence
from autospikformer_cli.store.evaluations import FineTuning
from autospikformer_cli.store.pace import SavingPace
from autospikformer_cli.store.runs import prepared_run, run_lock
from autospikformer_cli.store.supernet import weights_hash

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet
    from autospikformer_cli.engine.compute import Compute
    from autospikformer_cli.engine.names import EngineName
    from autospikformer_cli.spiking.supernet import Supernet
    from autospikformer_cli.training.readings import StepReport

SECONDS_A_PART = 0.5
"""Seconds of training after which a worker says how far it is. Whoever asked may then stop it."""
SECONDS_BETWEEN_SAVES = 10.0
"""Seconds between two saves of a training."""
COMMAND = "aspk finish"


@dataclass(frozen=True)
class FinishTask:
    """One network to test. recipe: that it is measured under. retraining: None for inherited weights."""

    number: int
    label: str
    subnet: Subnet
    recipe: Recipe
    retraining: Retraining | None

    @property
    def epochs(self) -> int:
        """Epochs of its training; 0 for inherited weights."""
        return 0 if self.retraining is None else self.retraining.epochs


@dataclass(frozen=True)
class Tested:
    """What a network measured on the test images. tuning: None for inherited weights."""

    measurement: Measurement
    provenance: Provenance
    tuning: FineTuning | None


@dataclass(frozen=True)
class Diverged:
    """A training that ended before its end. why: in a sentence."""

    why: str


@dataclass(frozen=True)
class Failed:
    """A training that cannot go on until the user has repaired something. Nothing of it is stored."""

    error: UserError


@dataclass(frozen=True, eq=False)
class FinishWork:
    """All that is needed to train and test the networks of a run. A `Work` whose tasks are FinishTasks.

    weights: the supernet's. images: those that are tested. training: images by split. calibration: the images that
    recalibrate BatchNorm, if any do. epochs: of the supernet. memory: see Evaluator.
    """

    part: ClassVar[str] = "network"
    kept: ClassVar[str] = "what was saved"

    weights: Mapping[str, np.ndarray[Any, Any]]
    images: ImageSet
    training: Mapping[str, ImageSet]
    calibration: ImageSet | None
    epochs: int
    memory: int
    engine: EngineName | None
    precision: str
    device: str
    threads: int

    def open(self) -> Finishing:
        """What trains and tests, in this process."""
        from autospikformer_cli.engine.compute import Compute

        return Finishing(self, Compute(self.device, self.precision, self.threads, self.engine))


@dataclass
class Finishing:
    """Trains one network after the other, and tests each. It has one training in memory, whose folder it locks."""

    work: FinishWork
    compute: Compute
    _training: OpenTraining | None = field(default=None, init=False)
    _pace: SavingPace = field(default_factory=SavingPace, init=False)
    _lock: ExitStack = field(default_factory=ExitStack, init=False)

    def do(self, task: FinishTask) -> Unfinished | Tested | Diverged | Failed:
        """Train for a moment; once all is trained, test."""
        if task.retraining is None:
            return self._tested(task, self._inherited(task), None)
        try:
            return self._trained(task, task.retraining)
        except UserError as error:
            self._close()
            return Failed(error)

    def _trained(self, task: FinishTask, retraining: Retraining) -> Unfinished | Tested | Diverged:
        from autospikformer_cli.training.loop import Divergence

        training = self._opened(retraining)
        try:
            if not training.state.finished:
                return self._trained_on(training)
            tuning = retraining.tuning(weights_hash(weight_arrays(training.supernet)))
            result: Tested | Diverged = self._tested(task, training.supernet, tuning)
        except Divergence as error:
            write_divergence(training.path, error.what)
            result = Diverged(error.what)
        self._close()
        return result

    def save(self) -> None:
        """Save the training in memory."""
        from autospikformer_cli.training.loop import Divergence

        if self._training is not None and not self._training.state.finished:
            try:
                self._training.save()
            except Divergence as error:
                write_divergence(self._training.path, error.what)
        self._close()

    def _trained_on(self, training: OpenTraining) -> Unfinished:
        shown: dict[str, float | int | str] = {}

        def step(report: StepReport) -> None:
            shown["loss"] = report.loss

        end = time.monotonic() + SECONDS_A_PART
        # At least one step: a part without any would be asked for again and again.
        training.go_on(lambda: bool(shown) and time.monotonic() >= end, step, self._pace, every_epoch=False)
        return Unfinished(training.done, shown)

    def _opened(self, retraining: Retraining) -> OpenTraining:
        if self._training is None:
            folder = prepared_run(retraining.folder)
            self._lock.enter_context(run_lock(folder, COMMAND))
            made = retraining.training(
                self._compute_for(retraining.recipe), self.work.weights, loaded=self.work.training
            )
            self._training = made.open(folder)
            self._pace = SavingPace(SECONDS_BETWEEN_SAVES)
        return self._training

    def _close(self) -> None:
        self._training = None
        self._lock.close()

    def _compute_for(self, recipe: Recipe) -> Compute:
        """An ANN runs on no event-driven engine, even if --engine names that one."""
        return replace(self.compute, engine=None) if recipe.model.network == "transformer" else self.compute

    def _inherited(self, task: FinishTask) -> Supernet:
        supernet = make_supernet(task.recipe, self.compute)
        load_arrays(supernet, self.work.weights, "the supernet")
        return supernet

    def _tested(self, task: FinishTask, supernet: Supernet, tuning: FineTuning | None) -> Tested:
        from autospikformer_cli.data.description import describe

        work = self.work
        compute = self._compute_for(task.recipe)
        engine = compute.engine_for(supernet)
        warm_engine(engine, SILENT)
        evaluator = make_evaluator(
            engine, task.recipe, describe(task.recipe.data), work.calibration, SILENT, work.memory
        )
        measurement = evaluator.measure(task.subnet, work.images).measurement
        hashed = weights_hash(work.weights) if tuning is None else tuning.weights_hash
        epochs = work.epochs if tuning is None else tuning.epochs
        measured_as = measured_by(engine, task.recipe, compute, work.images, work.calibration, hashed, epochs)
        return Tested(measurement, measured_as, tuning)
