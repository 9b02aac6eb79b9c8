"""How far the accuracy of the best of many is flattered, and which estimator finds out: no timing.

Usage: python benchmarks/selection_bias.py [--repetitions 60]

Candidates have known accuracies and answer simulated images. The most accurate on these images is chosen. Whether an
answer is right is a probit model of the candidate, the image, six factors that candidates have in different shares
(as subnets share blocks), and of both.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from timing import machine

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.analysis.selection_bias import most_accurate, on_front, selection_bias

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

SPLITS = 50
"""Of ours; the other estimators have as many choices."""
FACTORS = 6
SIZES = ((20, 300, 1.0), (100, 1000, 0.4), (300, 359, 0.4), (200, 5000, 0.15), (1000, 1000, 0.1), (1000, 5000, 0.05))
"""Candidates, images, and how many of the repetitions."""
SPREADS = ("equal", "normal 3", "normal 10", "close 10")
WORLDS = ((0.75, 0.85), (0.65, 0.5), (0.975, 0.9))
"""Accuracy of the best, and the part of what decides an answer that is the image's."""


def true_accuracies(generator: np.random.Generator, num: int, spread: str, best: float) -> Floats:
    """Over about so many points: all equal, normal, or "close", with 70 % of them in the best 3 % of the range."""
    kind, *points = spread.split()
    width = float(points[0]) / 100 if points else 0.0
    below = np.zeros(num)
    if kind == "normal":
        below = generator.normal(size=num) * width / 4
        below = below.max() - below
    elif kind == "close":
        near = generator.uniform(size=num) < 0.7
        below = np.where(near, generator.uniform(0, 0.03 * width, num), generator.uniform(0, width, num))
    return best - below


def answers_of(generator: np.random.Generator, true_C: Floats, images: int, shared: float) -> Bools:
    """Whether each candidate is right about each image."""
    factors_CF = generator.normal(size=(len(true_C), FACTORS))
    factors_CF /= np.linalg.norm(factors_CF, axis=1, keepdims=True)
    by_factor_CI = (factors_CF @ generator.normal(size=(FACTORS, images))).astype(np.float32)
    own_CI = generator.standard_normal((len(true_C), images), dtype=np.float32)
    image_I = generator.normal(size=images).astype(np.float32) * np.float32(sqrt(shared))
    by_image_CI = np.float32(sqrt((1 - shared) / 2)) * (by_factor_CI + own_CI) + image_I
    right: Bools = by_image_CI > -ndtri(true_C).astype(np.float32)[:, None]
    return right


def optimism(answers: Bools, generator: np.random.Generator) -> dict[str, float]:
    """By resampling images: the picks' accuracy in a resample minus that on all images, or on the images left out.

    The .632 rule weights the two.
    """
    plain, images = answers.astype(np.float32), answers.shape[1]
    times_RI = generator.multinomial(images, np.full(images, 1 / images), size=2 * SPLITS).astype(np.float32)
    drawn_RC, left_RI = times_RI @ plain.T / images, (times_RI == 0).astype(np.float32)
    rows, picks = np.arange(len(times_RI)), drawn_RC.argmax(axis=1)
    out_RC = left_RI @ plain.T / left_RI.sum(axis=1, keepdims=True)
    apparent = float((drawn_RC[rows, picks] - plain.mean(axis=1)[picks]).mean())
    left_out = float((drawn_RC[rows, picks] - out_RC[rows, picks]).mean())
    return {"bootstrap": apparent, "left out": left_out, ".632": 0.632 * left_out + 0.368 * apparent}


def of_folds(answers: Bools, generator: np.random.Generator, num: int) -> float:
    """Chosen on all folds but one and judged on that, times the root of the share that chose."""
    plain, images = answers.astype(np.float32), answers.shape[1]
    rounds = 2 * SPLITS // num
    in_fold_RI = np.zeros((rounds * num, images), np.float32)
    for each in range(rounds):
        in_fold_RI[each * num + generator.permutation(np.arange(images) % num), np.arange(images)] = 1
    judged_RC, sizes_R = in_fold_RI @ plain.T, in_fold_RI.sum(axis=1)
    seen_RC = plain.sum(axis=1) - judged_RC
    rows, picks = np.arange(len(in_fold_RI)), seen_RC.argmax(axis=1)
    excess = seen_RC[rows, picks].sum() / (images - sizes_R).sum() - judged_RC[rows, picks].sum() / sizes_R.sum()
    return sqrt(1 - 1 / num) * max(0.0, float(excess))


