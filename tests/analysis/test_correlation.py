"""Rank correlation and intervals, against scipy and by hand."""

from __future__ import annotations

from itertools import combinations
from math import sqrt

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap, kendalltau

from autospikformer_cli.analysis.correlation import binomial_interval, kendall_tau, tau_interval


def test_tau_counts_pairs_and_corrects_ties() -> None:
    a, b = [1.0, 2.0, 2.0, 4.0, 5.0], [3.0, 1.0, 4.0, 4.0, 9.0]
    score = sum(((a[i] > a[j]) - (a[i] < a[j])) * ((b[i] > b[j]) - (b[i] < b[j])) for i, j in combinations(range(5), 2))
    assert kendall_tau(a, b) == pytest.approx(score / sqrt((10 - 1) * (10 - 1)))
    assert kendall_tau([1, 2, 3], [9, 5, 1]) == -1.0


@pytest.mark.parametrize("columns", [([], []), ([1.0], [2.0]), ([1.0, 1.0], [1.0, 2.0]), ([1.0, 2.0], [3.0, 3.0])])
def test_tau_is_none_where_there_is_no_order(columns: tuple[list[float], list[float]]) -> None:
    assert kendall_tau(*columns) is None


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^columns of 1 and 2 rows have no rank correlation$"):
        kendall_tau([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("correct", "images"), [(0, 7), (7, 7), (1, 1), (201, 250), (4800, 10_000), (1, 10_000)])
def test_the_interval_is_wilsons(correct: int, images: int) -> None:
    expected = binomtest(correct, images).proportion_ci(0.95, method="wilson")
    assert binomial_interval(correct, images) == pytest.approx((100 * expected.low, 100 * expected.high), abs=1e-9)


@pytest.mark.parametrize(("correct", "images"), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_counts_are_refused(correct: int, images: int) -> None:
    with pytest.raises(ValueError, match=f"^{correct} of {images} images is no accuracy$"):
        binomial_interval(correct, images)


def tied_columns(num: int, values: int, seed: int) -> tuple[list[float], list[float]]:
    """Two correlated columns; the first has at most `values` different values."""
    generator = np.random.default_rng(seed)
    common = generator.standard_normal(num)
    first = np.round((common + generator.standard_normal(num)) * values / 6)
    return first.tolist(), (common + generator.standard_normal(num)).round(2).tolist()


@pytest.mark.parametrize("num", [2, 3, 8, 17, 320])
@pytest.mark.parametrize("values", [2, 6, 50])
def test_tau_is_that_of_scipy_with_ties(num: int, values: int) -> None:
    for seed in range(5):
        columns = tied_columns(num, values, seed)
        expected = kendalltau(*columns).statistic
        found = kendall_tau(*columns)
        assert np.isnan(expected) if found is None else found == pytest.approx(expected, abs=1e-12)


def test_the_interval_of_tau_is_that_of_a_bootstrap() -> None:
    columns = tied_columns(150, 8, 1)
    drawn = bootstrap(
        columns, lambda a, b: kendalltau(a, b).statistic, paired=True, vectorized=False, n_resamples=1500,
        method="percentile", rng=0,
    )  # fmt: skip
    low, high = drawn.confidence_interval
    assert tau_interval(*columns) == pytest.approx((low, high), abs=0.08 * (high - low))


def test_the_interval_of_tau_holds_it_as_often_as_it_says() -> None:
    """The true tau of 2 normal columns with correlation 0.5 is 1/3 (2/pi asin 0.5). 300 samples of 60 rows."""
    generator, held = np.random.default_rng(0), 0
    for _ in range(300):
        x, noise = generator.standard_normal((2, 60))
        interval = tau_interval(x.tolist(), (0.5 * x + sqrt(0.75) * noise).tolist())
        assert interval is not None
        held += interval[0] <= 1 / 3 <= interval[1]
    assert 0.92 <= held / 300 <= 0.98


def test_too_few_rows_and_a_perfect_order_have_no_interval() -> None:
    assert tau_interval(*tied_columns(9, 6, 0)) is None
    assert tau_interval([*range(20)], [*range(20)]) is None
    assert tau_interval([1.0] * 20, [*range(20)]) is None
