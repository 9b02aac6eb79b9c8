"""What `aspk finish` found: the accuracy and energy of each network on the test images, over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.data.description import describe
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe import Decides, Recipe, differing_keys
from autospikformer_cli.runs.building import energy_model
from autospikformer_cli.runs.conditions import OF_A_SUPERNET
from autospikformer_cli.runs.finishing.networks import FinishNetwork, Way, chosen_of
from autospikformer_cli.runs.finishing.statistics import BaselineComparison, Flattery, compared, flattery_of
from autospikformer_cli.runs.finishing.work import FinishTask
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.runs.sight import trained_recipe
from autospikformer_cli.store.evaluations import Evaluation
from autospikformer_cli.store.supernet import read_training
from autospikformer_cli.units import json_number


@dataclass(frozen=True)
class TestedSeed:
    """One training, tested. seed: None for inherited weights. energy_j: of an image; nan if nothing has a price."""

    seed: int | None
    evaluation: Evaluation
    energy_j: float

    @property
    def measurement(self) -> Measurement:
        """What it measured on the test images."""
        return self.evaluation.measurement

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of its accuracy, by its images."""
        return binomial_interval(self.measurement.correct, self.measurement.images)

    def is_guessing(self, classes: int) -> bool:
        """Whether its accuracy is no better than guessing: its interval reaches the share of one of equal classes."""
        return self.interval[0] <= 100.0 / classes


@dataclass(frozen=True)
class DivergedSeed:
    """One training that did not end, or whose network computes values that are not finite."""

    seed: int | None
    why: str


