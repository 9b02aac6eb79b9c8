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

from autospikformer_cli.analysis.correlation import kendall_tau
from autospikformer_cli.analysis.paired import holm, wilcoxon
from autospikformer_cli.engine.compute import own_process
from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.recipe.search_section import SearchConfig
from autospikformer_cli.runs.selection import recipe_problem
from autospikformer_cli.runs.trained_run import TrainedRun, open_run
from autospikformer_cli.search.algorithm import make_algorithm
from autospikformer_cli.search.fitness import Bounds
from autospikformer_cli.search.gene_features import GeneFeatures
from autospikformer_cli.search.hypervolume import hypervolume
from autospikformer_cli.search.objectives import Price
from autospikformer_cli.search.problem import Problem, make_problem
from autospikformer_cli.search.ridge import fit_ridge
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
SIGNIFICANT = 0.01
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
    def features(self) -> Floats:
        """The genes as the predictor codes them."""
        return GeneFeatures(self.problem.space).of(self.subnets)

    @cached_property
    def costs(self) -> Floats:
        """True accuracy and energy, scaled by the table's extremes: 0 is the best, 1 the worst."""
        top1s, energies = _span(self.top1s), _span(self.energies_j)
        accuracy = (top1s[1] - self.top1s) / (top1s[1] - top1s[0])
        return np.column_stack([accuracy, (self.energies_j - energies[0]) / (energies[1] - energies[0])])

    def hypervolume(self, rows: Sequence[int]) -> float:
        """The share of the box from the table's worst values to its best that some subnets truly dominate."""
        return hypervolume([tuple(point) for point in self.costs[list(rows)].tolist()], (1.0, 1.0))

    def predicted_best(self, rows: Sequence[int], top1s: Sequence[float]) -> int:
        """Of measured subnets, the row of the one with the best F_AEB by predicted accuracy."""
        x_NF, y_N, energies = self.features[list(rows)], np.array(top1s), self.energies_j[list(rows)]
        predicted = fit_ridge(x_NF, y_N).expected(x_NF)
        fitness = self.problem.fitness.values(predicted, energies, Bounds(_span(y_N), _span(energies)))
        return rows[int(fitness.argmax())]

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


MEASURES = ("found", "chosen", "predicted", "best 10", "front")
"""What a search lacks of the best there is, in truth: see `regrets`."""


