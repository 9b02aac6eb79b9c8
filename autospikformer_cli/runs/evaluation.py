"""The evaluation of one subnet of a run: with inherited weights, or retrained alone. The run stores the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import SPLITS, Measurement, Provenance
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.runs.building import load_images, weight_arrays
from autospikformer_cli.runs.conditions import Conditions
from autospikformer_cli.runs.dead_networks import TrainedBy, dead_notes
from autospikformer_cli.runs.prices import unpriced_operations
from autospikformer_cli.runs.retraining import Retraining, has_own_validation, recipe_alone, retraining_of
from autospikformer_cli.runs.searched_supernet import require_own_images
from autospikformer_cli.runs.selection import Selection, select_of
from autospikformer_cli.runs.trained_run import TrainedRun
from autospikformer_cli.say import Interruptible, uninterrupted
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import operations
from autospikformer_cli.store.evaluations import (
    Evaluation,
    FineTuning,
    append_evaluation,
    load_evaluations,
    require_writable,
)
from autospikformer_cli.store.predictions import PredictionTable
from autospikformer_cli.store.runs import prepared_run, run_lock
from autospikformer_cli.store.supernet import weights_hash
from autospikformer_cli.units import json_number
from autospikformer_cli.wording import choice_near

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet
    from autospikformer_cli.engine.timing import StageTiming
    from autospikformer_cli.evaluation.evaluator import Evaluator, Predictions
    from autospikformer_cli.spiking.supernet import Supernet

TIMING_PASSES = 5
TIMING_BATCH = 32
"""Images at once, in a timing."""


@dataclass(frozen=True)
class EvaluationResult:
    """One evaluation of one subnet, priced under a recipe.

    energy_j: of an image; nan if nothing has a price. synaptic_events: of an image, exact, of the attention products in
    the order that the energy counts; None for an ANN. selected_on: the split of the search that chose the subnet, "" if
    none did. origin: the run, and the search and the id of a candidate. remarks: what else a user should know of its
    price.
    """

    evaluation: Evaluation
    recipe: Recipe
    energy_j: float
    synaptic_events: float | None
    selected_on: str
    predictions: Predictions
    evaluator: Evaluator
    origin: str
    remarks: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Whose weights were measured."""
        tuning = self.evaluation.finetuned
        return "inherited" if tuning is None else tuning.label

    def prediction_table(self, images: ImageSet) -> PredictionTable:
        """What the network answered to each image. images: those that it was measured on."""
        made = self.predictions
        logits, labels, index = (tensor.numpy() for tensor in (made.logits, made.labels, made.index))
        return PredictionTable(logits, labels, index, images.classes, self.recipe.to_toml(), images.files)

    def to_document(self) -> dict[str, object]:
        """As JSON; top1 in percent."""
        evaluation, measured = self.evaluation, self.evaluation.measurement
        return {
            "origin": self.origin,
            "remarks": list(self.remarks),
            "weights": self.label,
            "subnet": evaluation.subnet.to_numbers(),
            "split": evaluation.split,
            "images": measured.images,
            "top1": measured.top1,
            "top1_interval": list(binomial_interval(measured.correct, measured.images)),
            "params": measured.params,
            "energy_j": json_number(self.energy_j),
            "unpriced": list(unpriced_operations(self.recipe, evaluation.subnet)),
            "firing_rate": measured.firing_rate,
            "synaptic_events": self.synaptic_events,
            "engine": evaluation.provenance.engine,
            "batchnorm": self.recipe.model.batchnorm,
            "calibration_images": evaluation.provenance.calibration_images or None,
            "fidelity": self.recipe.fidelity,
            "switches": list(self.recipe.switches()),
            "resolved": self.recipe.resolved_switches(),
            "silent_channels": measured.silent_channels,
            "silent_layers": list(measured.silent_layers),
            "silent_blocks": list(measured.silent_blocks),
            "selected_on": self.selected_on or None,
        }


def _weights_of(tuning: FineTuning) -> FineTuning:
    """Without what older files do not have. The hash says which weights these are."""
    return replace(tuning, seed=None, folder="", first_weights="")


class Timing(NamedTuple):
    """Where the time of a subnet goes, by stage, and how it was taken."""

    stages: Sequence[StageTiming]
    notes: Sequence[str]


