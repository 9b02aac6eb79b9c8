"""Training that is kept in a run's folder: starts, resumes, saves every minute or so, after every epoch and when
interrupted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autospikformer_cli.cli.interruption import Interruption
from autospikformer_cli.cli.session import Session
from autospikformer_cli.data.description import describe
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe, differing_keys, recipe_from_toml
from autospikformer_cli.runs.assembly import (
    MOVABLE_KEYS,
    engine_of,
    environment,
    load_arrays,
    load_images,
    make_evaluator,
    make_supernet,
    require_same_images,
    warm_engine,
    weight_arrays,
)
from autospikformer_cli.store import supernet as stored
from autospikformer_cli.store.pace import SavingPace
from autospikformer_cli.store.supernet import Checkpoint, Training, TrainState

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet, Split
    from autospikformer_cli.space import Subnet
    from autospikformer_cli.spiking.supernet import Supernet
    from autospikformer_cli.training.loop import StepReport, Trainer
    from autospikformer_cli.training.paths import PathSampler

TRAINING_SPLITS: tuple[Split, ...] = ("train", "validation")
SECONDS_UNSAVED = 60.0
"""Between two saves of an epoch under way."""
START = TrainState(epoch=0, step=0, finished=False, history=(), loss_sum=0.0, images=0, seconds=0.0)


@dataclass(frozen=True)
class TrainingRun:
    """A training, kept in the folder that it is run in. paths: each step's subnets; shown: the two that are followed.

    first_weights: what a new training starts from; None for the seed's. split_seed: what cuts the data set; None for
    the recipe's seed.
    """

    recipe: Recipe
    session: Session
    paths: PathSampler
    shown: tuple[Subnet, Subnet]
    first_weights: Mapping[str, np.ndarray[Any, Any]] | None = None
    split_seed: int | None = None

    def require_startable(self) -> None:
        """Raises UserError where device, data set or engine are missing: before anything is written."""
        engine_of(make_supernet(self.recipe, describe(self.recipe.data), self.session), self.session)
        _ = self.images

    def run(self, path: Path, label: str) -> tuple[Supernet, TrainState]:
        """Train to the end, or go on with what the folder holds.

        Raises UserError for a folder begun otherwise, KeyboardInterrupt when stopped (everything done is saved then).
        """
        from autospikformer_cli.training.loop import Trainer, TrainingData, make_optimizer, restore_optimizer

        description = describe(self.recipe.data)
        begun = self._begun(path)
        supernet = make_supernet(self.recipe, description, self.session)
        optimizer = make_optimizer(supernet, self.recipe.train.weight_decay)
        state = START
        if begun is not None:
            load_arrays(supernet, begun.weights, str(path))
            restore_optimizer(supernet, optimizer, begun.optimizer)
            state = begun.state
        elif self.first_weights is not None:
            load_arrays(supernet, self.first_weights, str(path))
        if state.finished:
            return supernet, state
        if begun is not None:
            for images in self.images.values():
                require_same_images(path, begun.splits, images)
        data = TrainingData(self.images["train"], description, self.recipe.data.augment)
        trainer = Trainer(supernet, optimizer, data, self.recipe.train, paths=self.paths, seed=self.recipe.seed)
        return supernet, self._train(path, label, trainer, state)

    def _begun(self, path: Path) -> Checkpoint | None:
        if not (path / stored.SUPERNET_FILE).is_file():
            return None
        begun = stored.load_checkpoint(path)
        require_same_recipe(path, begun, self.recipe)
        _require_same_precision(path, begun, self.session.precision)
        return begun

    @cached_property
    def images(self) -> dict[str, ImageSet]:
        """The training and validation images. Raises UserError for a data set that is missing or damaged."""
        seed = self.recipe.seed if self.split_seed is None else self.split_seed
        return {split: load_images(self.recipe, seed, split, self.session) for split in TRAINING_SPLITS}

    def _train(self, path: Path, label: str, trainer: Trainer, state: TrainState) -> TrainState:
        from autospikformer_cli.training.loop import Recorder

        recipe, images = self.recipe, self.images
        splits = {split: part.hash for split, part in images.items()}
        validation = images["validation"].first(recipe.train.validation_images or len(images["validation"]))
        calibration = images["train"].first(recipe.model.calibration_images)
        description = trainer.data.description
        total = recipe.train.epochs * len(images["train"])
        done = state.epoch * len(images["train"]) + state.images
        warm_engine(engine_of(trainer.supernet, self.session), self.session)
        pace = SavingPace(SECONDS_UNSAVED)
        with (
            Interruption(self.session.remark) as interruption,
            self.session.progress(label, total, start=done) as progress,
        ):

            def step(report: StepReport) -> None:
                progress.advance(report.images, loss=report.loss)

            def accuracy() -> tuple[float, float]:
                engine = engine_of(trainer.supernet, self.session)
                evaluator = make_evaluator(engine, recipe, description, calibration, self.session)
                top1 = {s: evaluator.measure(s, validation).measurement.top1 for s in dict.fromkeys(self.shown)}
                largest, smallest = (top1[subnet] for subnet in self.shown)
                progress.advance(0, val_largest=largest, val_smallest=smallest)
                return largest, smallest

            def between(state: TrainState) -> None:
                if pace.is_due():
                    epoch(state)

            def epoch(state: TrainState) -> None:
                with pace.saving():
                    self._save(path, trainer, state, splits)

            recorder = Recorder(step, between, epoch, lambda: interruption.requested, accuracy)
            state = trainer.run(state, recorder)
        if state.finished:
            return state
        if state.step:
            self._save(path, trainer, state, splits)
        place = f"epoch {state.epoch + 1}, step {state.step} of {trainer.steps}"
        self.session.remark(f"stopped and saved in {place}; the same command goes on from there")
        raise KeyboardInterrupt

    def _save(self, path: Path, trainer: Trainer, state: TrainState, splits: dict[str, str]) -> None:
        from autospikformer_cli.training.loop import optimizer_arrays

        checkpoint = Checkpoint(
            recipe_name=self.recipe.name,
            recipe_toml=self.recipe.to_toml(),
            state=state,
            splits=splits,
            environment=environment(self.session),
            weights=weight_arrays(trainer.supernet),
            optimizer=optimizer_arrays(trainer.supernet, trainer.optimizer),
        )
        stored.save_checkpoint(path, checkpoint)


def require_same_recipe(path: Path, begun: Training, recipe: Recipe) -> None:
    """Raises UserError naming every key in which a run's recipe differs from the one now asked for."""
    before = recipe_from_toml(begun.recipe_toml, begun.recipe_name)
    keys = [key for key in differing_keys(before, recipe) if key not in MOVABLE_KEYS]
    if keys:
        raise UserError(
            f"this run was begun with another recipe: {', '.join(keys)} {'differs' if len(keys) == 1 else 'differ'}",
            str(path),
            "go on with the recipe it has, or start a new run beside it with --fresh",
        )


def _require_same_precision(path: Path, begun: Training, precision: str) -> None:
    """Raises UserError where an unfinished training would go on in another precision."""
    before = begun.environment["precision"]
    if before != precision and not begun.state.finished:
        raise UserError(
            f"this run was begun in {before}, not {precision}",
            str(path),
            f"go on with --precision {before}, or start a new run beside it with --fresh",
        )