def regrets(table: Table, told: Sequence[Candidate]) -> tuple[float, ...]:
    """The MEASURES of what was told so far.

    found: of the best that was measured. chosen: of the one with the best measured F_AEB. predicted: of the one with
    the best F_AEB after ridge regression on genes has replaced each measured accuracy. best 10: mean of the ten with
    the best measured F_AEB, against the ten best there are. front: hypervolume of the measured front.
    """
    rows = [table.rows[each.subnet] for each in told]
    ranked = [table.rows[each.subnet] for each in table.problem.rank(told)]
    front = [rows[place] for place in non_dominated([table.problem.costs(each) or () for each in told])]
    best = np.sort(table.fitness)[::-1][:BEST]
    return (
        float(best[0] - table.fitness[rows].max()),
        float(best[0] - table.fitness[ranked[0]]),
        float(best[0] - table.fitness[table.predicted_best(rows, [each.measurement.top1 for each in told])]),
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


Results = dict[str, NDArray[np.float64]]
"""By algorithm: regrets (seed, number of evaluations in SHOWN, measure)."""


def main() -> None:
    """Print the tables of `results/ground_truth.md`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--run", required=True, type=Path)
    parser.add_argument("--cache", required=True, type=Path, help="measurements, kept for the next start")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--images", type=int, nargs="+", default=[359, 120], help="images that a search sees")
    options = parser.parse_args()
    table = read_table(open_run(options.run, (), searched=False, compute=own_process()), options.cache)
    began = time.process_time()
    num_images = table.right_SI.shape[1]
    print(
        f"# Searches where the truth is known: {len(table.subnets):,} subnets, {options.seeds} seeds\n\n{machine()}\n"
    )
    print_truth(table)
    for images in (num_images, *options.images):
        print(f"## {images} of {num_images} images{': no noise' if images == num_images else ''}\n")
        print_noise(table, images, options.seeds)
        print_predictions(table, images, options.seeds)
        results = {name: of_algorithm(table, name, images, options.seeds) for name in (RANDOM, *OTHERS)}
        print_regrets(table, results, images)
        print_comparison(results)
    print(f"Without the table, which is measured once, all of this took {time.process_time() - began:.0f} CPU seconds.")


def of_algorithm(table: Table, name: str, num_images: int, seeds: int) -> NDArray[np.float64]:
    """Its regrets for every seed and number of evaluations."""
    found = []
    for seed in range(seeds):
        told = searched(table, name, seed, images_of(table, seed, num_images))
        found.append([regrets(table, told[:evaluations]) for evaluations in SHOWN])
    return np.array(found)


def print_truth(table: Table) -> None:
    """What there is to find."""
    (low, high), (least, most) = _span(table.top1s), _span(table.energies_j)
    best = np.sort(table.fitness)[::-1]
    print(f"In truth: accuracy {low:.2f} to {high:.2f} %, standard deviation {table.top1s.std():.2f}; energy")
    print(f"{least * 1e6:.3f} to {most * 1e6:.3f} µJ; F_AEB (alpha {ALPHA:g}) of the best {best[0]:.4f}, of the tenth")
    print(f"{best[9]:.4f}, of the median {np.median(best):.4f}; hypervolume of all", end=" ")
    print(f"{table.hypervolume(range(len(best))):.4f}, from the worst values to the best.\n")


def print_noise(table: Table, num_images: int, seeds: int) -> None:
    """How far accuracies on some images are from the truth, without what all subnets have in common."""
    deviations = []
    for seed in range(seeds):
        errors = 100.0 * table.right_SI[:, images_of(table, seed, num_images)].mean(axis=1) - table.top1s
        deviations.append(float(errors.std()))
    print(f"Standard deviation of the noise between subnets: {statistics.mean(deviations):.2f} points.\n")


def print_predictions(table: Table, num_images: int, seeds: int) -> None:
    """Tau-b with the truth, over subnets that were not measured, of what 200 random ones predict."""
    found: dict[str, list[float]] = {"genes": [], "genes and measured rates": [], "measured themselves": []}
    logarithms = np.column_stack([np.log(table.rates), np.log(table.energies_j)])
    rates = (logarithms - logarithms.mean(axis=0)) / logarithms.std(axis=0)
    coded = {"genes": table.features, "genes and measured rates": np.column_stack([table.features, rates])}
    for seed in range(seeds):
        measured = 100.0 * table.right_SI[:, images_of(table, seed, num_images)].mean(axis=1)
        order = np.random.default_rng([seed, 1]).permutation(len(measured))
        known, others = order[: POPULATION * GENERATIONS], order[POPULATION * GENERATIONS :]
        for name, x_SF in coded.items():
            predicted = fit_ridge(x_SF[known], measured[known]).expected(x_SF[others])
            found[name].append(kendall_tau(predicted.tolist(), table.top1s[others].tolist()) or 0.0)
        found["measured themselves"].append(
            kendall_tau(measured[others].tolist(), table.top1s[others].tolist()) or 0.0
        )  # fmt: skip
    header = ("tau-b with true accuracy, of subnets outside 200 random ones", "mean", "95 % interval")
    print_table(header, [(name, f"{statistics.mean(each):.3f}", _interval(each, 3)) for name, each in found.items()])


def print_regrets(table: Table, results: Results, num_images: int) -> None:
    """Means over seeds. Exhaustive search measures all, and may still choose wrongly."""
    shown = [*((measure, place) for measure in ("found", "chosen") for place in range(len(SHOWN)))]
    shown += [(measure, len(SHOWN) - 1) for measure in MEASURES[2:]]
    header = ("mean regret", *(f"{measure} after {SHOWN[place]}" for measure, place in shown))
    rows = [
        (name, *(f"{each[:, place, MEASURES.index(measure)].mean():.4f}" for measure, place in shown))
        for name, each in results.items()
    ]
    seeds = len(results[RANDOM])
    every = range(len(table.subnets))
    all_told = (table.candidates(every, images_of(table, seed, num_images)) for seed in range(seeds))
    exhaustive = np.array([regrets(table, told) for told in all_told]).mean(axis=0)
    blank = ("",) * (len(SHOWN) - 1)
    cells = [f"{each:.4f}" for each in exhaustive]
    rows.append((f"exhaustive, after {len(every):,}", *blank, cells[0], *blank, *cells[1:]))
    print_table(header, rows)


def print_comparison(results: Results) -> None:
    """At the end of every search, against random search with the same seed and the same images."""
    tests = [(name, measure) for measure in MEASURES for name in OTHERS]
    differences = {
        (name, measure): results[name][:, -1, MEASURES.index(measure)]
        - results[RANDOM][:, -1, MEASURES.index(measure)]
        for name, measure in tests
    }  # fmt: skip
    probabilities = [wilcoxon(differences[each].tolist()) for each in tests]
    adjusted = dict(zip(tests, holm(probabilities), strict=True))
    rows = []
    for each, probability in zip(tests, probabilities, strict=True):
        values = differences[each].tolist()
        better = sum(value < 0 for value in values), sum(value > 0 for value in values)
        cells = (f"{statistics.mean(values):+.4f}", _interval(values, 4), "{}, {}".format(*better))
        rows.append((each[1], each[0], *cells, f"{probability:.2g}", f"{adjusted[each]:.2g}"))
    header = ("regret after 200", "minus random", "mean", "95 % interval", "better, worse", "p", "p (Holm)")
    print_table(header, rows)
    found = [f"{name} in {measure}" for name, measure in tests if _is_better(differences, adjusted, (name, measure))]
    print(f"Better than random with p < {SIGNIFICANT:g} after Holm: {', '.join(found) or 'none'}.")
    found = [f"{name} in {measure}" for name, measure in tests if _is_worse(differences, adjusted, (name, measure))]
    print(f"Worse: {', '.join(found) or 'none'}.\n")


Test = tuple[str, str]


def _is_better(differences: Mapping[Test, Floats], adjusted: Mapping[Test, float], test: Test) -> bool:
    return adjusted[test] < SIGNIFICANT and float(differences[test].mean()) < 0


def _is_worse(differences: Mapping[Test, Floats], adjusted: Mapping[Test, float], test: Test) -> bool:
    return adjusted[test] < SIGNIFICANT and float(differences[test].mean()) > 0


def _interval(values: Sequence[float], digits: int) -> str:
    """Student's interval of the mean."""
    error = max(float(stats.sem(values)), 1e-12)
    low, high = stats.t.interval(CONFIDENCE, len(values) - 1, loc=statistics.mean(values), scale=error)
    return f"{low:.{digits}f} to {high:.{digits}f}"


if __name__ == "__main__":
    main()
