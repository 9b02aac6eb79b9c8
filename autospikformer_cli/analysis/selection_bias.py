"""The winner's curse: how far the accuracy of the best of many is flattered by having been chosen, and without it.

Shapes: C candidates, I images, O costs, F members of a front.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.analysis.correlation import binomial_interval

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Choose = Callable[[Floats], int | Sequence[int] | Integers]
"""From the accuracies (C,) of all candidates, in percent, to the number of the one that is chosen, or to several.

Several are always as many: each is the choice for one place, such as a place on a front.
"""

HALVINGS = 500
"""Ways to halve the images. Each gives two choices and two judgements."""
_MOST_COUNTS = 1 << 24
"""Numbers of correct answers in memory at once: 64 MiB."""
_ROWS_A_BLOCK = 1 << 11


@dataclass(frozen=True, slots=True)
class CorrectedAccuracy:
    """The accuracy of a chosen candidate, in percent.

    candidate: its number. top1: as measured on the images that it was chosen by. corrected: without the flattery.
    low, high: the interval of its true accuracy on images like these.
    """

    candidate: int
    top1: float
    corrected: float
    low: float
    high: float

    @property
    def flattery(self) -> float:
        """What choosing adds to the measured accuracy on average, in points; 0 or more."""
        return self.top1 - self.corrected

    @property
    def flattery_interval(self) -> tuple[float, float]:
        """Of what the measured accuracy exceeds the true one by, in points; so chance is in it, as in low and high."""
        return self.top1 - self.high, self.top1 - self.low

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "top1": self.top1,
            "top1_corrected": self.corrected,
            "top1_corrected_interval": [self.low, self.high],
            "flattery": self.flattery,
        }


@dataclass(frozen=True, slots=True)
class SelectionBias:
    """What was chosen, place by place, out of how many candidates and by how many images."""

    picks: tuple[CorrectedAccuracy, ...]
    candidates: int
    images: int

    @property
    def best(self) -> CorrectedAccuracy:
        """The first pick: the only one, if one was chosen."""
        return self.picks[0]


def most_accurate(accuracies_C: Floats) -> int:
    """The number of the most accurate candidate; of equal ones the first."""
    return int(accuracies_C.argmax())


def on_front(members: Sequence[int], costs_CO: Floats) -> Choose:
    """The choice of each member of a Pareto front of accuracy and costs: a place, and who takes it.

    A member is the most accurate of all that cost no more than it does, in every cost. On other images, this place may
    go to another candidate. So a front is as many choices as it has members, each among those that cost no more. The
    cheapest has no rival, and is not flattered. members: numbers of candidates. Of equal accuracies, the cheaper takes
    the place.
    """
    costs = np.asarray(costs_CO, np.float64).reshape(len(costs_CO), -1)
    order_C = np.lexsort(costs.T[::-1])
    affordable_FC = np.array([(costs[order_C] <= costs[member]).all(axis=1) for member in members])

    def choose(accuracies_C: Floats) -> Integers:
        picks_F: Integers = order_C[np.where(affordable_FC, accuracies_C[order_C], -1.0).argmax(axis=1)]
        return picks_F

    return choose


def selection_bias(
    correct_CI: Bools, choose: Choose = most_accurate, seed: int = 0, confidence: float = 0.95, splits: int = HALVINGS
) -> SelectionBias:
    """The accuracy of what was chosen, corrected for having been chosen by the same images.

    correct_CI: whether each candidate was right about each image. choose: the rule, as it was applied to the accuracies
    on all images. The images are halved by lot, many times. One half chooses, the other judges, and then the reverse:

        flattery = sqrt(1/2) (accuracy of the picks where they were picked - where they were judged)

    Half the images flatter more than all. Between candidates that chance alone separates, the factor is sqrt(2), as
    flattery goes with the standard error. Where few could have won, it is up to 2. So the estimate is right where the
    flattery is large, and up to half too large where it is small.
    low, high: Wilson's interval of the corrected accuracy; its upper end is that of a flattery with factor 1/2.

    `benchmarks/selection_bias.py` tries this and other estimators on 20 to 1,000 simulated candidates. Of 100
    intervals, 97 cover the truth on average, and 93 where candidates lie far apart; of uncorrected ones 78. The
    apparent optimism of the bootstrap finds 0.7 of the flattery between equals, as the resamples' spread adds to the
    candidates' own. What is left out of a resample finds 1.4 of it, as a resample knows as much as half the images.
    Efron's .632 rule weights these two to 1.15. Five or ten folds are as right on average, and have two to four times
    the deviation.

    The candidates are taken as given. A search that breeds from what these images favoured flatters all it finds, and
    this part stays: a third of the flattery, if chance alone guides 300 candidates on 359 images. The accuracy is that
    of the weights as they were measured, not after training them on.
    A function of the arguments alone: numbers of correct answers are exact, so no digit depends on the machine.
    Raises ValueError for answers that are not bools of (C, I), for fewer than 2 images, and for a rule that chooses not
    always as many, or none.
    """
    answers = np.asarray(correct_CI)
    if answers.ndim != 2 or answers.dtype != np.bool_ or not len(answers) or answers.shape[1] < 2:
        raise ValueError(
            "right answers are true or false by candidate and image, of 2 images or more, "
            f"not {answers.dtype} of {answers.shape}"
        )
    num, images = answers.shape
    correct_C = answers.sum(axis=1)
    chosen = _choice(choose, correct_C, images)
    if not len(chosen):
        raise ValueError("the rule chose no candidate")
    excess = _excess_of_halves(answers, correct_C, choose, len(chosen), np.random.default_rng(seed), splits)
    picks = []
    for candidate, of_halves in zip(chosen.tolist(), excess.tolist(), strict=True):
        right = int(correct_C[candidate])
        left, most = (max(0.0, right - factor * of_halves * images) for factor in (sqrt(0.5), 0.5))
        low, high = binomial_interval(left, images, confidence)[0], binomial_interval(most, images, confidence)[1]
        picks.append(CorrectedAccuracy(candidate, 100.0 * right / images, 100.0 * left / images, low, high))
    return SelectionBias(tuple(picks), num, images)


def _choice(choose: Choose, correct_C: Integers, images: int) -> Integers:
    return np.atleast_1d(np.asarray(choose(100.0 * correct_C / images), np.int64))


def _excess_of_halves(
    answers: Bools, correct_C: Integers, choose: Choose, places: int, generator: np.random.Generator, splits: int
) -> Floats:
    """By place, the accuracy of picks on the half that picked them minus that on the other half; at least 0.

    Both are shares of all images of all halves. So a place whose pick never changes has exactly 0.
    """
    num, images = answers.shape
    sizes = images // 2, images - images // 2
    seen, judged = np.zeros(places, np.int64), np.zeros(places, np.int64)
    many = max(1, _MOST_COUNTS // num)
    for begin in range(0, splits, many):
        first_SC = _counts_of_halves(answers, generator, min(many, splits - begin))
        for first_C in first_SC:
            halves = (first_C, correct_C - first_C)
            for own_C, other_C, size in zip(halves, halves[::-1], sizes, strict=True):
                picks = _choice(choose, own_C, size)
                if len(picks) != places:
                    raise ValueError(f"the rule chose {places} candidates, and {len(picks)} by half the images")
                seen += own_C[picks]
                judged += other_C[picks]
    excess: Floats = np.maximum(0.0, (seen - judged) / (splits * images))
    return excess


def _counts_of_halves(answers: Bools, generator: np.random.Generator, splits: int) -> Integers:
    """Numbers of correct answers (splits, C) on the smaller half of every split. Sums of 0 and 1 are exact."""
    num, images = answers.shape
    in_half = np.zeros((splits, images), np.float32)
    in_half[:, : images // 2] = 1.0
    generator.permuted(in_half, axis=1, out=in_half)
    counts_SC = np.empty((splits, num), np.int64)
    for begin in range(0, num, _ROWS_A_BLOCK):
        rows = slice(begin, begin + _ROWS_A_BLOCK)
        counts_SC[:, rows] = in_half @ answers[rows].T.astype(np.float32)
    return counts_SC