@dataclass(frozen=True)
class FinishRow:
    """One network with weights of one kind. tested: its trainings by seed. diverged: those without a result. unpriced:
    the operations that the profile has no figure for.
    """

    network: FinishNetwork
    way: Way
    tested: tuple[TestedSeed, ...]
    diverged: tuple[DivergedSeed, ...]
    unpriced: tuple[str, ...]

    @classmethod
    def of(
        cls, network: FinishNetwork, way: Way, tasks: Sequence[FinishTask], known: Mapping[int, Evaluation],
        diverged: Mapping[int, str],
    ) -> FinishRow:  # fmt: skip
        """From what was stored of its trainings."""
        trainings = [
            (task.retraining.recipe.seed if task.retraining else None, diverged.get(task.number) or known[task.number])
            for task in tasks
        ]
        return cls.of_trainings(network, way, tasks[0].recipe, trainings)

    @classmethod
    def of_trainings(
        cls, network: FinishNetwork, way: Way, recipe: Recipe, trainings: Sequence[tuple[int | None, Evaluation | str]]
    ) -> FinishRow:
        """From each training's seed, with its evaluation or with why it has none. recipe: that prices it."""
        energy = energy_model(recipe)
        tested, failed = [], []
        for seed, found in trainings:
            if isinstance(found, str):
                failed.append(DivergedSeed(seed, found))
                continue
            measured = found.measurement
            if measured.non_finite:
                why = f"{measured.non_finite:,} of {measured.images:,} test images give values that are not finite"
                failed.append(DivergedSeed(seed, why))
                continue
            tested.append(TestedSeed(seed, found, energy.of(network.subnet, measured).energy_j))
        return cls(network, way, tuple(tested), tuple(failed), energy.unpriced(network.subnet))

    @property
    def measurements(self) -> list[Measurement]:
        """Of each training."""
        return [each.measurement for each in self.tested]

    @property
    def label(self) -> str:
        """The network and its weights."""
        return f"{self.network.name}, {self.way}"

    @property
    def top1(self) -> float | None:
        """Mean accuracy over seeds, in percent; None if no training ended."""
        return fmean(each.measurement.top1 for each in self.tested) if self.tested else None

    @property
    def deviation(self) -> float | None:
        """Standard deviation over seeds, in points; None for fewer than two."""
        tops = [each.measurement.top1 for each in self.tested]
        return stdev(tops) if len(tops) > 1 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of one accuracy, by its images; None for several seeds, which are no more images."""
        return self.tested[0].interval if len(self.tested) == 1 else None

    @property
    def energy_j(self) -> float | None:
        """Mean energy of an image over seeds; None if no training ended, or if nothing has a price."""
        return json_number(fmean(each.energy_j for each in self.tested)) if self.tested else None

    @property
    def firing_rate(self) -> float | None:
        """Mean firing rate over seeds; None for an ANN."""
        rates = [each.measurement.firing_rate for each in self.tested]
        known = [rate for rate in rates if rate is not None]
        return fmean(known) if known else None

    @property
    def params(self) -> int | None:
        """Parameters."""
        return self.tested[0].measurement.params if self.tested else None

    @property
    def time_step(self) -> int:
        """Time steps; 1 for an ANN."""
        return 1 if self.network.is_ann else self.network.subnet.time_step

    def to_document(self, classes: int) -> dict[str, object]:
        """As JSON, without what compares it with other rows. classes: of the data set."""
        return {
            "network": self.network.name,
            "role": self.network.role,
            "like": self.network.like or None,
            "subnet": self.network.subnet.to_numbers(),
            "time_step": self.time_step,
            "weights": self.way,
            "top1": self.top1,
            "top1_deviation": self.deviation,
            "top1_interval": None if self.interval is None else list(self.interval),
            "energy_j": self.energy_j,
            "unpriced": list(self.unpriced),
            "firing_rate": self.firing_rate,
            "params": self.params,
            "trainings": [
                {
                    "seed": each.seed,
                    "correct": each.measurement.correct,
                    "top1": each.measurement.top1,
                    "energy_j": json_number(each.energy_j),
                    "firing_rate": each.measurement.firing_rate,
                    "is_guessing": each.is_guessing(classes),
                }
                for each in self.tested
            ],
            "diverged": [{"seed": each.seed, "why": each.why} for each in self.diverged],
        }


@dataclass(frozen=True)
class FinishResults:
    """All networks. results: of the search. best: how many of its best by F_AEB; None for the Pareto front.
    epochs: of each training from scratch; None for none. retrained_epochs: of each from inherited weights. images: test
    images. train_images: those of each training. known_classes: how many classes the data set has; 0 to ask the recipe.
    """

    path: Path
    recipe: Recipe
    results: SearchResults
    best: int | None
    rows: tuple[FinishRow, ...]
    epochs: int | None
    retrained_epochs: int
    seeds: tuple[int, ...]
    all_images: bool
    images: int
    train_images: int
    known_classes: int = 0

    @cached_property
    def classes(self) -> int:
        """How many classes the data set has."""
        return self.known_classes or describe(self.recipe.data).num_classes

    @property
    def title(self) -> str:
        """The run and the search."""
        return self.results.title

    @cached_property
    def training_keys(self) -> list[str]:
        """The keys in which the trainings differ from that of the supernet, as TOML, without epochs."""
        trained = trained_recipe(read_training(self.path))
        keys = differing_keys(trained, self.recipe, Decides.TRAINING)
        left_out = {"seed", "train.epochs", *OF_A_SUPERNET}
        own = [key for key in keys if key not in left_out and not key.startswith("space.")]
        return [f"{key} = {self.recipe.value_toml(key)}" for key in own]

    @property
    def has_diverged(self) -> bool:
        """Whether a training has no result."""
        return any(row.diverged for row in self.rows)

    def guessing(self, row: FinishRow) -> list[TestedSeed]:
        """The trainings of a row whose accuracy is no better than guessing."""
        return [each for each in row.tested if each.is_guessing(self.classes)]

    def only_guesses(self, row: FinishRow) -> bool:
        """Whether all trainings of a row are no better than guessing. A mean of some of them is no guessing."""
        return bool(row.tested) and len(self.guessing(row)) == len(row.tested)

    def validation_of(self, row: FinishRow) -> Measurement | None:
        """What the search measured of a row's network, with inherited weights; None if it did not measure it."""
        candidate, baseline = row.network.candidate, self.results.baseline
        if row.network.role == "baseline" and baseline is not None:
            candidate = baseline.candidate
        return None if candidate is None else candidate.measurement

    def baseline_row(self, way: Way) -> FinishRow | None:
        """The baseline with weights of the same kind; None if no such training ended."""
        return next(
            (row for row in self.rows if row.network.role == "baseline" and row.way == way and row.tested), None
        )

    def share_of_baseline(self, row: FinishRow) -> float | None:
        """A row's energy by that of the baseline with weights of the same kind; None if one of them is not known."""
        baseline = self.baseline_row(row.way)
        if baseline is None or not baseline.energy_j or row.energy_j is None:
            return None
        return row.energy_j / baseline.energy_j

    @cached_property
    def comparisons(self) -> list[BaselineComparison | None]:
        """Of each row with the baseline that has weights of the same kind, over images and trainings; None for none."""
        pairs: list[tuple[list[Measurement], list[Measurement]] | None] = []
        for row in self.rows:
            baseline = self.baseline_row(row.way)
            compares = baseline is not None and baseline is not row and row.tested
            pairs.append((row.measurements, baseline.measurements) if baseline and compares else None)
        return compared(pairs)

    @cached_property
    def flattery(self) -> list[Flattery]:
        """How far choosing flatters each candidate of the table on the images of the search."""
        ids = [scored.id for scored in chosen_of(self.results, self.best)]
        shown = {row.network.candidate.id for row in self.rows if row.network.candidate is not None}
        return [each for each in flattery_of(self.results, ids, self.best) if each.id in shown]

    def to_document(self) -> dict[str, object]:
        """As JSON; top1 in percent, energy in joules an image."""
        energy = self.recipe.energy
        return {
            "run": str(self.path),
            "search": self.results.population.name,
            "split": "test",
            "classes": self.classes,
            "images": self.images,
            "train_images": self.train_images,
            "all_images": self.all_images,
            "epochs": self.epochs,
            "retrained_epochs": self.retrained_epochs,
            "seeds": list(self.seeds),
            "training_keys": self.training_keys,
            "energy_profile": energy.profile_name,
            "energy_convention": energy.convention_name,
            "best": self.best,
            "rows": [
                {
                    **row.to_document(self.classes),
                    "validation_top1": None if (chosen := self.validation_of(row)) is None else chosen.top1,
                    "energy_of_baseline": self.share_of_baseline(row),
                    "difference": None if comparison is None else comparison.to_document(),
                }
                for row, comparison in zip(self.rows, self.comparisons, strict=True)
            ],
            "flattery": [each.to_document() for each in self.flattery],
            **self.recipe.fidelity_document(),
        }
