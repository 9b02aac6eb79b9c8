"""Whether higher channels are more redundant: Kendall's tau against scipy, and its chances against every order."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import kendalltau

from autospikformer_cli.analysis.channel_order import channel_order, discordant_chances


def drawn(num: int, seed: int, slope: float = 0.0) -> list[float]:
    """Means without ties, with a trend."""
    generator = np.random.default_rng(seed)
    return list(0.01 * generator.normal(size=num) + slope * np.arange(num))


@pytest.mark.parametrize(("num", "slope"), [(4, 0.0), (9, 0.002), (33, 0.0004), (33, -0.0004), (120, 0.0), (170, 1e-4)])
def test_it_agrees_with_scipys_exact_test(num: int, slope: float) -> None:
    means = drawn(num, num, slope)
    found = channel_order(means)
    for p, alternative in ((found.p_higher, "greater"), (found.p_lower, "less")):
        expected = kendalltau(range(num), means, method="exact", alternative=alternative)
        assert found.tau == pytest.approx(expected.statistic, abs=1e-12)
        assert p == pytest.approx(expected.pvalue, rel=1e-9)


@pytest.mark.parametrize("values", [(1, 1, 2), (0, 2, 2, 1), (3, 1, 1, 1, 2), (0, 0, 1, 1, 2, 2), (5, 5, 5, 5, 1, 5)])
def test_with_ties_it_is_the_share_of_all_orders(values: tuple[int, ...]) -> None:
    means = [value / 7 for value in values]
    found = channel_order(means)
    places = range(len(means))
    taus = np.array([kendalltau(places, order).statistic for order in permutations(means)])
    own = kendalltau(places, means).statistic
    assert found.tau == pytest.approx(own, abs=1e-12)
    assert found.p_higher == pytest.approx(np.mean(taus >= own - 1e-12), abs=1e-12)
    assert found.p_lower == pytest.approx(np.mean(taus <= own + 1e-12), abs=1e-12)


def test_many_ties_agree_with_scipys_normal_approximation() -> None:
    means = np.random.default_rng(4).integers(0, 6, 384) / 8 + np.arange(384) / 2000 // 0.02 * 0.001
    found, expected = channel_order(list(means)), kendalltau(range(384), means, alternative="greater")
    assert found.tau == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p_higher == pytest.approx(expected.pvalue, abs=2e-3)


def test_chances_are_those_of_all_orders() -> None:
    for tied in ((1,), (1, 1, 1, 1, 1), (3, 2), (1, 4, 2), (7,)):
        chances = discordant_chances(tied)
        assert chances.sum() == pytest.approx(1.0, abs=1e-12)
        np.testing.assert_allclose(chances, chances[::-1], atol=1e-12)
    assert discordant_chances((3, 2)).tolist() == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.2, 0.1, 0.1])


@pytest.mark.parametrize(
    ("means", "verdict", "said"),
    [
        (np.arange(20) / 20, "confirmed", "is confirmed in this network"),
        (np.arange(384) / 384, "confirmed", "is confirmed in this network"),
        (-np.arange(20) / 20, "not confirmed", "the lower channels are the redundant ones"),
        ([0.5, 0.1, 0.4, 0.2, 0.3, 0.45], "not confirmed", "this order may be chance"),
        ([0.1, 0.2, 0.3], "cannot be told", "even a perfect order of 3 such channels may be chance"),
        ([0.1, 0.2], "cannot be told", "even a perfect order of 2 such channels"),
        ([0.5] * 30, "cannot be told", "all channels are equally redundant"),
        ([0.4 + 1e-15 * place for place in range(30)], "cannot be told", "all channels are equally redundant"),
        ([0.5] * 18 + [0.7], "cannot be told", "even a perfect order of 19 such channels"),
    ],
)
def test_the_verdict(means: list[float], verdict: str, said: str) -> None:
    found = channel_order(means)
    assert (found.verdict, said in found.meaning) == (verdict, True), found.meaning
    numbers = [each for each in (found.tau, found.p_higher, found.p_lower, found.lower_half) if each is not None]
    assert np.isfinite(numbers).all()
    assert all(0 <= each <= 1 for each in (found.p_higher, found.p_lower) if each is not None)


def test_the_halves_leave_the_middle_out() -> None:
    found = channel_order([0.1, 0.3, 0.9, 0.5, 0.7])
    assert (found.lower_half, found.upper_half) == pytest.approx((0.2, 0.6))
    with pytest.raises(ValueError, match=r"^a single channel has no order$"):
        channel_order([0.5])
