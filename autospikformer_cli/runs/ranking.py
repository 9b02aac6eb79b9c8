"""A sample that spans a run's space, retrained subnet by subnet: does the supernet rank its subnets truly?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from autospikformer_cli.analysis.answers import answers_of
from autospikformer_cli.analysis.ranked_answers import RankedAnswers
from autospikformer_cli.analysis.ranking import MeasuredWay, Ranking
from autospikformer_cli.analysis.ranking_noise import Floats
from autospikformer_cli.analysis.space_sample import spanning_sample
from autospikformer_cli.bounds import MOST_EPOCHS, MOST_NETWORKS, MOST_SEEDS, MOST_TRAININGS, require_at_most
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe import Decides, changed, differing_keys
from autospikformer_cli.runs.conditions import BATCH_KEY
from autospikformer_cli.runs.evaluation import EvaluationRun, stored_measurements
from autospikformer_cli.runs.prices import require_prices
from autospikformer_cli.runs.ranking_plan import RankingPlan, ranking_plan
from autospikformer_cli.runs.retraining import Retraining, few_steps_of, recipe_alone, retraining_of
from autospikformer_cli.runs.selection import Selection
from autospikformer_cli.runs.trained_run import TrainedRun, open_run
from autospikformer_cli.say import Interruptible, uninterrupted
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.evaluations import Evaluation, append_evaluations, require_writable
from autospikformer_cli.store.runs import resolve_run
from autospikformer_cli.wording import counted, quoted

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet

LEAST_LEFT = 3
"""Subnets that must not diverge."""
OF_THE_SPLIT = ("data.validation", "data.test", "data.split_seed", "data.train_images", BATCH_KEY)
"""Keys in which two supernets may differ: the images that both are measured on are compared themselves."""


@dataclass(frozen=True)
class RankingSettings:
    """What is asked for. Raises UserError for a number above its bound.

    sample: number of subnets. epochs, from_scratch, seeds: of each retraining, and how many seeds. images: the first so
    many validation images; None for all. calibrations, steps, averaged: other ways of measuring, see `RankingRun.ways`.
    """

    sample: int
    epochs: int
    from_scratch: bool = False
    seeds: int = 1
    images: int | None = None
    calibrations: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()
    averaged: str | None = None

    def __post_init__(self) -> None:
        require_at_most(self.sample, MOST_NETWORKS, "subnets", "sample")
        require_at_most(self.epochs, MOST_EPOCHS, "epochs", "epochs")
        require_at_most(self.seeds, MOST_SEEDS, "seeds", "seeds")
        require_at_most(self.sample * self.seeds, MOST_TRAININGS, "retrainings", "sample and seeds")


@dataclass(frozen=True)
class RankingRun:
    """A run, what is asked for, and the images that all is measured on. It needs no search."""

    run: TrainedRun
    settings: RankingSettings
    images: ImageSet
    interruptible: Interruptible = uninterrupted

    @classmethod
    def open(
        cls, run: TrainedRun, settings: RankingSettings, interruptible: Interruptible = uninterrupted
    ) -> RankingRun:
        """Raises UserError for what cannot be asked of the run: before anything is measured."""
        space = run.recipe.space.search_space()
        if settings.sample > space.size():
            what = f"{settings.sample} subnets cannot be drawn from a space of {space.size():,}"
            raise UserError(what, "--sample", f"ask for at most {space.size()}")
        require_prices(run.recipe)
        opened = cls(run, settings, run.asked_images("validation", settings.images), interruptible)
        opened.require_ways()
        return opened

    def require_ways(self) -> None:
        """Raises UserError if a way of measuring is impossible for this run."""
        recipe, there = self.run.recipe, len(self.run.images("train"))
        if self.settings.calibrations and recipe.model.batchnorm != "recalibrate":
            what = f'model.batchnorm = "{recipe.model.batchnorm}" recalibrates nothing'
            raise UserError(what, "--recalibrate", "leave it out")
        images_a_step, classes = recipe.train.step_images, self.run.description.num_classes
        for option, numbers, images, least in (
            ("--recalibrate", self.settings.calibrations, 1, 1),
            ("--steps", self.settings.steps, images_a_step, -(-classes // images_a_step)),
        ):
            twice = next((number for number in numbers if numbers.count(number) > 1), None)
            if twice is not None:
                raise UserError(f"{twice} is given twice", option, "leave one of the two out")
            for number in numbers:
                if not least <= number <= there // images:
                    what = f"{number} would read {number * images:,} of {there:,} training images"
                    raise UserError(what, option, f"ask for {least} to {there // images:,}")
        if self.settings.averaged is not None:
            _ = self._second

    @cached_property
    def subnets(self) -> list[Subnet]:
        """The sample, as drawn. A larger one begins with it."""
        return spanning_sample(self.run.recipe.space.search_space(), self.settings.sample, self.run.recipe.seed)

    @property
    def seeds(self) -> list[int]:
        """Of retraining: from the recipe's on."""
        return [self.run.recipe.seed + number for number in range(self.settings.seeds)]

    def plan(self) -> RankingPlan:
        """What is to be expected, before anything is measured or retrained. No subnet is measured, nothing stored."""
        known = stored_measurements(self.run, self.run.provenance(self.images))
        measured = sum(subnet in known for subnet in self.subnets)
        return self._plan(_answers(known, self.subnets) if measured == len(self.subnets) else None, measured)

    def _plan(self, inherited_NI: Floats | None, measured: int) -> RankingPlan:
        taken, images = [each.seconds for each in self.retrainings], len(self.images)
        return ranking_plan(self.run, self.subnets, inherited_NI, measured, images, self.settings.epochs, taken)

    @cached_property
    def retrainings(self) -> list[Retraining]:
        """All subnets with the first seed, then with the next."""
        from_scratch = self.settings.from_scratch
        return [
            retraining_of(self.run, subnet, recipe, from_scratch=from_scratch)
            for recipe in (recipe_alone(self.run, self.settings.epochs, seed=seed) for seed in self.seeds)
            for subnet in self.subnets
        ]

    def rank(self) -> Ranking:
        """Measure and retrain what was not yet, and store each result at once. Stopped, raises KeyboardInterrupt."""
        require_writable(self.run.path)
        inherited_NI = self._inherited(self.run)
        for line in self._plan(inherited_NI, len(inherited_NI)).lines:
            self.run.say.remark(line)
        measured = [self._retrained(each, number) for number, each in enumerate(self.retrainings, 1)]
        by_subnet = [measured[place :: len(self.subnets)] for place in range(len(self.subnets))]
        rows = [place for place, found in enumerate(by_subnet) if None not in found]
        if len(rows) < LEAST_LEFT:
            what = f"the retraining of {len(by_subnet) - len(rows)} of {len(by_subnet)} subnets diverged"
            train = self.run.recipe.train
            raise UserError(what, ", ".join(train.rates), f"retrain with less than {train.rates_text}, by --set")
        retrained = [_right([each for each in by_subnet[row] if each is not None]) for row in rows]
        answers = RankedAnswers(inherited_NI[rows], np.array(retrained), self.run.recipe.seed)
        recipe = self.run.recipe
        return Ranking(
            subnets=tuple(self.subnets[row] for row in rows),
            diverged=tuple(subnet for row, subnet in enumerate(self.subnets) if row not in rows),
            answers=answers,
            ways=tuple(MeasuredWay(name, answers.compared(way_NI[rows])) for name, way_NI in self.ways()),
            split=self.images.split,
            batchnorm=recipe.model.batchnorm,
            calibration_images=len(self.run.calibration) if recipe.model.batchnorm == "recalibrate" else None,
            engine=self.run.engine.name,
            epochs=self.settings.epochs,
            train_images=len(self.run.images("train")),
            from_scratch=self.settings.from_scratch,
            space_size=recipe.space.search_space().size(),
            seeds=tuple(self.seeds),
            seed=recipe.seed,
        )

    def next_command(self, ranking: Ranking, overrides: Sequence[str]) -> str:
        """What to type next: a larger sample if this one does not say how the supernet ranks, else a search.

        overrides: the texts of --set.
        """
        size = self.run.recipe.space.search_space().size()
        sample = min(ranking.subnets_needed, size, MOST_NETWORKS)
        if ranking.verdict is not None or sample <= self.settings.sample:
            return f"aspk search --run {quoted(self.run.path)}"
        asked, settings = [f"--sample {sample} --finetune {self.settings.epochs}"], self.settings
        asked += [f"--seeds {settings.seeds}"] if settings.seeds > 1 else []
        asked += [f"--images {settings.images}"] if settings.images is not None else []
        asked += ["--from-scratch"] if settings.from_scratch else []
        asked += [f"--set {quoted(each)}" for each in overrides]
        return f"aspk analyze ranking --run {quoted(self.run.path)} {' '.join(asked)}"

    def _retrained(self, retraining: Retraining, number: int) -> Measurement | None:
        """None if it diverged."""
        from autospikformer_cli.training.loop import Divergence

        label = f"{number} of {len(self.retrainings)}"
        seed = f", seed {retraining.recipe.seed}" if self.settings.seeds > 1 else ""
        try:
            measured = self._evaluation(retraining.subnet).measured_when_finetuned(retraining, label)
        except Divergence as error:
            self.run.say.remark(f"! {label}: {retraining.subnet}{seed} is left out: {error.what}")
            return None
        self.run.say.remark(f"{label}: {retraining.subnet}{seed}: retrained {measured.top1:.2f} %")
        return measured

    def _evaluation(self, subnet: Subnet) -> EvaluationRun:
        return EvaluationRun(self.run, Selection(subnet), self.images, self.interruptible)

    def ways(self) -> Iterator[tuple[str, Floats]]:
        """Other ways of measuring the sample without retraining it: a name, and its answers (N, I).

        BatchNorm recalibrated on other numbers of images, training for a few steps before measuring, and the mean of
        two supernets, of their logits and of their accuracies.
        """
        for number in self.settings.calibrations:
            recipe = changed(self.run.recipe, {"model.calibration_images": number})
            yield f"recalibrated on {number:,} images", self._inherited(replace(self.run, recipe=recipe))
        for steps in self.settings.steps:
            yield f"trained for {counted(steps, 'step')}", self._after_steps(steps)
        if self.settings.averaged is not None:
            yield from self._averages()

    def _after_steps(self, steps: int) -> Floats:
        found = {}
        for number, subnet in enumerate(self.subnets, 1):
            retraining = few_steps_of(self.run, subnet, steps)
            label = f"{number} of {len(self.subnets)} for {counted(steps, 'step')}"
            found[subnet] = self._evaluation(subnet).measured_when_finetuned(retraining, label)
        return _answers(found, self.subnets)

    @cached_property
    def _second(self) -> TrainedRun:
        """The second supernet. Raises UserError if it is no other one of the same networks and images."""
        mine = self.run
        path = resolve_run(self.settings.averaged, "--with")
        other = open_run(path, searched=False, compute=mine.compute, say=mine.say)
        where = f"--with {other.path}"
        if other.weights_hash == mine.weights_hash:
            raise UserError("it has the same weights as the run", where, "name another supernet")
        keys = differing_keys(mine.recipe, other.recipe, Decides.NETWORK | Decides.MEASUREMENT)
        keys += [key for key in differing_keys(mine.recipe, other.recipe) if key.startswith("space.")]
        alike = ", ".join(key for key in keys if key not in OF_THE_SPLIT)
        if alike:
            what = "its subnets are others than those of the run, or measured otherwise"
            raise UserError(what, where, f"train one with the same {alike}")
        if other.asked_images("validation", self.settings.images).hash != self.images.hash:
            own = mine.recipe.data.split_seed
            seed = mine.split_seed if own is None else own
            fix = f"train one with the same split: aspk train --set data.split_seed={seed} --set seed=1"
            raise UserError("it held out other validation images, so it was trained on some of these", where, fix)
        return other

    def _averages(self) -> Iterator[tuple[str, Floats]]:
        runs = [self.run, self._second]
        shape = len(self.subnets), len(self.images)
        logits = [dict[Subnet, Floats](), dict[Subnet, Floats]()]
        for run, found in zip(runs, logits, strict=True):
            with run.say.progress(f"measuring {run.path}", shape[0] * shape[1], unit="images") as progress:
                for batch in run.evaluator().measure_many(self.subnets, self.images, progress.advance):
                    found |= {subnet: each.predictions.logits.double().numpy() for subnet, each in batch.items()}
        labels = self.images.labels.numpy()

        def right(scores: Floats) -> Floats:
            return np.asarray(scores.argmax(axis=1) == labels, np.float64)

        pairs = [(logits[0][subnet], logits[1][subnet]) for subnet in self.subnets]
        yield f"mean logits with {runs[1].path}", np.array([right(one + two) for one, two in pairs])
        yield f"mean accuracy with {runs[1].path}", np.array([(right(one) + right(two)) / 2 for one, two in pairs])

    def _inherited(self, run: TrainedRun) -> Floats:
        """Answers of the sample with a supernet's weights. What is measured is stored batch by batch."""
        provenance = run.provenance(self.images)
        known = stored_measurements(run, provenance)
        missing = [subnet for subnet in self.subnets if subnet not in known]
        for batch in self._walk(run, self.images, missing) if missing else ():
            date, toml = datetime.now(UTC).isoformat(timespec="seconds"), run.recipe.to_toml()
            added = [
                Evaluation(subnet, self.images.split, provenance, measured, None, date, toml)
                for subnet, measured in batch.items()
            ]
            append_evaluations(run.path, added, recipe_name=run.recipe.name)
            known |= batch
        return _answers(known, self.subnets)

    @staticmethod
    def _walk(run: TrainedRun, images: ImageSet, subnets: Sequence[Subnet]) -> Iterator[dict[Subnet, Measurement]]:
        evaluator = run.evaluator()
        with run.say.progress("measuring inherited weights", len(images) * len(subnets), unit="images") as progress:
            for batch in evaluator.measure_many(subnets, images, progress.advance):
                yield {subnet: result.measurement for subnet, result in batch.items()}


def _answers(measured: Mapping[Subnet, Measurement], subnets: Sequence[Subnet]) -> Floats:
    """1 for each image that a subnet got right, else 0: (N, I). Raises UserError if a subnet computes no numbers."""
    broken = [subnet for subnet in subnets if measured[subnet].non_finite]
    if broken:
        what = f"{counted(len(broken), 'subnet')} of {len(subnets)} compute values that are not finite: {broken[0]}"
        raise UserError(what, fix="train the supernet with smaller learning rates")
    return _right([measured[subnet] for subnet in subnets])


def _right(measured: Sequence[Measurement]) -> Floats:
    """The same of measurements that have their answers: (measurements, I)."""
    answers = answers_of(measured)
    assert answers is not None
    return answers.astype(np.float64)
