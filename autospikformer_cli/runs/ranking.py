"""A sample of a run's archive, retrained subnet by subnet: does the supernet rank its subnets truly?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autospikformer_cli.analysis.ranking import Ranking, Retrained, stratified_order
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate
from autospikformer_cli.runs.evaluation import EvaluationRun
from autospikformer_cli.runs.searching.archive import Archive, whole_archive
from autospikformer_cli.runs.selection import Selection
from autospikformer_cli.runs.trained_run import TrainedRun
from autospikformer_cli.say import Interruptible, uninterrupted
from autospikformer_cli.store.evaluations import require_writable
from autospikformer_cli.store.searches import find_search

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet


@dataclass(frozen=True)
class RankingRun:
    """A run, the images that its searches measured on, and what they measured."""

    run: TrainedRun
    images: ImageSet
    archive: Archive
    interruptible: Interruptible = uninterrupted

    @classmethod
    def open(cls, run: TrainedRun, interruptible: Interruptible = uninterrupted) -> RankingRun:
        """A run under the recipe of its present search. Raises UserError if no search measured so."""
        find_search(run.path, run.search)
        if run.recipe.search.split == "test":
            raise UserError(
                "its search measured on test images, which are for results alone",
                str(run.path),
                f"search on held-out images first: aspk search --run {run.path} --set 'search.split=\"validation\"'",
            )
        require_writable(run.path)
        run.recipe.energy.require_priced()
        images = run.searched_images()
        archive = whole_archive(run.path, run.conditions(images), run.say)
        if not archive.candidates:
            raise UserError(
                "none of its searches measured with these weights, images, engine and keys of [model]",
                str(run.path),
                f"leave out --set, --engine, --precision and --device, or search so: aspk search --run {run.path}",
            )
        finite = tuple(candidate for candidate in archive.candidates if not candidate.measurement.non_finite)
        return cls(run, images, archive._replace(candidates=finite), interruptible)

    def sample(self, num: int) -> list[Candidate]:
        """`num` candidates, stratified by accuracy. A larger sample begins with the smaller one. Raises UserError."""
        candidates = self.archive.candidates
        if num > len(candidates):
            raise UserError(
                f"{num} subnets cannot be drawn from {len(candidates)}, which is all that its searches measured",
                "--sample",
                f"ask for at most {len(candidates)}, or search on: aspk search --run {self.run.path} --set seed=1",
            )
        accuracies = [candidate.measurement.top1 for candidate in candidates]
        names = [str(candidate.subnet) for candidate in candidates]
        return [candidates[row] for row in stratified_order(accuracies, names, self.run.recipe.seed)[:num]]

    def retrain(self, sample: list[Candidate], epochs: int, from_scratch: bool) -> Ranking:
        """Retrain the subnets that were not yet, and store each at once. Raises KeyboardInterrupt when stopped."""
        recipe = self.run.recipe
        recalibrated = recipe.model.batchnorm == "recalibrate"
        return Ranking(
            subnets=tuple(self._retrained(sample, epochs, from_scratch)),
            split=self.images.split,
            images=len(self.images),
            batchnorm=recipe.model.batchnorm,
            calibration_images=len(self.run.calibration) if recalibrated else None,
            engine=self.run.engine.name,
            epochs=epochs,
            train_images=len(self.run.images("train")),
            from_scratch=from_scratch,
            archive=len(self.archive.candidates),
            searches=self.archive.searches,
            seed=recipe.seed,
        )

    def _retrained(self, sample: list[Candidate], epochs: int, from_scratch: bool) -> Iterator[Retrained]:
        for number, candidate in enumerate(sample, 1):
            evaluation = EvaluationRun(self.run, Selection(candidate.subnet), self.images, self.interruptible)
            label = f"{candidate.id}, {number} of {len(sample)}"
            correct = evaluation.correct_when_finetuned(epochs, from_scratch, label)
            retrained = Retrained(candidate.id, candidate.subnet, candidate.measurement.correct, correct)
            top1 = [100.0 * count / len(self.images) for count in (retrained.inherited, retrained.retrained)]
            self.run.say.remark(f"{label}: inherited {top1[0]:.2f} %, retrained {top1[1]:.2f} %")
            yield retrained
