"""Two networks over images and seeds: against McNemar, an analysis of variance, and networks that are alike."""

from __future__ import annotations

import warnings
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import t as student

from autospikformer_cli.analysis.paired import difference_interval, mcnemar
from autospikformer_cli.analysis.paired_networks import Superiority, compare_networks

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pandas as pd
    import statsmodels.api as sm
    from statsmodels.formula.api import ols

Bools = NDArray[np.bool_]


def two_networks(
    generator: np.random.Generator, seeds: tuple[int, int], images: int, deviation: float, better: float = 0.0
) -> tuple[Bools, Bools]:
    """Answers that vary by image, network and image, seed, and both. deviation: of the seeds; better: of the first."""
    image_I = generator.normal(size=images)
    found: list[Bools] = []
    for num, shift in zip(seeds, (better, 0.0), strict=True):
        own_I = image_I + 0.3 * generator.normal(size=images)
        seed_S1 = deviation * generator.normal(size=(num, 1))
        found.append(ndtri(0.8) * 1.2 + shift + seed_S1 + own_I + 0.5 * generator.normal(size=(num, images)) > 0)
    return found[0], found[1]


def mean_squares(correct_SI: Bools) -> tuple[float, float]:
    """Of seeds and of what is left, by statsmodels' analysis of variance of a two-way layout."""
    seeds, images = correct_SI.shape
    rows = pd.DataFrame(
        {
            "right": correct_SI.ravel().astype(float),
            "seed": np.repeat(np.arange(seeds), images),
            "image": np.tile(np.arange(images), seeds),
        }
    )
    table = sm.stats.anova_lm(ols("right ~ C(seed) + C(image)", rows).fit())
    return float(table.loc["C(seed)", "mean_sq"]), float(table.loc["Residual", "mean_sq"])


def test_one_seed_each_is_mcnemar_and_bonett_and_price() -> None:
    a, b = two_networks(np.random.default_rng(0), (1, 1), 400, 0.0, better=0.2)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    found = compare_networks(a, b)
    assert found.points == pytest.approx(100 * (only_a - only_b) / 400)
    assert (found.low, found.high) == difference_interval(only_b, only_a, 400)
    assert found.p_value == mcnemar(only_a, only_b)
    assert (found.degrees, found.seed_error) == (None, None)
    assert "these weights only" in found.method


@pytest.mark.parametrize(("seeds", "deviation"), [((2, 2), 0.1), ((3, 5), 0.4), ((1, 3), 0.4), ((4, 1), 0.4)])
def test_the_variance_is_that_of_a_two_way_layout(seeds: tuple[int, int], deviation: float) -> None:
    images = 60
    a, b = two_networks(np.random.default_rng(sum(seeds)), seeds, images, deviation)
    known = [mean_squares(each) if len(each) > 1 else None for each in (a, b)]
    other = next(each for each in known if each is not None)
    squares = [each or other for each in known]
    added = np.append(a.mean(axis=0) - b.mean(axis=0), [1, -1])
    by_image = added.var() / len(added)
    by_seed = [seed / images / num for (seed, _), num in zip(squares, seeds, strict=True)]
    residual = sum(left / images / num for (_, left), num in zip(squares, seeds, strict=True))
    variance = by_image + max(0.0, sum(by_seed) - residual)
    if min(seeds) > 1:
        doubt = sum(part**2 / (num - 1) for part, num in zip(by_seed, seeds, strict=True))
    else:
        doubt = sum(by_seed) ** 2 / (max(seeds) - 1)
    degrees = variance**2 / (doubt + by_image**2 / images)
    found = compare_networks(a, b, confidence=0.9)
    assert found.degrees == pytest.approx(degrees, rel=1e-9)
    half = student.ppf(0.95, degrees) * sqrt(variance)
    assert (found.low, found.high) == pytest.approx((100 * (added.mean() - half), 100 * (added.mean() + half)))
    assert found.p_value == pytest.approx(2 * student.sf(abs(added.mean()) / sqrt(variance), degrees), rel=1e-9)
    assert found.points == pytest.approx(100 * (a.mean() - b.mean()))


