"""Which algorithm finds the best subnets if the truth is known: regret over many seeds, in seconds.

Usage: python benchmarks/ground_truth.py --run RUN --cache FOLDER [--seeds 30] [--images 359 120]

RUN is a trained quickstart, which is not written to. Every member of a part of its space is measured once, on all
images that were not trained on: that is the truth. A search then sees each member's accuracy on some of these images.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path

import numpy as np
from engine_network import print_table
from numpy.typing import NDArray
from scipy import stats
from search_algorithms import Archive
from timing import machine

from autospikformer_cli.analysis.correlation import kendall_tau, tau_interval
from autospikformer_cli.analysis.paired import holm, wilcoxon
from autospikformer_cli.engine.compute import own_process
from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.recipe.search_section import SearchConfig
from autospikformer_cli.runs.selection import recipe_problem
from autospikformer_cli.runs.trained_run import TrainedRun, open_run
from autospikformer_cli.search.algorithm import make_algorithm
from autospikformer_cli.search.fitness import Bounds
from autospikformer_cli.search.objectives import Price
from autospikformer_cli.search.problem import Problem, make_problem
from autospikformer_cli.search.sorting import non_dominated
from autospikformer_cli.space import SearchSpace, Subnet

Floats = NDArray[np.float64]

SPLITS = ("validation", "test")
RANDOM, OTHERS = "random", ("evolution", "nsga2", "predictor")
POPULATION, GENERATIONS, PARENTS = 20, 10, 8
"""Those of cifar10-small-laptop: 200 evaluations."""
SHOWN = (40, 100, 200)
"""Evaluations after which regret is shown."""
BEST = 10
"""The mean F_AEB is of so many of the best."""
CONFIDENCE = 0.95
ALPHA = 0.5


def known_space() -> SearchSpace:
    """3,078 members of the quickstart's space: both depths, and two or three choices of every other gene but heads."""
    ratios, thresholds, taus = (("2", "4"), ("0.6", "1", "1.4"), ("1.25", "2", "5"))
    return SearchSpace(
        depth=(1, 2),
        mlp_ratio=tuple(map(Decimal, ratios)),
        num_heads=(2,),
        threshold=tuple(map(Decimal, thresholds)),
        tau=tuple(map(Decimal, taus)),
        time_step=(2, 3, 4),
        embed_dim=(32, 40, 48),
    )


@dataclass(frozen=True)
class Table:
    """Every member of a space, measured. right_SI: whether subnet s is right on image i. energies_j, rates: each's."""

    problem: Problem
    subnets: tuple[Subnet, ...]
    right_SI: NDArray[np.bool_]
    energies_j: Floats
    rates: Floats
    params: tuple[int, ...]

    @cached_property
    def rows(self) -> dict[Subnet, int]:
        """The row of each subnet."""
        return {subnet: row for row, subnet in enumerate(self.subnets)}

    @cached_property
    def top1s(self) -> Floats:
        """The true accuracies, in percent: on all images."""
        accuracies: Floats = 100.0 * self.right_SI.mean(axis=1)
        return accuracies

    @cached_property
    def fitness(self) -> Floats:
        """The true F_AEB, scaled by the table's extremes."""
        bounds = Bounds(_span(self.top1s), _span(self.energies_j))
        return self.problem.fitness.values(self.top1s, self.energies_j, bounds)

    @cached_property
    def costs(self) -> Floats:
        """True accuracy and energy, scaled by the table's extremes: 0 is the best, 1 the worst."""
        top1s, energies = _span(self.top1s), _span(self.energies_j)
        accuracy = (top1s[1] - self.top1s) / (top1s[1] - top1s[0])
        return np.column_stack([accuracy, (self.energies_j - energies[0]) / (energies[1] - energies[0])])

    def hypervolume(self, rows: Sequence[int]) -> float:
        """The share of the box from the table's worst values to its best that some subnets truly dominate."""
        from autospikformer_cli.search.hypervolume import hypervolume

        return hypervolume([tuple(point) for point in self.costs[list(rows)].tolist()], (1.0, 1.0))

    def candidates(self, rows: Sequence[int], images: NDArray[np.int64], generation: int = 0) -> list[Candidate]:
        """What a search is told of some subnets: their accuracy on some images, and their energy."""
        correct = self.right_SI[np.ix_(list(rows), images)].sum(axis=1).tolist()
        return [
            Candidate(
                f"c{row}", self.subnets[row], generation, Measurement(right, len(images), self.params[row], (), (), 0)
            )
            for row, right in zip(rows, correct, strict=True)
        ]


