"""Which algorithm finds the better front, and the better best ten, with as many evaluations: no timing.

Usage: python benchmarks/search_algorithms.py --data ROOT --run RUN [--seeds 5] [--cache FILE]

RUN is a trained run, which is not written to. Every subnet is measured once, whoever asks for it; with --cache also
over several starts of this script.
"""

from __future__ import annotations

import argparse
import pickle
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine_network import print_table, root_override
from timing import machine

from autospikformer_cli.analysis.paired import holm, mean_interval, wilcoxon
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine.compute import own_process
from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.runs.selection import recipe_problem
from autospikformer_cli.runs.trained_run import TrainedRun, open_run
from autospikformer_cli.search.algorithm import make_algorithm
from autospikformer_cli.search.hypervolume import box_of, shares_by_generation
from autospikformer_cli.search.ids import CandidateIds
from autospikformer_cli.search.loop import run_search
from autospikformer_cli.space import Subnet

RANDOM, OTHERS = "random", ("evolution", "nsga2", "predictor")
SHOWN_EVERY = 2
"""Generations."""
BEST = 10
"""The mean F_AEB is of so many of the best."""
Histories = Mapping[str, Sequence[Sequence[float]]]
"""By algorithm, for each seed: a number after each generation."""


@dataclass
class Archive:
    """Every measurement so far; asked is how many the searches wanted."""

    run: TrainedRun
    images: ImageSet
    cache: Path | None
    asked: int = 0

    def __post_init__(self) -> None:
        """What an earlier start measured of the same weights on the same images."""
        self._evaluator = self.run.evaluator()
        self._conditions = (self.run.weights_hash, self.images.hash, len(self.images))
        self.known: dict[Subnet, Measurement] = {}
        if self.cache is not None and self.cache.is_file():
            conditions, known = pickle.loads(self.cache.read_bytes())  # noqa: S301  written by this script
            if conditions != self._conditions:
                raise SystemExit(f"{self.cache} holds measurements of another run or of other images")
            self.known = known

    def measure(self, subnets: Sequence[Subnet]) -> Iterator[Mapping[Subnet, Measurement]]:
        """All of them, in one walk over those that are new."""
        self.asked += len(subnets)
        missing = [subnet for subnet in subnets if subnet not in self.known]
        for part in self._evaluator.measure_many(missing, self.images):
            self.known |= {subnet: result.measurement for subnet, result in part.items()}
        if missing and self.cache is not None:
            beside = self.cache.with_suffix(".new")
            beside.write_bytes(pickle.dumps((self._conditions, self.known)))
            beside.replace(self.cache)
        yield {subnet: self.known[subnet] for subnet in subnets}


