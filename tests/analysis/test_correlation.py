"""Rank correlation and intervals, against scipy and by hand."""

from __future__ import annotations

from itertools import combinations
from math import sqrt

import pytest
from scipy.stats import binomtest

from autospikformer_cli.analysis.correlation import binomial_interval, kendall_tau


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
