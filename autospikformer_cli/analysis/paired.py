"""Paired comparisons: of two networks that answered the same images, and of two settings with the same seeds."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist, fmean, stdev

SIGNIFICANCE = 0.05
"""The largest probability under chance alone for which a difference counts as more than chance."""


def p_text(p: float, digits: str = ".2g") -> str:
    """A probability under chance alone, as it is shown next to SIGNIFICANCE: rounding never moves it to the other side.

    digits: how it is formatted, if that does not; else it has more of them.

    >>> p_text(0.0312), p_text(0.0498), p_text(0.0498, ".3f"), p_text(0.05, ".3f")
    ('0.031', '0.0498', '0.0498', '0.050')
    """
    number, kind = int(digits[1:-1]), digits[-1]
    while (float(text := f"{p:.{number}{kind}}") < SIGNIFICANCE) != (p < SIGNIFICANCE):
        number += 1
    return text


def mcnemar(only_first: int, only_second: int) -> float:
    """McNemar's exact test, two-sided: the probability under chance of a difference at least this large.

    p = min(1, 2 sum_{k <= min(b, c)} C(b + c, k) / 2^(b + c))           (McNemar, 1947; exact binomial form)

    only_first, only_second: b and c, images that only the first or only the second network got right.

    >>> mcnemar(1, 9)
    0.021484375
    """
    num, fewer = only_first + only_second, min(only_first, only_second)
    ways = total = 1
    for k in range(1, fewer + 1):
        ways = ways * (num - k + 1) // k
        total += ways
    return min(1.0, 2 * total / (1 << num))


def mcnemar_of(first: bytes, second: bytes) -> float:
    """The test for answers packed as bits, one an image, 1 if right: `measurement.Measurement.answers`.

    Raises ValueError if they are of different numbers of images.
    """
    return mcnemar_with_each(first, [second])[0]


def mcnemar_with_each(first: bytes, others: Sequence[bytes]) -> list[float]:
    """`mcnemar_of` of one network with each of others. Many of these share both numbers, which are tested once."""
    found: dict[tuple[int, int], float] = {}
    probabilities = []
    for other in others:
        numbers = discordant(first, other)
        if numbers not in found:
            found[numbers] = mcnemar(*numbers)
        probabilities.append(found[numbers])
    return probabilities


def discordant(first: bytes, second: bytes) -> tuple[int, int]:
    """How many images only the first network got right, and only the second. Answers and errors as `mcnemar_of`."""
    if len(first) != len(second):
        raise ValueError(f"answers of {len(first)} and {len(second)} bytes are not of the same images")
    a, b = int.from_bytes(first), int.from_bytes(second)
    return (a & ~b).bit_count(), (b & ~a).bit_count()


def difference_interval(
    only_first: int, only_second: int, images: int, confidence: float = 0.95
) -> tuple[float, float]:
    """The interval of the second network's accuracy minus the first's on the same images, in points of percent.

    p1 = (b + 1) / (n + 2), p2 = (c + 1) / (n + 2):  p2 - p1 ± z sqrt((p1 + p2 - (p2 - p1)^2) / (n + 2))

    with b and c as in `mcnemar`, and n images (Bonett and Price, 2012). It has a width even for b = c = 0.
    """
    first, second = (only_first + 1) / (images + 2), (only_second + 1) / (images + 2)
    difference = second - first
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * sqrt((first + second - difference**2) / (images + 2))
    return 100.0 * max(difference - half, -1.0), 100.0 * min(difference + half, 1.0)


def least_significant(images: int) -> int | None:
    """The smallest difference, in images, that McNemar's test can call more than chance; None if there is none.

    >>> least_significant(359), least_significant(5)
    (6, None)
    """
    return next((num for num in range(images + 1) if mcnemar(num, 0) < SIGNIFICANCE), None)


def holm(probabilities: Sequence[float]) -> list[float]:
    """Probabilities of several tests, adjusted so that chance alone makes any of them small no more often than one.

    Of m, the k-th smallest becomes max_{j <= k} min(1, (m - j + 1) p_(j))             (Holm, 1979)

    >>> holm([0.25, 0.0625, 0.5])
    [0.5, 0.1875, 0.5]
    """
    adjusted, largest = [1.0] * len(probabilities), 0.0
    for rank, place in enumerate(sorted(range(len(probabilities)), key=lambda each: probabilities[each])):
        largest = max(largest, min(1.0, (len(probabilities) - rank) * probabilities[place]))
        adjusted[place] = largest
    return adjusted


def wilcoxon(differences: Sequence[float]) -> float:
    """Wilcoxon's signed-rank test, exact and two-sided: the probability that signs by chance are at least as uneven.

    p = min(1, 2 P(W <= min(W+, W-)))                                   (Wilcoxon, 1945)

    with W the sum of the ranks of |d| that a fair coin makes positive. Equal |d| share their mean rank. Differences of
    0 are left out; 1 if there are no others.

    >>> wilcoxon([0.1, 0.2, 0.4])
    0.25
    """
    sizes = [abs(each) for each in differences if each]
    ranks = [2 * sum(other < size for other in sizes) + sum(other == size for other in sizes) + 1 for size in sizes]
    positive = sum(rank for rank, each in zip(ranks, filter(None, differences), strict=True) if each > 0)
    ways = [1] + [0] * sum(ranks)  # of reaching each sum of doubled ranks
    for rank in ranks:
        ways = [num + (ways[total - rank] if total >= rank else 0) for total, num in enumerate(ways)]
    fewer = min(positive, sum(ranks) - positive)
    return min(1.0, 2 * sum(ways[: fewer + 1]) / (1 << len(ranks)))


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """Student's interval of the mean of some values; None for fewer than two.

    m ± t s / sqrt(n)                                                    (Student, 1908)

    with m the mean, s the standard deviation with n - 1, and t the quantile of n - 1 degrees of freedom.

    >>> low, high = mean_interval([0.1, 0.2, 0.4])
    >>> round(low, 4), round(high, 4)
    (-0.1461, 0.6128)
    """
    num = len(values)
    if num < 2:
        return None
    from scipy.special import stdtrit

    half = float(stdtrit(num - 1, 0.5 + confidence / 2)) * stdev(values) / sqrt(num)
    return fmean(values) - half, fmean(values) + half


def least_probability(num_pairs: int) -> float:
    """The smallest two-sided probability that a signed-rank or sign test of so many pairs can give.

    >>> least_probability(3), least_probability(6) < SIGNIFICANCE < least_probability(5)
    (0.25, True)
    """
    return min(1.0, 2.0 / (1 << num_pairs))
