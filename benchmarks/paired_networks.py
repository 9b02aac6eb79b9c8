"""How often `compare_networks` finds a difference where there is none: no timing.

Usage: python benchmarks/paired_networks.py [--repetitions 1000]

Two networks have the same accuracy on average over images and seeds. Of each, some seeds are trained, and all are
tested on the same images. A sound test has p < 0.05 in at most 5 % of such experiments.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from itertools import product
from math import exp, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import ttest_ind
from timing import machine

from autospikformer_cli.analysis.paired_networks import compare_networks

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Test = Callable[[Bools, Bools], bool]

LEVEL = 0.05
SEEDS = ((1, 1), (2, 2), (3, 3), (5, 5), (1, 3), (2, 5))
IMAGES = ((360, 1.0), (10_000, 0.4))
"""And how many of the repetitions."""
ACCURACIES = (0.72, 0.95)
DEVIATIONS = ((0.0, 0.0), (0.3, 0.3), (0.8, 0.8), (0.3, 0.8), (0.8, 0.3))
"""Standard deviations of the accuracy over seeds, of both networks, in points."""
BY_IMAGE, BY_NETWORK_AND_IMAGE = 0.75, 0.05
"""Shares of the variance of what decides an answer; the rest is of seed and image."""
RESAMPLES, BOOTSTRAPPED = 200, 50
"""Of the two-way bootstrap, and experiments that it is tried on."""


def experiment(
    generator: np.random.Generator, seeds: tuple[int, int], images: int, accuracy: float, deviations: tuple[float, ...]
) -> list[Bools]:
    """The answers of both networks: a probit model of image, network and image, seed, and both."""
    threshold = float(ndtri(accuracy))
    density = exp(-(threshold**2) / 2) / sqrt(2 * pi)

    def drawn(share: float, *shape: int) -> Floats:
        return generator.standard_normal(shape, dtype=np.float32) * np.float32(sqrt(share))

    image_I = drawn(BY_IMAGE, images)
    answers = []
    for num, deviation in zip(seeds, deviations, strict=True):
        own_I = image_I + drawn(BY_NETWORK_AND_IMAGE, images)
        rest_SI = drawn(1 - BY_IMAGE - BY_NETWORK_AND_IMAGE, num, images)
        level_S = threshold + generator.normal(size=num) * deviation / 100 / density
        answers.append(own_I + rest_SI > -level_S[:, None].astype(np.float32))
    return answers


def ours(a_SI: Bools, b_SI: Bools) -> bool:
    """`compare_networks`."""
    return compare_networks(a_SI, b_SI).p_value < LEVEL


def over_images(a_SI: Bools, b_SI: Bools) -> bool:
    """A paired test over images alone: the seeds are taken to be all there are."""
    difference_I = a_SI.mean(axis=0) - b_SI.mean(axis=0)
    return bool(abs(difference_I.mean()) > 1.96 * difference_I.std() / sqrt(len(difference_I)))


def bootstrapped(generator: np.random.Generator) -> Test:
    """The percentile interval of a bootstrap over images and over seeds (the pigeonhole bootstrap; Owen, 2007)."""

    def test(a_SI: Bools, b_SI: Bools) -> bool:
        images = a_SI.shape[1]
        times_RI = generator.multinomial(images, np.full(images, 1 / images), size=RESAMPLES) / images
        means = []
        for answers_SI in (a_SI, b_SI):
            accuracies_RS = times_RI @ answers_SI.T.astype(np.float64)
            drawn_RS = generator.integers(0, len(answers_SI), (RESAMPLES, len(answers_SI)))
            means.append(np.take_along_axis(accuracies_RS, drawn_RS, axis=1).mean(axis=1))
        low, high = np.quantile(means[0] - means[1], [LEVEL / 2, 1 - LEVEL / 2])
        return not low <= 0 <= high

    return test


def shares(setting: tuple[tuple[int, int], int, float, tuple[float, float]], repetitions: int) -> dict[str, float]:
    """Of experiments without a difference, the share in which each test finds one, in percent."""
    generator = np.random.default_rng(0)
    tests: dict[str, Test] = {"ours": ours, "images": over_images}
    found = dict.fromkeys(tests, 0)
    resampling, resampled = bootstrapped(np.random.default_rng(1)), 0
    many = BOOTSTRAPPED if min(setting[0]) > 1 and setting[3] == DEVIATIONS[2] else 0
    accuracies: list[list[Floats]] = []
    for number in range(repetitions):
        answers = experiment(generator, *setting)
        accuracies.append([each.mean(axis=1) for each in answers])
        for name, test in tests.items():
            found[name] += test(*answers)
        resampled += number < many and resampling(*answers)
    told = {name: 100 * count / repetitions for name, count in found.items()}
    if min(setting[0]) > 1:
        told["seeds"] = 100 * over_seeds(accuracies)
    return told | ({"bootstrap": 100 * resampled / many} if many else {})


def over_seeds(accuracies: list[list[Floats]]) -> float:
    """The share that Welch's test of the accuracies alone rejects: the images are taken to be all there are."""
    a_RS, b_RS = (np.array(each) for each in zip(*accuracies, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few accuracies are equal
        return float((ttest_ind(a_RS, b_RS, axis=1, equal_var=False).pvalue < LEVEL).mean())


def main() -> None:
    """Print the table of `results/paired_networks.md`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repetitions", type=int, default=1000)
    repetitions = parser.parse_args().repetitions
    print(f"# A difference found where there is none: {repetitions:,} experiments a line\n\n{machine()}\n")
    print("Percent of experiments with p < 0.05. Deviations over seeds are in points. With 10,000 images, a line has")
    print(f"{IMAGES[1][1]:.0%} of the experiments. The bootstrap had {BOOTSTRAPPED}.\n")
    print("| images | accuracy | seeds | deviations | compare_networks | over images | over seeds | bootstrap |")
    print("|---:|---:|---|---|---:|---:|---:|---:|")
    for (images, share), accuracy, seeds, deviations in product(IMAGES, ACCURACIES, SEEDS, DEVIATIONS):
        if seeds[0] == seeds[1] and deviations[0] > deviations[1]:
            continue  # the same again
        told = shares((seeds, images, accuracy, deviations), round(repetitions * share))
        cells = [f"{told[name]:.1f}" if name in told else "" for name in ("ours", "images", "seeds", "bootstrap")]
        pair, spread = " and ".join(map(str, seeds)), " and ".join(map(str, deviations))
        print(f"| {images:,} | {accuracy:.0%} | {pair} | {spread} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
