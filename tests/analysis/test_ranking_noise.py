"""Noise of accuracies and Kendall's tau: against scipy, and against simulations whose truth is known."""

from __future__ import annotations

from itertools import permutations
from math import asin, pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kendalltau, norm

from autospikformer_cli.analysis.correlation import kendall_tau
from autospikformer_cli.analysis.ranked_answers import NoInterval, RankedAnswers, TauInterval
from autospikformer_cli.analysis.ranking_noise import Variances, corrected_taus, taus_of
from autospikformer_cli.analysis.tau_sample_size import expected_half_width, subnets_needed

Floats = NDArray[np.float64]
MEAN = 0.6
"""Accuracy of a typical subnet."""
HARDNESS = 1.5
"""Deviation of how hard images are, in units of what else decides an answer."""


def simulated(
    generator: np.random.Generator, num: int, images: int, seeds: int, correlation: float, spread: float,
    of_a_seed: float = 0.4,
) -> RankedAnswers:  # fmt: skip
    """Answers by a threshold model. spread, of_a_seed: deviations of true accuracies, in points.

    An image is as hard for all subnets. Half of what else decides an answer is of subnet and image, in both columns.
    """
    unit = (1 + HARDNESS**2) ** 0.5
    point = unit / 100 / norm.pdf(norm.ppf(MEAN))
    a_N = generator.normal(size=num)
    b_N = correlation * a_N + (1 - correlation**2) ** 0.5 * generator.normal(size=num)
    base_NI = norm.ppf(MEAN) * unit + HARDNESS * generator.normal(size=images) + 0.5**0.5 * generator.normal(
        size=(num, images)
    )  # fmt: skip
    own_NSI = 0.5**0.5 * generator.normal(size=(num, seeds + 1, images))
    inherited_NI = base_NI + spread * point * a_N[:, None] + own_NSI[:, 0] > 0
    trained_NS1 = spread * point * b_N[:, None, None] + of_a_seed * point * generator.normal(size=(num, seeds, 1))
    retrained_NSI = base_NI[:, None] + trained_NS1 + own_NSI[:, 1:] > 0
    return RankedAnswers(inherited_NI.astype(np.float64), retrained_NSI.astype(np.float64), seed=0)


def many(draws: int, *sizes: float) -> list[RankedAnswers]:
    return [simulated(np.random.default_rng(draw), *sizes) for draw in range(draws)]  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2)), min_size=2, max_size=9))
def test_taus_are_scipys_of_the_repeated_rows(rows: list[tuple[int, int, int]]) -> None:
    a, b, times = (np.array([column]) for column in zip(*rows, strict=True))
    (found,) = taus_of(a.astype(float), b.astype(float), times)
    expected = kendalltau(np.repeat(a, times[0]), np.repeat(b, times[0])).statistic if times.sum() > 1 else np.nan
    assert found == pytest.approx(expected, nan_ok=True)
    (plain,) = taus_of(a.astype(float), b.astype(float))
    assert plain == pytest.approx(kendalltau(a[0], b[0]).statistic, nan_ok=True)


def test_more_draws_than_fit_at_once_are_the_same() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 300, 200))
    assert taus_of(a, b) == pytest.approx([kendalltau(*columns).statistic for columns in zip(a, b, strict=True)])


def test_noise_is_what_other_images_and_seeds_would_change() -> None:
    """Variances within a tenth of those of the accuracies of a thousand new sets of answers of the same subnets."""
    unit = (1 + HARDNESS**2) ** 0.5
    generator = np.random.default_rng(3)
    a_N = b_N = np.linspace(-1, 1, 6) * 0.2
    columns, estimated = [], []
    for _ in range(1500):
        base_NI = norm.ppf(MEAN) * unit + HARDNESS * generator.normal(size=60) + 0.7 * generator.normal(size=(6, 60))
        inherited = base_NI + a_N[:, None] + 0.7 * generator.normal(size=(6, 60)) > 0
        trained = b_N[:, None, None] + 0.2 * generator.normal(size=(6, 3, 1)) + 0.7 * generator.normal(size=(6, 3, 60))
        answers = RankedAnswers(inherited * 1.0, (base_NI[:, None] + trained > 0) * 1.0, 0)
        v = answers.variances
        estimated.append([float(each[0]) for each in (v.images_a, v.images_b + v.seeds, v.shared, v.true_a, v.true_b)])
        columns.append((inherited.mean(1), (base_NI[:, None] + trained > 0).mean((1, 2))))
    a, b = (np.array(column) - np.mean(column, axis=1, keepdims=True) for column in zip(*columns, strict=True))
    noise_a, noise_b = a - a.mean(axis=0), b - b.mean(axis=0)
    real = [(noise_a**2).sum(1) / 5, (noise_b**2).sum(1) / 5, (noise_a * noise_b).sum(1) / 5]
    real += [(each.mean(axis=0) ** 2).sum() / 5 for each in (a, b)]
    found = np.mean(estimated, axis=0)
    assert found[:3] == pytest.approx([each.mean() for each in real[:3]], rel=0.1)
    assert found[3:] == pytest.approx(real[3:], rel=0.1)


