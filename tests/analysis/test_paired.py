"""Exact paired tests against scipy: McNemar's against the binomial test, Wilcoxon's against its own."""

import numpy as np
import pytest
from scipy.stats import binomtest, permutation_test, rankdata
from scipy.stats import wilcoxon as scipy_wilcoxon

from autospikformer_cli.analysis.paired import least_probability, mcnemar, mcnemar_of, mcnemar_with_each, wilcoxon


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


def test_one_network_with_each_is_each_alone() -> None:
    first, *others = (np.random.default_rng(number).bytes(3) for number in range(40))
    assert mcnemar_with_each(first, others * 2) == [mcnemar_of(first, other) for other in others] * 2
    assert mcnemar_with_each(first, []) == []
    with pytest.raises(ValueError, match="not of the same images"):
        mcnemar_with_each(first, [first, b"1"])
