"""The evaluation of one subnet of a run, as inherited from the supernet or retrained alone, kept in the run's store."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from autospikformer_cli.cli.session import Session
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.report.evaluation_table import Evaluation as ShownEvaluation
from autospikformer_cli.runs.assembly import MOVABLE_KEYS, TrainedRun, engine_of, open_searched, weight_arrays
from autospikformer_cli.runs.searching.archive import Conditions
from autospikformer_cli.runs.searching.search import provenance, select_subnet, selected_on
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import operations
from autospikformer_cli.store.evaluations import (
    Evaluation,
    FineTuning,
    append_evaluation,
    load_evaluations,
    require_writable,
)
from autospikformer_cli.store.population import Provenance
from autospikformer_cli.store.runs import prepared_run, resolve_run, run_lock
from autospikformer_cli.store.supernet import read_training, weights_hash
from autospikformer_cli.training.paths import one_path

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet
    from autospikformer_cli.engine.timing import StageTiming
    from autospikformer_cli.evaluation.evaluator import Evaluator, Predictions
    from autospikformer_cli.spiking.supernet import Supernet

FOLDER = "finetuned"
"""Where retrained subnets are kept in a run."""
LONGEST_GENES = 120
"""Characters of a folder's name: file systems allow 255."""
SECTIONS_OF_A_TRAINING = ("data", "model", "space", "train")
PROFILE_PASSES = 5
PROFILE_BATCH = 32
"""Images at once, in a profile."""
SPLITS: tuple[Literal["test", "validation", "train"], ...] = ("test", "validation", "train")


class Result(NamedTuple):
    """What is printed, every image's prediction, and what measured them."""

    shown: ShownEvaluation
    predictions: Predictions
    evaluator: Evaluator


class Profile(NamedTuple):
    """Where the time of a subnet goes, by stage, and how it was taken."""

    stages: Sequence[StageTiming]
    notes: Sequence[str]