@pytest.mark.parametrize("sizes", [(24, 1000, 1, 0.7, 2.0), (32, 800, 2, 0.7, 1.5), (32, 800, 2, 0.9, 2.5)])
def test_corrected_tau_is_less_biased_than_the_measured_one(sizes: tuple[float, ...]) -> None:
    truth = 2 / pi * asin(sizes[3])
    answers = many(80, *sizes)
    measured = np.mean([each.tau for each in answers])
    corrected = np.mean([each.corrected for each in answers if each.corrected is not None])
    assert measured < truth - 0.02
    assert abs(corrected - truth) < 0.6 * abs(measured - truth)


@pytest.mark.parametrize("sizes", [(24, 1000, 1, 2.0), (32, 800, 3, 2.5)])
def test_the_ceiling_is_what_perfect_rankings_measure(sizes: tuple[float, ...]) -> None:
    num, images, seeds, spread = sizes
    perfect = np.array([each.tau for each in many(80, num, images, seeds, 1.0, spread)])
    ceilings = [each.ceiling for each in many(15, num, images, seeds, 0.5, spread)]
    assert np.mean([each.mean for each in ceilings if each]) == pytest.approx(perfect.mean(), abs=0.05)
    ends = [np.mean([getattr(each, end) for each in ceilings]) for end in ("low", "high")]
    within = np.mean((ends[0] <= perfect) & (perfect <= ends[1]))
    assert within > 0.85


def test_without_noise_the_ceiling_is_one_and_nothing_is_corrected() -> None:
    """Every subnet answers a share of each image alone, always the same."""
    shares = np.linspace(0.2, 0.8, 12)
    flat = RankedAnswers(np.tile(shares[:, None], 50), np.tile(shares[::-1, None, None], (2, 50)), 0)
    assert flat.ceiling is not None
    assert (flat.ceiling.mean, flat.ceiling.low) == (1.0, 1.0)
    assert (flat.tau, flat.corrected) == (-1.0, pytest.approx(-1.0))


def test_accuracies_of_noise_alone_have_no_corrected_tau() -> None:
    found = [each.corrected for each in many(20, 12, 100, 1, 0.0, 0.0)]
    assert found.count(None) > 5


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_corrected_tau_is_never_beyond_the_possible(sign: float) -> None:
    """Half of both spreads is noise, so even a perfect ranking would not show a tau of 0.9."""
    spread, noise = np.array([4.0]), np.array([2.0])
    variances = Variances(spread, spread, noise, noise, np.zeros(1), np.zeros(1))
    taus = np.array([0.9, 0.2]) * sign
    assert np.isfinite(corrected_taus(taus, variances, 24)).tolist() == [False, True]
    bounded = corrected_taus(taus, variances, 24, at_most_perfect=True)
    assert bounded[0] == sign
    assert bounded[1] == corrected_taus(taus, variances, 24)[1]
    nothing = Variances(spread, spread, spread, noise, np.zeros(1), np.zeros(1))
    assert np.isnan(corrected_taus(taus, nothing, 24, at_most_perfect=True)).all()


def test_an_interval_of_few_corrected_resamples_is_left_out() -> None:
    """Of draws at the limit, some can be corrected themselves, but too few of their resamples."""
    answers = many(20, 16, 300, 1, 0.7, 1.5)
    corrected = [each for each in answers if each.corrected is not None]
    left_out = [each for each in corrected if isinstance(each.corrected_interval, NoInterval)]
    assert 0 < len(left_out) < len(corrected)


@pytest.mark.parametrize("num", [10, 24])
def test_the_interval_holds_tau_as_often_as_it_says(num: int) -> None:
    """95 of 100, less what 60 draws leave open. The subnets of a draw have their own images."""
    answers = many(60, num, 200, 1, 0.7, 5.0)
    truth = np.mean([each.tau for each in answers])
    intervals = [each.interval for each in answers if isinstance(each.interval, TauInterval)]
    assert len(intervals) > 50
    held = [each.low <= truth <= each.high for each in intervals]
    assert 0.88 <= np.mean(held) <= 1.0
    assert all(-1.0 <= each.low < each.high <= 1.0 for each in intervals)
    widths = [each.high - each.low for each in intervals]
    assert np.mean(widths) == pytest.approx(2 * expected_half_width(num, float(truth)), rel=0.2)


