"""McNemar's exact test against scipy's binomial test."""

import numpy as np
import pytest
from scipy.stats import binomtest

from autospikformer_cli.analysis.paired import mcnemar, mcnemar_of


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