@dataclass(frozen=True)
class EvaluationRun:
    """One subnet of one run, and the images that it is measured on. selected_on: see `search.selected_on`."""

    run: TrainedRun
    subnet: Subnet
    images: ImageSet
    selected_on: str = ""

    @classmethod
    def open(cls, session: Session, subnet: str, split: str, first: int | None) -> EvaluationRun:
        """From the command line's words. Raises UserError."""
        named = next((known for known in SPLITS if known == split), None)
        if named is None:
            raise UserError(f"{split!r} is not a split", "--split", f"choose {', '.join(SPLITS)}")
        run = open_searched(resolve_run(session.run), session)
        require_writable(run.path)
        chosen = select_subnet(subnet, run.recipe, run.path)
        return cls(run, chosen, run.images(named, first), selected_on(subnet, run.path))

    def inherited(self) -> Result:
        """Measured with the supernet's weights."""
        return self._measure("inherited", self.run.supernet, None)

    def require_profile(self) -> None:
        """Raises UserError where there are no two engines to compare."""
        if self.run.session.engine == "dense":
            what, fix = "the dense engine alone has nothing to be compared with", "leave out --engine dense"
            raise UserError(what, "--profile", fix)
        try:
            engine_of(self.run.supernet, replace(self.run.session, engine="event_driven"))
        except UserError as error:
            raise UserError(error.what, "--profile", "leave it out") from error

    def profile(self, evaluator: Evaluator) -> Profile:
        """Every stage's time, event by event and densely, on the first images."""
        import torch

        from autospikformer_cli.data.frames import to_frames
        from autospikformer_cli.engine.timing import time_stages

        device, dtype = self.run.session.torch_device()
        size = min(PROFILE_BATCH, len(self.images))
        num = min(len(self.images) // size, PROFILE_PASSES)
        batches = self.images.images[: num * size].split(size)
        frames = [to_frames(batch, self.run.description, device, dtype) for batch in batches]
        statistics = evaluator.statistics(self.subnet)
        with self.run.session.progress("profiling", PROFILE_PASSES + 1) as progress:
            stages = time_stages(evaluator.engine, frames, self.subnet, statistics, PROFILE_PASSES, progress.advance)
        threads = torch.get_num_threads()
        taken = (
            f"an image's share: medians of {PROFILE_PASSES} passes of {size} images, over the first {num * size} "
            f"{self.images.split} images in turn, on {threads} thread{'s' * (threads != 1)}"
        )
        notes = (
            taken,
            "events: with exact counts; mean input and non-zeros: of spikes that are read; not timed: residual sums",
        )
        return Profile(stages, notes)

    def finetuned(self, epochs: int, from_scratch: bool) -> Result:
        """Measured after retraining alone, with the recipe's loop; warm-up and cool-down shortened in proportion.

        The weights are kept as a run of their own under the run's finetuned/, and go on from there when interrupted.
        """
        label = f"{'from scratch' if from_scratch else 'fine-tuned'}, {epochs} epoch{'s' * (epochs > 1)}"
        return self._measure(label, *self._finetune(epochs, from_scratch, label))

    def correct_when_finetuned(self, epochs: int, from_scratch: bool, label: str) -> int:
        """Correct answers after the same retraining; neither it nor its measurement is done a second time."""
        supernet, tuning = self._finetune(epochs, from_scratch, f"retraining {label}")
        conditions = Conditions.of(self._provenance(tuning), self.run.recipe)
        for known in load_evaluations(self.run.path):
            if (known.subnet, known.finetuned) == (self.subnet, tuning):
                recipe = recipe_from_toml(known.recipe_toml, self.run.recipe.name)
                if Conditions.of(known.provenance, recipe) == conditions:
                    return known.measurement.correct
        return self._measure(label, supernet, tuning).shown.correct

    def _finetune(self, epochs: int, from_scratch: bool, label: str) -> tuple[Supernet, FineTuning]:
        from autospikformer_cli.runs.training import TrainingRun

        run, recipe = self.run, self._tuning_recipe(epochs)
        folder = prepared_run(run.path / FOLDER / self._tuning_name(recipe, from_scratch))
        first = None if from_scratch else run.weights
        shown = (self.subnet, self.subnet)
        training = TrainingRun(recipe, run.session, one_path(self.subnet), shown, first, run.split_seed)
        with run_lock(folder):
            supernet, _ = training.run(folder, label)
        return supernet, FineTuning(epochs, from_scratch, weights_hash(weight_arrays(supernet)))

    def _tuning_recipe(self, epochs: int) -> Recipe:
        """The run's with so many epochs; what changes no retraining is as in the supernet's, whatever was searched."""
        run, train = self.run, self.run.recipe.train
        warmup = train.warmup_epochs * epochs / train.epochs
        cooldown = min(train.cooldown_epochs * epochs / train.epochs, epochs - warmup)
        options = [
            f"train.epochs={epochs}",
            f"train.warmup_epochs={warmup!r}",
            f"train.cooldown_epochs={cooldown!r}",
        ]
        recipe = recipe_from_toml(run.recipe.to_toml(), run.recipe.name, options)
        trained = recipe_from_toml(read_training(run.path).recipe_toml, run.recipe.name)
        return recipe.model_copy(update={key: getattr(trained, key) for key in ("fidelity", "search", "energy")})

    def _tuning_name(self, recipe: Recipe, from_scratch: bool) -> str:
        """A folder's name for a retraining: its genes, and a hash of all that its result depends on."""
        start = "" if from_scratch else weights_hash(self.run.weights)
        keys = (
            f"{section}.{key} = {value!r}"
            for section in SECTIONS_OF_A_TRAINING
            for key, value in getattr(recipe, section)
            if f"{section}.{key}" not in MOVABLE_KEYS
        )
        rests_on = "\n".join([str(self.subnet), start, self.run.session.precision, f"seed = {recipe.seed}", *keys])
        genes = "_".join(str(self.subnet).strip("()").split(", "))[:LONGEST_GENES]
        digest = hashlib.sha256(rests_on.encode()).hexdigest()[:8]
        return f"{genes}-{recipe.train.epochs}-epochs{'-from-scratch' * from_scratch}-{digest}"

    def _provenance(self, tuning: FineTuning | None) -> Provenance:
        obtained = provenance(self.run, self.images)
        if tuning is None:
            return obtained
        return replace(obtained, weights_hash=tuning.weights_hash, epochs=tuning.epochs)

    def _measure(self, label: str, supernet: Supernet, tuning: FineTuning | None) -> Result:
        run = self.run
        evaluator = run.evaluator(supernet)
        with run.session.progress(f"measuring {label}", len(self.images)) as progress:
            result = evaluator.measure(self.subnet, self.images, progress.advance)
        measured = result.measurement
        date = datetime.now(UTC).isoformat(timespec="seconds")
        stored = Evaluation(
            self.subnet, self.images.split, self._provenance(tuning), measured, tuning, date, run.recipe.to_toml()
        )
        append_evaluation(run.path, stored, recipe_name=run.recipe.name)
        shown = ShownEvaluation(
            label=label,
            subnet=self.subnet,
            split=self.images.split,
            correct=measured.correct,
            images=measured.images,
            params=measured.params,
            energy_j=run.energy.of(self.subnet, measured).energy_j,
            firing_rate=measured.firing_rate,
            batchnorm=run.recipe.model.batchnorm,
            fidelity=run.recipe.fidelity,
            switches=run.recipe.switches(),
            resolved=run.recipe.resolved_switches(),
            silent_channels=measured.silent_channels,
            engine=evaluator.engine.name,
            synaptic_events=self._synaptic_events(measured),
            selected_on=self.selected_on,
        )
        return Result(shown, result.predictions, evaluator)

    def _synaptic_events(self, measured: Measurement) -> float | None:
        """Of one image, of the operations that the energy counts; None for an ANN."""
        model = self.run.energy
        counted = {each.name for each in operations(model.shape, self.subnet, model.convention.order)}
        events = [sum(count.events) for count in measured.synapses if count.operation in counted]
        return sum(events) / measured.images if events else None