def test_reversed_it_is_the_same_with_another_sign() -> None:
    a, b = two_networks(np.random.default_rng(5), (3, 2), 500, 0.1, better=0.2)
    forth, back = compare_networks(a, b), compare_networks(b, a)
    assert (back.points, back.low, back.high) == pytest.approx((-forth.points, -forth.high, -forth.low))
    assert back.p_value == pytest.approx(forth.p_value)


def test_seeds_count_as_chance_of_their_own() -> None:
    """Networks that are alike on average: a test over images alone calls most pairs of trainings different."""
    generator, repetitions = np.random.default_rng(6), 600
    ours = over_images = covered = 0
    for _ in range(repetitions):
        a, b = two_networks(generator, (3, 3), 1500, 0.12)
        found = compare_networks(a, b)
        ours += found.p_value < 0.05
        covered += found.low <= 0 <= found.high
        difference_I = a.mean(axis=0) - b.mean(axis=0)
        over_images += abs(difference_I.mean()) > 1.96 * difference_I.std() / sqrt(len(difference_I))
    assert ours / repetitions <= 0.08
    assert ours + covered == repetitions
    assert over_images / repetitions > 0.3


def test_few_seeds_reach_no_difference_that_two_accuracies_cannot_have() -> None:
    """Two seeds far apart: Student's t alone would reach beyond, and an interval that is cut loses no truth by it."""
    generator, repetitions, cut, lost = np.random.default_rng(8), 150, 0, 0
    for _ in range(repetitions):
        a, b = two_networks(generator, (2, 2), 100, 0.5)
        found = compare_networks(a, b)
        assert -100 < found.low <= found.high < 100
        assert (found.p_value < 0.05) == (not found.low <= 0 <= found.high)
        assert found.degrees is not None
        assert found.seed_error is not None
        error = sqrt(found.seed_error**2 + found.image_error**2)
        half = student.ppf(0.975, found.degrees) * error
        cut += found.high - found.low < 2 * half - 1e-6
        lost += abs(found.points * 100 / 102) <= half and not found.low <= 0 <= found.high
    assert (lost, cut > repetitions / 3) == (0, True)


def test_a_real_difference_is_found() -> None:
    found = compare_networks(*two_networks(np.random.default_rng(7), (3, 3), 3000, 0.03, better=0.3))
    assert found.p_value < 0.01
    assert found.low > 0
    assert found.seed_error is not None
    assert found.image_error > 0


def test_networks_that_answer_alike_are_not_known_to_be_equal() -> None:
    """Without one different answer, the interval still has a width, as few images leave room for a difference."""
    few, many = (compare_networks(np.ones((3, num), bool), np.ones((3, num), bool)) for num in (50, 5000))
    assert few.p_value == many.p_value == 1.0
    assert few.low < -3 < -0.1 < many.low < 0 < many.high < 0.1 < 3 < few.high


@pytest.mark.parametrize(
    ("low", "high", "standing"),
    [
        (0.1, 2.0, "higher"),
        (-0.9, 0.4, "not_worse"),
        (-0.9, -0.1, "not_worse"),
        (-3.0, 0.5, "undecided"),
        (-1.0, 0.5, "undecided"),
        (-3.0, -0.5, "lower"),
    ],
)
def test_how_one_stands_against_the_other(low: float, high: float, standing: Superiority) -> None:
    found = replace(compare_networks(np.ones((1, 9), bool), np.ones((1, 9), bool)), low=low, high=high)
    assert found.standing(1.0) == standing
    with pytest.raises(ValueError, match="margin"):
        found.standing(0.0)


@pytest.mark.parametrize(
    ("a", "b", "what"),
    [
        (np.ones((1, 4), bool), np.ones((1, 5), bool), "not of the same images"),
        (np.ones(4, bool), np.ones((1, 4), bool), "by seed and image"),
        (np.ones((1, 4)), np.ones((1, 4), bool), "by seed and image"),
        (np.ones((0, 4), bool), np.ones((1, 4), bool), "by seed and image"),
    ],
)
def test_other_tables_are_refused(a: Bools, b: Bools, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        compare_networks(a, b)
    with pytest.raises(ValueError, match="confidence"):
        compare_networks(np.ones((1, 4), bool), np.ones((1, 4), bool), confidence=95)
