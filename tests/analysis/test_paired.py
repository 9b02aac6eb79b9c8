"""Paired tests and intervals: against scipy, statsmodels, and their definitions."""

import numpy as np
import pytest
from scipy.stats import binomtest, multinomial, permutation_test, rankdata
from scipy.stats import wilcoxon as scipy_wilcoxon
from statsmodels.stats.multitest import multipletests

from autospikformer_cli.analysis.paired import (
    SIGNIFICANCE,
    difference_interval,
    holm,
    least_probability,
    mcnemar,
    mcnemar_of,
    mcnemar_with_each,
    p_text,
    wilcoxon,
)


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 9), (9, 1), (7, 7), (40, 75), (1200, 1300)])
def test_the_probability_is_that_of_a_fair_coin(only_first: int, only_second: int) -> None:
    num = only_first + only_second
    expected = binomtest(only_first, num, 0.5).pvalue if num else 1.0
    assert mcnemar(only_first, only_second) == pytest.approx(expected, rel=1e-12)


def test_packed_answers_count_as_their_bits() -> None:
    first, second = np.random.default_rng(0).integers(0, 2, (2, 101)).astype(bool)
    expected = mcnemar(int((first & ~second).sum()), int((second & ~first).sum()))
    assert mcnemar_of(np.packbits(first).tobytes(), np.packbits(second).tobytes()) == expected


def test_answers_to_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="not of the same images"):
        mcnemar_of(b"\x00", b"\x00\x00")


@pytest.mark.parametrize("num", [1, 2, 3, 5, 6, 12, 30])
def test_the_signed_rank_test_is_scipys(num: int) -> None:
    for seed in range(4):
        differences = np.random.default_rng(seed).normal(0.4, 1.0, num)
        expected = scipy_wilcoxon(differences, method="exact").pvalue
        assert wilcoxon(differences.tolist()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_ties_share_their_rank_and_zeros_are_left_out(seed: int) -> None:
    """Against every assignment of signs to the ranks that scipy gives."""
    differences = np.random.default_rng(seed).integers(-2, 4, 9).astype(float)
    nonzero = differences[differences != 0]
    signed = np.sign(nonzero) * rankdata(np.abs(nonzero))
    drawn = permutation_test((signed,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert wilcoxon(differences.tolist()) == pytest.approx(drawn.pvalue, rel=1e-12)


def test_nothing_but_zeros_shows_nothing() -> None:
    assert wilcoxon([]) == wilcoxon([0.0, 0.0]) == 1.0


@pytest.mark.parametrize("num", range(1, 8))
def test_so_few_pairs_have_no_smaller_probability(num: int) -> None:
    assert least_probability(num) == wilcoxon([*range(1, num + 1)]) == pytest.approx(min(1.0, 2 * 0.5**num))


@pytest.mark.parametrize("num", [1, 2, 5, 12])
def test_holms_adjustment_is_that_of_statsmodels(num: int) -> None:
    probabilities = np.random.default_rng(num).uniform(0, 0.3, num).round(2)  # some are equal
    assert holm(probabilities.tolist()) == pytest.approx(multipletests(probabilities, method="holm")[1], rel=1e-12)


@pytest.mark.parametrize(
    ("only_first", "only_second", "images"), [(0, 0, 5), (1, 9, 40), (9, 1, 40), (30, 20, 359), (0, 7, 7)]
)
def test_the_interval_of_a_difference_is_walds_of_added_counts(only_first: int, only_second: int, images: int) -> None:
    """Bonett and Price: Wald's interval of the mean of -1, 0 and 1, after an image of each of -1 and 1 is added."""
    low, high = difference_interval(only_first, only_second, images)
    scores = np.repeat([-1.0, 1.0, 0.0], [only_first + 1, only_second + 1, images - only_first - only_second])
    half = 1.959963984540054 * scores.std() / np.sqrt(len(scores))
    assert low == pytest.approx(100 * max(scores.mean() - half, -1), rel=1e-12)
    assert high == pytest.approx(100 * min(scores.mean() + half, 1), rel=1e-12)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Exactly, over all outcomes of 40 images, for several chances of an image that only one network gets right."""
    num = 40
    for first, second in [(0.02, 0.02), (0.05, 0.15), (0.1, 0.1), (0.3, 0.1)]:
        covered = 0.0
        for b in range(num + 1):
            for c in range(num + 1 - b):
                low, high = difference_interval(b, c, num)
                if low <= 100 * (second - first) <= high:
                    covered += multinomial.pmf([b, c, num - b - c], num, [first, second, 1 - first - second])
        assert 0.94 < covered <= 1.0


def test_one_network_with_each_is_each_alone() -> None:
    first, *others = (np.random.default_rng(number).bytes(3) for number in range(40))
    assert mcnemar_with_each(first, others * 2) == [mcnemar_of(first, other) for other in others] * 2
    assert mcnemar_with_each(first, []) == []
    with pytest.raises(ValueError, match="not of the same images"):
        mcnemar_with_each(first, [first, b"1"])


@pytest.mark.parametrize("digits", [".2g", ".3f"])
def test_a_rounded_probability_never_crosses_the_significance(digits: str) -> None:
    near = [0.05, 0.0498, 0.049999, 0.0501, 0.04, 0.5, 1e-9, np.nextafter(0.05, 0), np.nextafter(0.05, 1)]
    for p in (*near, *np.random.default_rng(0).uniform(0.0489, 0.0511, 500)):
        shown = p_text(float(p), digits)
        assert (float(shown) < SIGNIFICANCE) == (p < SIGNIFICANCE)
        assert abs(float(shown) - p) <= 0.005
    assert p_text(0.0312, digits) == "0.031"
