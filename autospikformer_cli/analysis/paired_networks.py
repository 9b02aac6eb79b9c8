"""The accuracies of two networks, each trained with one or several seeds, on the same images.

Shapes: S seeds, I images. Accuracies, variances and standard deviations are in shares, 0 to 1, unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.analysis.paired import difference_interval, mcnemar

Bools = NDArray[np.bool_]
Superiority = Literal["higher", "not_worse", "lower", "undecided"]


@dataclass(frozen=True, slots=True)
class NetworkDifference:
    """The mean accuracy of network a minus that of network b, in points of percent.

    low, high: its interval. p_value: two-sided, of a difference at least this large by chance. Of several differences
    in one table, adjust them by `paired.holm`. method: in words, what was computed, and over what chance. images,
    seeds_a, seeds_b: numbers of images and of trained networks. degrees: of freedom of Student's t; None for one seed
    each. seed_error, image_error: the parts of the standard error that more seeds, and more images, would reduce;
    in points. seed_error is None for one seed each: it is not known then.
    """

    points: float
    low: float
    high: float
    p_value: float
    method: str
    images: int
    seeds_a: int
    seeds_b: int
    degrees: float | None
    seed_error: float | None
    image_error: float

    def standing(self, margin: float) -> Superiority:
        """How a stands against b, if a loss of less than `margin` points is of no account.

        higher: the interval lies above 0. not_worse: its lower end is above -margin; "at the accuracy of b" is this or
        higher. lower: it lies below 0, and reaches to -margin or below. undecided: none of these. This is the test of
        non-inferiority at half of 1 - confidence, one-sided. Raises ValueError unless margin > 0.

        >>> compare_networks(np.ones((1, 90), bool), np.ones((1, 90), bool)).standing(margin=5.0)
        'not_worse'
        """
        if not margin > 0:
            raise ValueError(f"a margin of {margin} points is none")
        if self.low > 0:
            return "higher"
        if self.low > -margin:
            return "not_worse"
        return "lower" if self.high < 0 else "undecided"

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "top1_difference": self.points,
            "top1_difference_interval": [self.low, self.high],
            "p": self.p_value,
            "method": self.method,
            "images": self.images,
            "seeds": [self.seeds_a, self.seeds_b],
            "degrees_of_freedom": self.degrees,
            "seed_error": self.seed_error,
            "image_error": self.image_error,
        }


def compare_networks(correct_a_SI: Bools, correct_b_SI: Bools, confidence: float = 0.95) -> NetworkDifference:
    """Whether two networks differ by more than chance, over images and over seeds of training.

    correct_a_SI, correct_b_SI: whether the network of each seed was right about each image. Both have the same images
    in the same order. The numbers of seeds may differ, and the seeds of a and b are independent of each other.

    One seed each: McNemar's exact test, and the interval of Bonett and Price (`paired`). Both hold for these weights
    on other images like these. They say nothing about training the two anew.

    Several seeds: the answers vary by image, by seed, and by both (a crossed, two-way layout). d_i is the difference
    of the two shares of right seeds for image i. Two images are added, one of +1 and one of -1 (Bonett and Price,
    2012). s_k^2 is the variance of a network's accuracy over its S_k seeds. r_k^2 is the residual mean square of its
    S_k x I answers, without seed and image effects. Then:

        V = var(d) / (I + 2) + max(0, sum_k s_k^2 / S_k - sum_k r_k^2 / (S_k I))
        df = V^2 / (sum_k (s_k^2 / S_k)^2 / (S_k - 1) + (var(d) / (I + 2))^2 / I)        (Satterthwaite, 1946)

    The chance of a single answer is in both other parts, so it is taken off once. The interval is sum(d) / (I + 2) ±
    t_df sqrt(V), and p is of the same t. So its middle is nearer 0 than mean(d), by I / (I + 2). They hold for other
    images and for other seeds. If one network has one seed, s^2 and r^2 are those of the other: its accuracy is taken
    to vary as much.

    With two seeds, t is so wide that the interval may reach differences that no two accuracies have. So it is cut to
    those of the two accuracies in their own intervals. These have the same parts of one network, and (1 + confidence)
    / 2 each, on the scale of logits, which ends at 0 and 1. Where p does not exclude 0, the cut leaves 0 inside. In
    simulations, fewer than 1 of 1,000 intervals lose the truth by it.

    `benchmarks/paired_networks.py` simulates how often p < 0.05 without a difference, which should be 5 %: 1 to 5 % for
    3 or 5 seeds each, up to 7 % for 2 each, and up to 10 % for 2 and 5 of unlike deviations. For 1 and 3 it is 20 % if
    the one varies 2.7 times as much as the three. On 360 images, the test is cautious (1 to 4 %). A test over images
    alone finds up to 70 %, and so does McNemar's if it is read as a test of the recipes. No bootstrap is used: no
    exact one exists for two-way layouts (McCullagh, 2000), and one of images and seeds (Owen, 2007) finds up to 32 %
    for 2 seeds, whose spread it underestimates. Raises ValueError for answers of another shape, or of none.
    """
    a, b = _checked(correct_a_SI), _checked(correct_b_SI)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"answers to {a.shape[1]} and {b.shape[1]} images are not of the same images")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence} is not between 0 and 1")
    return _of_weights(a[0], b[0], confidence) if len(a) == len(b) == 1 else _of_trainings(a, b, confidence)


def _checked(correct_SI: Bools) -> Bools:
    answers = np.asarray(correct_SI)
    if answers.ndim != 2 or answers.dtype != np.bool_ or not answers.size:
        raise ValueError(f"right answers are true or false by seed and image, not {answers.dtype} of {answers.shape}")
    return answers


def _of_weights(a_I: Bools, b_I: Bools, confidence: float) -> NetworkDifference:
    only_a, only_b, images = int((a_I & ~b_I).sum()), int((b_I & ~a_I).sum()), len(a_I)
    points = 100.0 * (only_a - only_b) / images
    interval = difference_interval(only_b, only_a, images, confidence)
    method = f"these weights only: McNemar's exact test and Bonett and Price's interval over {images:,} images"
    error = 100.0 * sqrt(_image_variance(a_I.astype(np.float64) - b_I))
    return NetworkDifference(points, *interval, mcnemar(only_a, only_b), method, images, 1, 1, None, None, error)


class _SeedVariance(NamedTuple):
    """Of one network. accuracy: of its accuracy over seeds. residual: of that, what only images' chance explains."""

    accuracy: float
    residual: float
    degrees: int