class Told(NamedTuple):
    """Of many repetitions: the flattery, estimates of it in points, and how often intervals have the truth."""

    flattery: Floats
    estimates: dict[str, list[float]]
    ours_covers: list[bool]
    plain_covers: list[bool]


def covers(interval: tuple[float, float], true: float) -> bool:
    """Whether an interval in percent has an accuracy."""
    return interval[0] <= 100 * true <= interval[1]


def repeated(draw: Callable[[], tuple[Floats, Bools]], repetitions: int, generator: np.random.Generator) -> Told:
    """Ours and the others on many draws of candidates and answers.

    The flattery is the chosen one's measured minus its true accuracy, without what all candidates have of it: that is
    0 on average and only adds chance.
    """
    flattery, ours, plain = [], [], []
    estimates: dict[str, list[float]] = {}
    for _ in range(repetitions):
        true_C, answers = draw()
        found, accuracies_C = selection_bias(answers, splits=SPLITS).best, answers.mean(axis=1)
        luck_C = accuracies_C - true_C
        true, images = float(true_C[found.candidate]), answers.shape[1]
        flattery.append(100 * float(luck_C[found.candidate] - luck_C.mean()))
        ours.append(covers((found.low, found.high), true))
        plain.append(covers(binomial_interval(int(answers[found.candidate].sum()), images), true))
        others = optimism(answers, generator) | {f"{num} folds": of_folds(answers, generator, num) for num in (5, 10)}
        for name, value in ({"ours": found.flattery / 100} | others).items():
            estimates.setdefault(name, []).append(100 * value)
    return Told(np.array(flattery), estimates, ours, plain)


def print_estimators(repetitions: int) -> None:
    """Bias, deviation and coverage in worlds where candidates are as near as chance, or far apart."""
    generator = np.random.default_rng(0)
    names = ("ours", "bootstrap", "left out", ".632", "5 folds", "10 folds")
    heads = (
        "candidates",
        "images",
        "repetitions",
        "spread",
        "best",
        "shared",
        "flattery",
        *names,
        "plain covers",
        "ours covers",
    )
    print(f"| {' | '.join(heads)} |")
    print(f"|---:|---:|---:|---|---:|---:|---:|{'---:|' * (len(names) + 2)}")
    for num, images, share in SIZES:
        many = max(3, round(repetitions * share))
        for best, shared in WORLDS if images < 5000 and num < 1000 else WORLDS[:1]:
            for spread in SPREADS:

                def draw(
                    num: int = num,
                    images: int = images,
                    best: float = best,
                    shared: float = shared,
                    spread: str = spread,
                ) -> tuple[Floats, Bools]:
                    true_C = true_accuracies(generator, num, spread, best)
                    return true_C, answers_of(generator, true_C, images, shared)

                told = repeated(draw, many, generator)
                error = told.flattery.std(ddof=1) / sqrt(many)
                cells = [f"{np.mean(told.estimates[name]):.2f} ({np.std(told.estimates[name]):.2f})" for name in names]
                covered = (f"{100 * np.mean(each):.0f}" for each in (told.plain_covers, told.ours_covers))
                flattery = f"{told.flattery.mean():.2f} +- {error:.2f}"
                world = f"{num:,} | {images:,} | {many} | {spread} | {best:.1%} | {shared} | {flattery}"
                print(f"| {world} | {' | '.join(cells)} | {' | '.join(covered)} |", flush=True)