def main() -> None:
    """Print the tables of `results/search_algorithms.md`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", required=True, help="the folder of the data set")
    parser.add_argument("--run", required=True, type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=int, help="default: the recipe's")
    parser.add_argument("--cache", type=Path, help="measurements, kept for the next start")
    options = parser.parse_args()
    run = open_run(options.run, (root_override(options.data),), searched=False, compute=own_process())
    recipe = run.recipe
    found, number = run.images("validation"), options.images or recipe.search.images
    archive = Archive(run, found if number is None else found.first(number), options.cache)
    searches = {
        name: [searched(recipe, name, seed, archive) for seed in range(options.seeds)] for name in (RANDOM, *OTHERS)
    }
    evaluations = recipe.search.population * recipe.search.generations
    print(f"# Searches of {recipe.name}: {evaluations} evaluations, {options.seeds} seeds\n\n{machine()}\n")
    images, calibration = len(archive.images), recipe.model.calibration_images
    print(
        f"{images} validation images, {recipe.model.batchnorm} of {calibration}; {recipe.search.population} subnets a"
    )
    print(f"generation. The searches asked for {archive.asked} subnets,\n{len(archive.known)} of them different.\n")
    problem = recipe_problem(recipe)
    everyone = [Candidate(f"c{n}", subnet, 0, found) for n, (subnet, found) in enumerate(archive.known.items(), 1)]
    problem.price_all(everyone)
    box = box_of(problem, [values for each in everyone if (values := problem.values(each)) is not None])
    assert box is not None
    print(f"Hypervolume: the share of the box between {box.point} and {box.ideal}")
    print(f"({', '.join(each.name for each in box.objectives)}; the worst and the best of all that was measured) that")
    print("the subnets of a search dominate. All searches' subnets together:", end=" ")
    print(f"{shares_by_generation(problem, box, everyone, range(1))[0]:.4f}.\n")
    generations = range(recipe.search.generations)
    shares = {
        name: [shares_by_generation(problem, box, each, generations) for each in found]
        for name, found in searches.items()
    }
    print_histories("mean hypervolume", shares)
    print_comparison("hypervolume", shares)
    values = {scored.subnet: scored.fitness for scored in problem.fitness.score(everyone).ranked}
    means = {
        name: [best_means(values, each, generations) for each in found] for name, found in searches.items()
    }  # fmt: skip
    print(f"F_AEB: alpha {recipe.search.alpha:g}, scaled by the extremes of all that was measured.\n")
    print_histories(f"mean F_AEB of the best {BEST}", means)
    print_comparison(f"mean F_AEB of the best {BEST}", means)


def searched(recipe: Recipe, name: str, seed: int, archive: Archive) -> list[Candidate]:
    """All candidates of one search."""
    settings = recipe.search.model_copy(update={"algorithm": name})
    found: list[Candidate] = []

    def keep(candidates: Sequence[Candidate]) -> None:
        found[:] = candidates

    algorithm = make_algorithm(settings, recipe_problem(recipe), seed)
    run_search(algorithm, (), {}, archive.measure, keep, lambda: False, CandidateIds())
    return found


def best_means(values: Mapping[Subnet, float], candidates: Sequence[Candidate], generations: range) -> list[float]:
    """The mean F_AEB of the best after each generation."""
    means = []
    for generation in generations:
        so_far = (values[each.subnet] for each in candidates if each.generation <= generation and each.subnet in values)
        means.append(statistics.mean(sorted(so_far, reverse=True)[:BEST]))
    return means


def print_histories(what: str, histories: Histories) -> None:
    """Means over seeds, by generation."""
    generations = len(histories[RANDOM][0])
    shown = range(SHOWN_EVERY - 1, generations, SHOWN_EVERY)
    rows = [
        (name, *(f"{statistics.mean(history[place] for history in each):.4f}" for place in shown))
        for name, each in histories.items()
    ]
    print_table((f"{what} behind generation", *(str(place + 1) for place in shown)), rows)


def print_comparison(what: str, histories: Histories) -> None:
    """At the end of every search, and against random search with the same seed."""
    ends = {name: [history[-1] for history in each] for name, each in histories.items()}
    seeds = [f"seed {seed}" for seed in range(len(ends[RANDOM]))]
    told = {name: [*each, statistics.mean(each), statistics.stdev(each)] for name, each in ends.items()}
    rows = [(name, *(f"{share:.4f}" for share in shares)) for name, shares in told.items()]
    print_table((f"{what} at the end", *seeds, "mean", "standard deviation"), rows)
    differences = {name: [mine - theirs for mine, theirs in zip(ends[name], ends[RANDOM], strict=True)]
                   for name in OTHERS}  # fmt: skip
    probabilities = [wilcoxon(each) for each in differences.values()]
    verdicts, rows = [], []
    for (name, each), p, adjusted in zip(differences.items(), probabilities, holm(probabilities), strict=True):
        low, high = mean_interval(each) or (float("nan"), float("nan"))
        cells = (f"{statistics.mean(each):+.4f}", f"{low:+.4f} to {high:+.4f}", f"{p:.2g}", f"{adjusted:.2g}")
        rows.append((name, *(f"{difference:+.4f}" for difference in each), *cells))
        beats = "beats" if low > 0 else "is beaten by" if high < 0 else "is not told from"
        verdicts.append(f"{name} {beats} random search")
    header = ("minus random search", *seeds, "mean", "95 % interval (Student's t)", "p (Wilcoxon)", "p (Holm)")
    print_table(header, rows)
    print(f"By the intervals, {', '.join(verdicts)}.\n")


if __name__ == "__main__":
    main()