def _of_trainings(a_SI: Bools, b_SI: Bools, confidence: float) -> NetworkDifference:
    from scipy.special import stdtr, stdtrit

    images, seeds = a_SI.shape[1], (len(a_SI), len(b_SI))
    difference_I = a_SI.mean(axis=0) - b_SI.mean(axis=0)
    centre, by_image = float(difference_I.sum()) / (images + 2), _image_variance(difference_I)
    by_seed, residual, doubt = 0.0, 0.0, by_image**2 / images
    if min(seeds) > 1:
        for own, num in zip(map(_seed_variance, (a_SI, b_SI)), seeds, strict=True):
            by_seed, residual = by_seed + own.accuracy / num, residual + own.residual / num
            doubt += (own.accuracy / num) ** 2 / own.degrees
    else:
        several, share = _seed_variance(max(a_SI, b_SI, key=len)), sum(1 / num for num in seeds)
        by_seed, residual = several.accuracy * share, several.residual * share
        doubt += by_seed**2 / several.degrees
    of_seeds = max(0.0, by_seed - residual)
    variance = by_image + of_seeds
    degrees = variance**2 / doubt
    half = float(stdtrit(degrees, 0.5 + confidence / 2)) * sqrt(variance)
    low, high = _cut(centre - half, centre + half, _own_interval(a_SI, b_SI, confidence),
                     _own_interval(b_SI, a_SI, confidence))  # fmt: skip
    p_value = min(1.0, 2 * float(stdtr(degrees, -abs(centre) / sqrt(variance))))
    return NetworkDifference(
        100.0 * float(difference_I.mean()),
        100.0 * low,
        100.0 * high,
        p_value,
        _words(images, seeds, degrees),
        images,
        *seeds,
        degrees,
        100.0 * sqrt(of_seeds),
        100.0 * sqrt(by_image),
    )


def _own_interval(correct_SI: Bools, other_SI: Bools, confidence: float) -> tuple[float, float]:
    """Of one network's accuracy over images and seeds. Its error is (1 - confidence) / 2, on the scale of logits.

    other_SI: of the network that it is compared with; its spread over seeds stands in for that of a single seed.
    """
    from scipy.special import expit, logit, stdtrit

    num, images = correct_SI.shape
    with_two_I = np.append(correct_SI.mean(axis=0), (1.0, 0.0))
    centre, by_image = float(with_two_I.mean()), float(with_two_I.var()) / len(with_two_I)
    spread = _seed_variance(correct_SI if num > 1 else other_SI)
    by_seed = spread.accuracy / num
    variance = by_image + max(0.0, by_seed - spread.residual / num)
    degrees = variance**2 / (by_seed**2 / spread.degrees + by_image**2 / images)
    half = float(stdtrit(degrees, 0.75 + confidence / 4)) * sqrt(variance) / (centre * (1 - centre))
    low, high = expit(logit(centre) - half), expit(logit(centre) + half)
    return float(low), float(high)


def _cut(low: float, high: float, a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    """The differences between low and high that two accuracies in intervals a and b can have. 0 stays inside."""
    least, most = max(low, a[0] - b[1]), min(high, a[1] - b[0])
    return (min(least, 0.0) if low <= 0 else least), (max(most, 0.0) if high >= 0 else most)


def _image_variance(difference_I: NDArray[np.float64]) -> float:
    """Of the mean of differences by image, with an image of each of 1 and -1 added: never 0."""
    return float(np.append(difference_I, (1.0, -1.0)).var()) / (len(difference_I) + 2)


def _seed_variance(correct_SI: Bools) -> _SeedVariance:
    num, images = correct_SI.shape
    accuracies_S, shares_I = correct_SI.mean(axis=1), correct_SI.mean(axis=0)
    if images == 1:
        return _SeedVariance(float(accuracies_S.var(ddof=1)), 0.0, num - 1)
    left_SI = correct_SI - accuracies_S[:, None] - shares_I + correct_SI.mean()
    residual = float((left_SI**2).sum()) / ((num - 1) * (images - 1)) / images
    return _SeedVariance(float(accuracies_S.var(ddof=1)), residual, num - 1)


def _words(images: int, seeds: tuple[int, int], degrees: float) -> str:
    trained = f"{seeds[0]} trainings each" if seeds[0] == seeds[1] else f"{seeds[0]} and {seeds[1]} trainings"
    words = f"over {images:,} images and {trained}: two-way, Student's t of {min(degrees, 1e6):,.1f} degrees of freedom"
    return words if min(seeds) > 1 else f"{words}; one training is taken to vary as the {max(seeds)} of the other"