def print_fronts(repetitions: int) -> None:
    """Every member of a front of accuracy and a cost, which accuracy rises with or does not."""
    generator = np.random.default_rng(1)
    print("\n## Members of a front\n")
    print("Accuracy rises with the cost by so many points. Errors are measured minus true, and corrected minus true,")
    print("in points.\n")
    print("| candidates | images | rise | members | plain error | corrected error | plain covers | ours covers |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for num, images in ((300, 359), (300, 2000)):
        for rise in (0.0, 3.0, 10.0):
            plain, corrected, ours, naive, sizes = [], [], [], [], []
            for _ in range(repetitions):
                costs = np.arange(num, dtype=np.float64)
                true_C = 0.75 + rise / 100 * (costs / num - 1) + 0.003 * generator.normal(size=num)
                answers = answers_of(generator, true_C, images, 0.85)
                accuracies = answers.mean(axis=1)
                members = [each for each in range(num) if accuracies[each] > accuracies[:each].max(initial=-1)]
                luck = 100 * float((accuracies - true_C).mean())
                for pick in selection_bias(answers, on_front(members, costs), splits=SPLITS).picks:
                    true = float(true_C[pick.candidate])
                    plain.append(pick.top1 - 100 * true - luck)
                    corrected.append(pick.corrected - 100 * true - luck)
                    ours.append(covers((pick.low, pick.high), true))
                    naive.append(covers(binomial_interval(int(answers[pick.candidate].sum()), images), true))
                sizes.append(len(members))
            numbers = f"{np.mean(sizes):.1f} | {np.mean(plain):.2f} | {np.mean(corrected):.2f}"
            shares = f"{100 * np.mean(naive):.0f} | {100 * np.mean(ours):.0f}"
            print(f"| {num} | {images:,} | {rise:g} | {numbers} | {shares} |", flush=True)


def bred(generator: np.random.Generator, images: int, effect: float, breeds: bool) -> tuple[Floats, Bools]:
    """The candidates of a search of 10 generations of 30: bred from the best ten so far, or drawn by lot.

    Each of 12 genes with 3 values adds to a candidate's accuracy, and to what it finds hard in each image.
    """
    genes, values, generations, size = 12, 3, 10, 30
    effects_GV = generator.normal(size=(genes, values)) * effect
    hard_GVI = generator.normal(size=(genes, values, images)).astype(np.float32) * np.float32(sqrt(0.1 / genes))
    image_I = generator.normal(size=images).astype(np.float32) * np.float32(sqrt(0.85))
    genomes_CG = np.zeros((0, genes), np.int64)
    answers, true_C = np.zeros((0, images), bool), np.zeros(0)
    for _ in range(generations):
        new = generator.integers(0, values, (size, genes))
        if breeds and len(genomes_CG):
            parents = genomes_CG[np.argsort(-answers.mean(axis=1), kind="stable")[:10]]
            pairs = generator.integers(0, len(parents), (size, 2))
            first = generator.random((size, genes)) < 0.5
            mutated = generator.random((size, genes)) < 0.1
            new = np.where(mutated, new, np.where(first, parents[pairs[:, 0]], parents[pairs[:, 1]]))
        level_C = ndtri(0.75) + effects_GV[np.arange(genes), new].sum(axis=1)
        own = generator.standard_normal((size, images), dtype=np.float32) * np.float32(sqrt(0.05))
        hard = hard_GVI[np.arange(genes)[None], new].sum(axis=1)
        genomes_CG = np.concatenate([genomes_CG, new])
        answers = np.concatenate([answers, level_C[:, None].astype(np.float32) + hard + own + image_I > 0])
        true_C = np.concatenate([true_C, ndtr(level_C)])
    return true_C, answers


def print_searches(repetitions: int) -> None:
    """Whether a correction for choosing is enough if the candidates were bred by the same images."""
    generator = np.random.default_rng(2)
    print("\n## Searches that breed by the same images\n")
    print("300 candidates of 12 genes. Flattery: measured minus true accuracy of the best. Deviation: of the effect of")
    print("each gene's value.\n")
    print("| images | deviation | candidates | flattery | ours | plain covers | ours covers |")
    print("|---:|---:|---|---:|---:|---:|---:|")
    for images, effect, breeds in product((359, 2000), (0.0, 0.03), (False, True)):
        flattery, found, ours, plain = [], [], [], []
        for _ in range(repetitions):
            true_C, answers = bred(generator, images, effect, breeds)
            pick = selection_bias(answers, most_accurate, splits=SPLITS).best
            true = float(true_C[pick.candidate])
            flattery.append(pick.top1 - 100 * true)
            found.append(pick.flattery)
            ours.append(covers((pick.low, pick.high), true))
            plain.append(covers(binomial_interval(int(answers[pick.candidate].sum()), images), true))
        error = np.std(flattery, ddof=1) / sqrt(repetitions)
        cells = f"{np.mean(flattery):.2f} +- {error:.2f} | {np.mean(found):.2f}"
        shares = f"{100 * np.mean(plain):.0f} | {100 * np.mean(ours):.0f}"
        made = "bred" if breeds else "drawn by lot"
        print(f"| {images:,} | {effect:g} | {made} | {cells} | {shares} |", flush=True)


def main() -> None:
    """Print the tables of `results/selection_bias.md`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repetitions", type=int, default=60)
    repetitions = parser.parse_args().repetitions
    print(f"# The flattery of the best of many: up to {repetitions:,} repetitions a line\n\n{machine()}\n")
    print("In points of percent: the flattery, and the mean and the deviation of each estimate of it. The last columns")
    print("have how many of 100 95 % intervals of the chosen one's accuracy cover the truth.\n")
    print_estimators(repetitions)
    print_fronts(repetitions // 3)
    print_searches(repetitions // 3)


if __name__ == "__main__":
    main()
