"""The paired comparison of two networks that answered the same images."""

from __future__ import annotations

SIGNIFICANCE = 0.05
"""The largest probability under chance alone for which a difference counts as more than chance."""


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
    if len(first) != len(second):
        raise ValueError(f"answers of {len(first)} and {len(second)} bytes are not of the same images")
    a, b = int.from_bytes(first), int.from_bytes(second)
    return mcnemar((a & ~b).bit_count(), (b & ~a).bit_count())