def test_the_interval_of_a_change_holds_it_and_is_possible() -> None:
    """The other way knows the truth better: its accuracies are those of retraining with another seed."""
    found = []
    for each in many(40, 12, 200, 2, 0.5, 5.0):
        plain = RankedAnswers(each.inherited_NI, each.retrained_NSI[:, :1], 0)
        found.append((plain, plain.compared(each.retrained_NSI[:, 1])))
    truth = np.mean([change.change for _, change in found if change.change is not None])
    told = [(plain, change) for plain, change in found if isinstance(change.interval, TauInterval)]
    assert len(told) > 25
    for plain, change in told:
        assert isinstance(plain.interval, TauInterval)
        assert isinstance(change.interval, TauInterval)
        assert -1.0 - plain.interval.high <= change.interval.low < change.interval.high <= 1.0 - plain.interval.low
    held = [c.interval.low <= truth <= c.interval.high for _, c in told if isinstance(c.interval, TauInterval)]
    assert 0.85 <= np.mean(held) <= 1.0


def test_too_few_subnets_and_resamples_without_doubt_have_no_interval() -> None:
    few = simulated(np.random.default_rng(0), 9, 200, 1, 0.7, 5.0)
    assert few.interval == few.corrected_interval == NoInterval("9 subnets are too few, 10 are needed")
    assert few.compared(few.retrained_NSI[:, 0]).interval == few.interval
    shares = np.linspace(0.2, 0.8, 12)
    same = RankedAnswers(np.tile(shares[:, None], 50), np.tile(shares[:, None, None], (1, 50)), 0)
    assert (same.tau, same.interval) == (1.0, NoInterval("the resamples hardly differ"))
    one = np.zeros((12, 50))
    one[0] = 1.0
    tied = RankedAnswers(one, same.retrained_NSI, 0).interval
    assert isinstance(tied, NoInterval)
    assert tied.why.endswith(" % of the resamples have an order that is more than noise")


def test_another_way_is_compared_on_the_same_resamples() -> None:
    answers = simulated(np.random.default_rng(1), 24, 400, 2, 0.3, 2.0)
    same = answers.compared(answers.inherited_NI)
    assert (same.tau, same.change, same.interval) == (answers.tau, 0.0, NoInterval("the resamples hardly differ"))
    better = answers.compared(answers.retrained_NSI.mean(axis=1))
    assert better.tau == pytest.approx(1.0)
    assert better.interval == NoInterval("the resamples hardly differ")
    assert answers.compared(np.zeros_like(answers.inherited_NI)).change is None


@pytest.mark.parametrize("column", ["inherited", "retrained"])
def test_equally_accurate_subnets_have_no_tau(column: str) -> None:
    answers = simulated(np.random.default_rng(1), 6, 50, 1, 0.3, 5.0)
    inherited, retrained = answers.inherited_NI, answers.retrained_NSI
    flat = RankedAnswers(np.ones_like(inherited), retrained, 0)
    if column == "retrained":
        flat = RankedAnswers(inherited, np.ones_like(retrained), 0)
    assert (flat.tau, flat.corrected, flat.ceiling) == (None,) * 3
    assert flat.interval == flat.corrected_interval == NoInterval("tau is undefined")


@pytest.mark.parametrize(("num", "correlation"), [(16, 0.0), (28, 0.7071), (45, 0.0)])
def test_the_expected_interval_is_as_wide_as_taus_scatter(num: int, correlation: float) -> None:
    generator = np.random.default_rng(num)
    taus = []
    for _ in range(800):
        a, noise = generator.normal(size=(2, num))
        taus.append(kendall_tau(a.tolist(), (correlation * a + (1 - correlation**2) ** 0.5 * noise).tolist()))
    low, high = np.quantile(np.array(taus, float), [0.025, 0.975])
    assert expected_half_width(num, 2 / pi * asin(correlation)) == pytest.approx((high - low) / 2, rel=0.12)


def test_the_number_needed_is_the_smallest_that_suffices() -> None:
    for tau in (0.0, 0.3, 0.5, 0.8):
        num = subnets_needed(0.2, tau)
        assert expected_half_width(num, tau) <= 0.2 < expected_half_width(num - 1, tau)
    assert subnets_needed(0.9, 0.9) == 10


def test_the_expected_interval_of_five_subnets_is_that_of_all_their_orders() -> None:
    """Of the 120 orders, 2.5 % have at least this tau, or at most its negative. 4 subnets may have any."""
    taus = [kendall_tau(range(5), order) for order in permutations(range(5))]
    assert expected_half_width(5, 0.0) == pytest.approx(np.quantile(np.array(taus, float), 0.975), abs=0.1)
    assert expected_half_width(4, 0.0) == 1.0