def _span(column: Floats) -> tuple[float, float]:
    return float(column.min()), float(column.max())


def read_table(run: TrainedRun, cache: Path) -> Table:
    """Measure all members, or read what an earlier start measured."""
    cache.mkdir(parents=True, exist_ok=True)
    space = known_space()
    subnets = tuple(space.members())
    right, energies, rates, images = [], [], [], []
    priced = recipe_problem(run.recipe)
    for split in SPLITS:
        archive = Archive(run, run.images(split), cache / f"{split}.pkl")
        for begin in range(0, len(subnets), 400):
            next(archive.measure(subnets[begin : begin + 400]))
        known = [Candidate(str(row), subnet, 0, archive.known[subnet]) for row, subnet in enumerate(subnets)]
        priced.price_all(known)
        right.append(np.array([_bits(each.measurement) for each in known]))
        energies.append([priced.price_of(each).energy_j for each in known])
        rates.append([each.measurement.firing_rate for each in known])
        images.append(len(archive.images))
    mean_energies, mean_rates = (np.average(np.array(each), axis=0, weights=images) for each in (energies, rates))
    by_subnet = dict(zip(subnets, mean_energies.tolist(), strict=True))
    settings = SearchConfig(alpha=ALPHA)
    problem = make_problem(settings, space, priced.shape, lambda each: Price(by_subnet[each.subnet], 0.0))
    params = tuple(each.measurement.params for each in known)
    return Table(problem, subnets, np.concatenate(right, axis=1), mean_energies, mean_rates, params)


def _bits(measurement: Measurement) -> NDArray[np.bool_]:
    assert measurement.answers is not None
    return np.unpackbits(np.frombuffer(measurement.answers, np.uint8))[: measurement.images].astype(bool)


@dataclass(frozen=True)
class Regrets:
    """What a search's choice lacks of the best there is, in truth: F_AEB of the best, of the best 10, hypervolume."""

    best: float
    best_10: float
    front: float


def regrets(table: Table, told: Sequence[Candidate]) -> Regrets:
    """Those of what was told so far. The choice is by what was told, its worth by the truth."""
    ranked = [table.rows[each.subnet] for each in table.problem.rank(told)]
    costs = [table.problem.costs(each) or () for each in told]
    front = [table.rows[told[place].subnet] for place in non_dominated(costs)]
    best = np.sort(table.fitness)[::-1][:BEST]
    return Regrets(
        float(best[0] - table.fitness[ranked[0]]),
        float(best.mean() - table.fitness[ranked[:BEST]].mean()),
        table.hypervolume(range(len(table.subnets))) - table.hypervolume(front),
    )


def searched(table: Table, name: str, seed: int, images: NDArray[np.int64]) -> list[Candidate]:
    """All that one search is told, in its order."""
    settings = SearchConfig(
        algorithm=name, population=POPULATION, generations=GENERATIONS, parents=PARENTS, alpha=ALPHA
    )  # fmt: skip
    search, told = make_algorithm(settings, table.problem, seed), list[Candidate]()
    while asked := search.ask():
        measured = table.candidates([table.rows[each] for each in asked], images, search.generation)
        search.tell(measured)
        told += measured
    return told


def images_of(table: Table, seed: int, num_images: int) -> NDArray[np.int64]:
    """The images that all searches of a seed are measured on. Subnets share them, so their errors are alike."""
    return np.random.default_rng([seed, num_images]).permutation(table.right_SI.shape[1])[:num_images]