def remark_on_earlier_images(run: TrainedRun, images: ImageSet, *, is_whole: bool) -> None:
    """Say if earlier evaluations had other images. A run's training does not know its test images.

    is_whole: whether these are the whole split. Then more images are others; fewer may be its first ones.
    """
    earlier = [each.provenance for each in load_evaluations(run.path) if each.split == images.split]
    if any(
        each.split_hash != images.hash if each.images == len(images) else is_whole and each.images > len(images)
        for each in earlier
    ):
        run.say.remark(
            f"! the {images.split} images differ from those of earlier evaluations of this run: "
            "do not compare the accuracies"
        )


def stored_measurements(
    run: TrainedRun, provenance: Provenance, tuning: FineTuning | None = None
) -> dict[Subnet, Measurement]:
    """What a run's evaluations know of subnets under the run's recipe and given conditions, answers included.

    tuning: of the weights; None for inherited ones.
    """
    conditions, found = Conditions.of(provenance, run.recipe), dict[Subnet, Measurement]()
    wanted = None if tuning is None else _weights_of(tuning)
    for known in load_evaluations(run.path):
        weights = None if known.finetuned is None else _weights_of(known.finetuned)
        if weights == wanted and known.measurement.answers is not None:
            recipe = recipe_from_toml(known.recipe_toml, run.recipe.name)
            if Conditions.of(known.provenance, recipe) == conditions:
                found[known.subnet] = known.measurement
    return found


