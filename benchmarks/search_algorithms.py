"""Which algorithm finds the better front with as many evaluations: no timing.

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
from scipy import stats
from timing import machine

from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine.compute import own_process
from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.runs.searching.search import BASELINE_ID
from autospikformer_cli.runs.selection import recipe_problem
from autospikformer_cli.runs.trained_run import TrainedRun, open_run
from autospikformer_cli.search.algorithm import make_algorithm
from autospikformer_cli.search.hypervolume import reference_of, shares_by_generation
from autospikformer_cli.search.loop import run_search
from autospikformer_cli.space import Subnet

RANDOM, OTHERS = "random", ("evolution", "nsga2")
SHOWN_EVERY = 2
"""Generations."""
CONFIDENCE = 0.95


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
    histories = {
        name: [hypervolumes(recipe, name, seed, archive) for seed in range(options.seeds)] for name in (RANDOM, *OTHERS)
    }
    evaluations = recipe.search.population * recipe.search.generations
    print(f"# Searches of {recipe.name}: {evaluations} evaluations, {options.seeds} seeds\n\n{machine()}\n")
    images, calibration = len(archive.images), recipe.model.calibration_images
    print(
        f"{images} validation images, {recipe.model.batchnorm} of {calibration}; {recipe.search.population} subnets a"
    )
    print(
        f"generation. The searches and their baselines asked for {archive.asked} subnets,\n"
        f"{len(archive.known)} of them different.\n"
    )
    print_box(recipe, archive)
    print_histories(histories)
    print_comparison(histories)


def hypervolumes(recipe: Recipe, name: str, seed: int, archive: Archive) -> list[float]:
    """The dominated share of the box behind every generation of one search."""
    settings = recipe.search.model_copy(update={"algorithm": name})
    problem = recipe_problem(recipe)
    found: list[Candidate] = []

    def keep(candidates: Sequence[Candidate]) -> None:
        found[:] = candidates

    run_search(make_algorithm(settings, problem, seed), (), {}, archive.measure, keep, lambda: False)
    reference = reference_of(problem, baseline(recipe, archive))
    assert reference is not None
    return shares_by_generation(problem, reference, found, range(settings.generations))


def baseline(recipe: Recipe, archive: Archive) -> Candidate:
    """What the reference point is taken from."""
    subnet = recipe.baseline()
    (measured,) = archive.measure([subnet])
    return Candidate(BASELINE_ID, subnet, 0, measured[subnet])


def print_box(recipe: Recipe, archive: Archive) -> None:
    """The share that all searches' subnets dominate together: nobody can have more of what was measured."""
    problem = recipe_problem(recipe)
    reference = reference_of(problem, baseline(recipe, archive))
    assert reference is not None
    everyone = [Candidate(f"c{n}", subnet, 0, found) for n, (subnet, found) in enumerate(archive.known.items(), 1)]
    (share,) = shares_by_generation(problem, reference, everyone, range(1))
    print(f"Hypervolume: the share of the box between {reference.point} and {reference.ideal}")
    print(f"({', '.join(each.name for each in reference.objectives)}) that the subnets of a search dominate.")
    print(f"All searches' subnets together: {share:.4f}.\n")


def print_histories(histories: Mapping[str, Sequence[Sequence[float]]]) -> None:
    """Means over seeds, by generation."""
    generations = len(histories[RANDOM][0])
    shown = range(SHOWN_EVERY - 1, generations, SHOWN_EVERY)
    rows = [
        (name, *(f"{statistics.mean(history[place] for history in each):.4f}" for place in shown))
        for name, each in histories.items()
    ]
    print_table(("mean hypervolume behind generation", *(str(place + 1) for place in shown)), rows)


def print_comparison(histories: Mapping[str, Sequence[Sequence[float]]]) -> None:
    """At the end of every search, and against random search with the same seed."""
    ends = {name: [history[-1] for history in each] for name, each in histories.items()}
    header = ("at the end", *(f"seed {seed}" for seed in range(len(ends[RANDOM]))), "mean", "standard deviation")
    told = {name: [*each, statistics.mean(each), statistics.stdev(each)] for name, each in ends.items()}
    print_table(header, [(name, *(f"{share:.4f}" for share in shares)) for name, shares in told.items()])
    verdicts, rows = [], []
    for name in OTHERS:
        differences = [mine - theirs for mine, theirs in zip(ends[name], ends[RANDOM], strict=True)]
        mean = statistics.mean(differences)
        low, high = stats.t.interval(
            CONFIDENCE, len(differences) - 1, loc=mean, scale=max(stats.sem(differences), 1e-12)
        )  # fmt: skip
        rows.append((name, *(f"{each:+.4f}" for each in differences), f"{mean:+.4f}", f"{low:+.4f} to {high:+.4f}"))
        beats = "beats" if low > 0 else "is beaten by" if high < 0 else "is not told from"
        verdicts.append(f"{name} {beats} random search")
    print_table(("minus random search", *header[1:-1], "95 % interval of the mean (Student's t)"), rows)
    print(f"With these seeds {' and '.join(verdicts)}.")


if __name__ == "__main__":
    main()
