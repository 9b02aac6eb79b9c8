"""Stratified samples and the bootstrap of tau-b, against definitions written out pair by pair."""

from __future__ import annotations

from itertools import combinations
from math import sqrt
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, kendalltau, rankdata

from autospikformer_cli.analysis.correlation import kendall_tau
from autospikformer_cli.analysis.ranking import PairCounts, bootstrap_tau, pair_counts, ranks, stratified_order

TWO_COLUMNS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=7)


def tau_by_pairs(a: list[int], b: list[int]) -> float | None:
    """Kendall's tau-b by its definition: (P - Q) / sqrt((P + Q + A)(P + Q + B)), A and B pairs tied in one alone."""
    concordant = discordant = only_a = only_b = 0
    for i, j in combinations(range(len(a)), 2):
        product = (a[i] - a[j]) * (b[i] - b[j])
        concordant += product > 0
        discordant += product < 0
        only_a += a[i] == a[j] and b[i] != b[j]
        only_b += b[i] == b[j] and a[i] != a[j]
    ordered = concordant + discordant
    squared = (ordered + only_a) * (ordered + only_b)
    return (concordant - discordant) / sqrt(squared) if squared else None


@settings(max_examples=60)
@given(TWO_COLUMNS, st.integers(0, 99))
def test_the_interval_is_that_of_rows_drawn_again(rows: list[tuple[int, int]], seed: int) -> None:
    a, b = [row[0] for row in rows], [row[1] for row in rows]
    assert kendall_tau(a, b) == pytest.approx(tau_by_pairs(a, b))
    interval = bootstrap_tau(a, b, seed, resamples=25, confidence=0.8)
    taus = []
    for times in np.random.default_rng(seed).multinomial(len(a), [1 / len(a)] * len(a), size=25):
        drawn = np.repeat(np.arange(len(a)), times)
        tau = tau_by_pairs([a[row] for row in drawn], [b[row] for row in drawn])
        taus += [] if tau is None else [tau]
    if not taus or tau_by_pairs(a, b) is None:
        assert interval is None
        return
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(taus, [0.1, 0.9])))
    assert (interval.resamples, interval.drawn) == (len(taus), 25)


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_is_that_of_scipy_with_ties(seed: int) -> None:
    """Other resamples, so within a tenth of its width."""
    generator = np.random.default_rng(seed)
    a = generator.integers(0, 6, 40)
    b = a + generator.integers(0, 8, 40)
    found = bootstrap_tau(a.tolist(), b.tolist(), seed, resamples=4000)
    drawn = bootstrap(
        (a, b), lambda a, b: kendalltau(a, b).statistic, paired=True, vectorized=False, n_resamples=2000,
        method="percentile", rng=seed,
    )  # fmt: skip
    low, high = drawn.confidence_interval
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_the_interval_holds_what_it_is_of_as_often_as_it_says() -> None:
    """Of 12 rows with a tau of 1/3 (correlation 1/2 of a normal pair), a 95 % percentile interval has it in about 9 of
    10 draws: the bootstrap is known to be narrow for so few."""
    generator, held = np.random.default_rng(5), 0
    for draw in range(200):
        a, noise = generator.normal(size=(2, 12))
        interval = bootstrap_tau(a.tolist(), (0.5 * a + sqrt(0.75) * noise).tolist(), draw, resamples=300)
        assert interval is not None
        held += interval.low <= 1 / 3 <= interval.high
    assert 0.86 <= held / 200 <= 0.98


@pytest.mark.parametrize("columns", [([], []), ([1], [2]), ([3, 3, 3], [1, 2, 3]), ([1, 2, 3], [5, 5, 5])])
def test_columns_without_an_order_have_no_interval(columns: tuple[list[int], list[int]]) -> None:
    assert bootstrap_tau(*columns, 0) is None


@given(TWO_COLUMNS)
def test_pairs_and_ranks(rows: list[tuple[int, int]]) -> None:
    a, b = [row[0] for row in rows], [row[1] for row in rows]
    signs = [np.sign((a[i] - a[j]) * (b[i] - b[j])) for i, j in combinations(range(len(a)), 2)]
    assert pair_counts(a, b) == PairCounts(signs.count(1), signs.count(-1), signs.count(0))
    assert ranks(a) == (len(a) + 1 - rankdata(a)).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_every_beginning_is_stratified(seed: int) -> None:
    """64 rows with distinct accuracies: of the first n, each of 2^k <= n equal strata has one, or two beyond 2^k."""
    accuracies = Random(seed).sample(range(1000), 64)
    order = stratified_order(accuracies, [f"n{row}" for row in range(64)], seed)
    assert sorted(order) == list(range(64))
    place = {row: rank for rank, row in enumerate(sorted(range(64), key=accuracies.__getitem__))}
    for num in range(1, 65):
        strata = 1 << num.bit_length() - 1
        counts = np.bincount([place[row] * strata // 64 for row in order[:num]], minlength=strata)
        assert set(counts) <= {1, 2}
        assert counts.sum() == num


@given(st.lists(st.integers(0, 3), max_size=20), st.integers(0, 9))
def test_the_sample_does_not_depend_on_the_order_of_the_archive(accuracies: list[int], seed: int) -> None:
    names = [f"n{row}" for row in range(len(accuracies))]
    order = [names[row] for row in stratified_order(accuracies, names, seed)]
    backwards = stratified_order(accuracies[::-1], names[::-1], seed)
    assert order == [names[::-1][row] for row in backwards]
    assert sorted(order) == sorted(names)


def test_another_seed_draws_another_sample() -> None:
    names = [f"n{row}" for row in range(40)]
    samples = {tuple(stratified_order(list(range(40)), names, seed)[:4]) for seed in range(10)}
    assert len(samples) > 5


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^2 accuracies of 1 names$"):
        stratified_order([1.0, 2.0], ["a"], 0)
    with pytest.raises(ValueError, match="no rank correlation"):
        bootstrap_tau([1, 2], [1], 0)