@dataclass(frozen=True)
class EvaluationRun:
    """One subnet of one run, and the images that it is measured on."""

    run: TrainedRun
    selection: Selection
    images: ImageSet
    interruptible: Interruptible = uninterrupted

    @classmethod
    def open(
        cls, run: TrainedRun, subnet: str, split: str, first: int | None,
        interruptible: Interruptible = uninterrupted,
    ) -> EvaluationRun:  # fmt: skip
        """From the names of a subnet and a split. Raises UserError."""
        named = next((known for known in SPLITS if known == split), None)
        if named is None:
            raise UserError(f"{split!r} is not a split", "--split", choice_near(split, SPLITS))
        require_writable(run.path)
        run.recipe.energy.require_known_names()
        chosen = select_of(run, subnet)
        if chosen.provenance is not None:
            require_own_images(run, chosen.search, chosen.provenance, chosen.by_its_genes)
        images = run.asked_images(named, first)
        remark_on_earlier_images(run, images, is_whole=first is None)
        return cls(run, chosen, images, interruptible)

    @property
    def subnet(self) -> Subnet:
        """The subnet that is measured."""
        return self.selection.subnet

    def inherited(self) -> EvaluationResult:
        """Measured with the supernet's weights."""
        return self._measure("inherited", self.run.supernet, None)

    def require_timing(self) -> None:
        """Raises UserError unless there are two engines to compare."""
        if self.run.compute.engine == "dense":
            what, fix = "the dense engine alone has nothing to be compared with", "leave out --engine dense"
            raise UserError(what, "--timing", fix)
        try:
            replace(self.run.compute, engine="event_driven").engine_for(self.run.supernet)
        except UserError as error:
            raise UserError(error.what, "--timing", "leave it out") from error

    def require_all_images(self) -> None:
        """Raises UserError unless the run's validation images can be trained on, too."""
        if self.images.split == "validation":
            raise UserError(
                "a retraining on all images sees the validation images",
                "--all-images",
                "measure on others: --split test",
            )
        if has_own_validation(self.run.recipe):
            what, fix = "the data set's own validation images stay out of every training", "leave it out"
            raise UserError(what, "--all-images", fix)

    def timing(self, evaluator: Evaluator) -> Timing:
        """Every stage's time, event by event and densely, on the first images."""
        from autospikformer_cli.data.frames import to_frames
        from autospikformer_cli.engine.timing import time_stages

        compute = self.run.compute
        size = min(TIMING_BATCH, len(self.images))
        num = min(len(self.images) // size, TIMING_PASSES)
        batches = self.images.images[: num * size].split(size)
        frames = [to_frames(batch, self.run.description, compute.torch_device, compute.dtype) for batch in batches]
        statistics = evaluator.statistics(self.subnet)
        with self.run.say.progress("timing", TIMING_PASSES + 1, unit="passes") as progress:
            stages = time_stages(evaluator.engine, frames, self.subnet, statistics, TIMING_PASSES, progress.advance)
        threads = compute.threads
        taken = (
            f"an image's share: medians of {TIMING_PASSES} passes of {size} images, over the first {num * size} "
            f"{self.images.split} images in turn, on {threads} thread{'s' * (threads != 1)}"
        )
        notes = (
            taken,
            "events: with exact counts; mean input and non-zeros: of spikes that are read; not timed: residual sums",
        )
        return Timing(stages, notes)

    def finetuned(self, epochs: int, from_scratch: bool, *, all_images: bool = False) -> EvaluationResult:
        """Measured after retraining it alone. Warm-up and cool-down are shortened in proportion to the epochs.

        all_images: whether it is trained on all images, those of validation, too (`retraining.ALL_IMAGES`). The weights
        are a run of their own under the run's finetuned/. An interrupted retraining resumes there. Raises UserError.
        """
        if all_images:
            self.require_all_images()
        recipe = recipe_alone(self.run, epochs, all_images=all_images)
        retraining = retraining_of(self.run, self.subnet, recipe, from_scratch=from_scratch, all_images=all_images)
        return self._measure(retraining.label, *self._finetune(retraining, retraining.label))

    def measured_when_finetuned(self, retraining: Retraining, label: str) -> Measurement:
        """What it measures after a retraining, answers included. Neither is repeated. Raises UserError.

        Says of a dead network which one it is.
        """
        supernet, tuning = self._finetune(retraining, f"retraining {label}")
        found = stored_measurements(self.run, self._provenance(tuning), tuning).get(self.subnet)
        if found is not None:
            return found
        name = f"{self.subnet} [{retraining.label}, seed {retraining.recipe.seed}]"
        result = self._measure(label, supernet, tuning, name=name)
        for remark in result.remarks:
            self.run.say.remark(remark)
        return result.evaluation.measurement

    def _finetune(self, retraining: Retraining, label: str) -> tuple[Supernet, FineTuning]:
        run = self.run
        folder = prepared_run(retraining.folder)
        loaded = None
        if retraining.all_images and retraining.begun is not None:  # its hash is no split's of the run: it is compared
            loaded = {"train": load_images(retraining.recipe, run.split_seed, "train", run.say)}
        training = retraining.training(run.compute, run.weights, run.say, self.interruptible, loaded)
        with run_lock(folder):
            supernet, _ = training.run(folder, label)
        return supernet, retraining.tuning(weights_hash(weight_arrays(supernet)))

    def _provenance(self, tuning: FineTuning | None) -> Provenance:
        obtained = self.run.provenance(self.images)
        if tuning is None:
            return obtained
        return replace(obtained, weights_hash=tuning.weights_hash, epochs=tuning.epochs)

    def _measure(
        self, label: str, supernet: Supernet, tuning: FineTuning | None, *, name: str = ""
    ) -> EvaluationResult:
        """label: of the progress. name: of the network in remarks; by default, of its genes and the label."""
        run = self.run
        evaluator = run.evaluator(supernet)
        with run.say.progress(f"measuring {label}", len(self.images), unit="images") as progress:
            result = evaluator.measure(self.subnet, self.images, progress.advance)
        measured = result.measurement
        date = datetime.now(UTC).isoformat(timespec="seconds")
        stored = Evaluation(
            self.subnet, self.images.split, self._provenance(tuning), measured, tuning, date, run.recipe.to_toml()
        )
        append_evaluation(run.path, stored, recipe_name=run.recipe.name)
        origin: TrainedBy = "alone" if tuning is not None else "supernet" if run.epochs > 0 else "imported"
        dead = dead_notes(name or f"{self.subnet} [{label}]", result, run.recipe, origin)
        return EvaluationResult(
            evaluation=stored,
            recipe=run.recipe,
            energy_j=run.energy.of(self.subnet, measured).energy_j,
            synaptic_events=self._synaptic_events(measured),
            selected_on=self.selection.selected_on,
            predictions=result.predictions,
            evaluator=evaluator,
            origin=self.selection.origin(run.path),
            remarks=(*self.selection.remarks(run.recipe), *dead),
        )

    def _synaptic_events(self, measured: Measurement) -> float | None:
        """Events of one image, summed over the operations that the energy counts. None for an ANN."""
        model = self.run.energy
        counted = {each.name for each in operations(model.shape, self.subnet, model.convention.order)}
        events = [sum(count.events) for count in measured.synapses if count.operation in counted]
        return sum(events) / measured.images if events else None
