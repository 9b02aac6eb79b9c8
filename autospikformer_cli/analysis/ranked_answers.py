"""Inherited and retrained answers of the same subnets to the same images: how alike they rank, and how certain that is.

Dimension legend: N subnets, S seeds of retraining, I images, R resamples, D draws of the images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import atanh, floor, isfinite, sqrt, tanh

import numpy as np

from autospikformer_cli.analysis.correlation import LEAST_ROWS_OF_AN_INTERVAL, kendall_tau
from autospikformer_cli.analysis.ranking_noise import (
    CONFIDENCE,
    Ceiling,
    Floats,
    Integers,
    NoiseByRow,
    Variances,
    corrected_taus,
    noise_ceiling,
    resampled_subnets,
    taus_of,
)

IMAGE_DRAWS = 400
"""Draws of the images: enough for a variance within 7 %."""
LEAST_KNOWN = 0.9
"""Share of resamples that have a value, below which there is no interval: the others would make it too narrow."""
LEAST_DISTINCT = 40
"""Different values of resamples. An end of a 95 % interval is a value that one in 40 exceeds."""
_MOST_Z = atanh(1.0 - 1e-9)
"""atanh(tau) has no value for 1, and no interval round it can be widened there."""
_IMAGE_BATCH = 1 << 21
"""Numbers of a batch of draws in memory at once: 16 MiB."""


@dataclass(frozen=True)
class TauInterval:
    """The interval of a tau-b, or of a difference. drawn: number of resamples. resamples: those that had a value."""

    low: float
    high: float
    resamples: int
    drawn: int


@dataclass(frozen=True)
class NoInterval:
    """An interval that would mean nothing. why: in words, after "no interval: "."""

    why: str


@dataclass(frozen=True)
class TauChange:
    """tau-b of another way of measuring, and what it has more than plain inherited weights.

    corrected: without noise; None, too, if it has no interval.
    """

    tau: float | None
    corrected: float | None
    change: float | None
    interval: TauInterval | NoInterval


@dataclass(frozen=True, eq=False)
class RankedAnswers:
    """Answers of N subnets to I images: 1 for right, 0 for wrong. A mean of several networks may lie in between.

    inherited_NI: with the supernet's weights. retrained_NSI: after training alone, with S seeds. seed: of resampling.
    """

    inherited_NI: Floats
    retrained_NSI: Floats
    seed: int

    @cached_property
    def _sums_a(self) -> Floats:
        return np.asarray(self.inherited_NI.sum(axis=1))

    @cached_property
    def _sums_b(self) -> Floats:
        return np.asarray(self.retrained_NSI.sum(axis=(1, 2)))

    @property
    def _accuracies(self) -> tuple[Floats, Floats]:
        _, seeds, images = self.retrained_NSI.shape
        return self._sums_a / images, self._sums_b / (seeds * images)

    @cached_property
    def tau(self) -> float | None:
        """Kendall's tau-b of the accuracies; None if all subnets of a column are equally accurate."""
        return kendall_tau(self._sums_a.tolist(), self._sums_b.tolist())

    @cached_property
    def _noise(self) -> NoiseByRow:
        return NoiseByRow.of(self.inherited_NI, self.retrained_NSI)

    @cached_property
    def variances(self) -> Variances:
        """Of the accuracies among the subnets, and their parts that are noise."""
        return self._noise.variances(*self._accuracies, np.ones((1, len(self._sums_a)), np.int64))

    @cached_property
    def ceiling(self) -> Ceiling | None:
        """What tau-b the noise would leave of a perfect ranking."""
        _, seeds, images = self.retrained_NSI.shape
        return noise_ceiling(*self._accuracies, self.variances, (images, seeds * images), self.seed)

    @cached_property
    def corrected(self) -> float | None:
        """tau-b without the noise of images and seeds; None if it cannot be told (`corrected_taus`).

        One seed says nothing of the noise of seeds. Then it is tau-b with what this seed's retraining gives.
        """
        if self.tau is None:
            return None
        found = float(corrected_taus(np.array([self.tau]), self.variances, len(self._sums_a))[0])
        return found if isfinite(found) else None

    @cached_property
    def _times_RN(self) -> Integers:
        return resampled_subnets(len(self._sums_a), self.seed)

    @cached_property
    def _resampled(self) -> Floats:
        """tau-b of each resample of the subnets: (R,); nan without an order."""
        return self._taus(np.tile(self._sums_a, (len(self._times_RN), 1)))

    def _taus(self, sums_RN: Floats) -> Floats:
        return taus_of(sums_RN, np.tile(self._sums_b, (len(sums_RN), 1)), self._times_RN)

    @cached_property
    def interval(self) -> TauInterval | NoInterval:
        """The interval of tau: percentiles over resamples of the subnets, widened by what images decide for many alike.

        A subnet brings the noise of its accuracies along. So resamples of the subnets alone have the noise of images,
        as far as it is each subnet's own. To draw images anew in each resample would count that twice: in simulations
        such intervals hold tau in 100 of 100 cases. What images do to similar subnets together, the resamples do not
        have. It is the variance of tau over draws of the images, less that over draws for each subnet apart. Their
        standard deviation is widened to the root of the sum, in atanh(tau).
        """
        return self._interval(self.tau, self._resampled, _to_z, tanh, self._widening(_to_z))

    @cached_property
    def corrected_interval(self) -> TauInterval | NoInterval:
        """The interval of `corrected`: every resample is corrected by its own variances, and widened as `interval`.

        None if it is of no value, or if a tenth of the resamples, or more, are hardly more than noise.
        """
        if isinstance(self.interval, NoInterval):
            return self.interval
        variances = self._noise.variances(*self._accuracies, self._times_RN)
        taus = corrected_taus(self._resampled, variances, len(self._sums_a), at_most_perfect=True)
        return self._interval(self.corrected, taus, _to_z, tanh, self._widening(_to_z))

    def compared(self, inherited_NI: Floats) -> TauChange:
        """Another way of measuring the same subnets without retraining them, on the same images.

        Both ways see the same resamples of the subnets, so the interval is of paired differences. It is widened in
        atanh(change / 2), and cut off where one of both taus would leave its own interval.
        """
        other = RankedAnswers(inherited_NI, self.retrained_NSI, self.seed)
        corrected = None if isinstance(other.corrected_interval, NoInterval) else other.corrected
        if self.tau is None or other.tau is None:
            return TauChange(other.tau, corrected, None, UNDEFINED)
        change = other.tau - self.tau
        interval = self._change_interval(change, other)
        return TauChange(other.tau, corrected, change, interval)

    def _change_interval(self, change: float, other: RankedAnswers) -> TauInterval | NoInterval:
        mine, others = self.interval, other.interval
        if isinstance(mine, NoInterval):
            return mine
        if isinstance(others, NoInterval):
            return others
        differences, widening = other._resampled - self._resampled, self._widening(_half_to_z, other)
        found = self._interval(change, differences, _half_to_z, lambda z: 2.0 * tanh(z), widening)
        if isinstance(found, NoInterval):
            return found
        low, high = others.low - mine.high, others.high - mine.low
        return replace(found, low=min(max(found.low, low), change), high=max(min(found.high, high), change))

    def _interval(
        self, value: float | None, resampled: Floats, scale: Scale, back: Callable[[float], float], widening: float
    ) -> TauInterval | NoInterval:
        found = resampled[np.isfinite(resampled)]
        nothing = self._why_none(value, resampled, found)
        if nothing is not None:
            return nothing
        ends = np.quantile(found, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        low, high = (float(end) for end in ends)
        centre = float(scale(np.array([value], np.float64))[0])
        if widening > 1.0 and abs(centre) < _MOST_Z:
            wide = [back(centre + widening * (float(each) - centre)) for each in scale(ends)]
            low, high = min(low, wide[0]), max(high, wide[1])
        return TauInterval(low, high, len(found), len(resampled))

    def _why_none(self, value: float | None, resampled: Floats, found: Floats) -> NoInterval | None:
        """Why there is no interval of a value; None if there is one. found: resampled values that are defined."""
        num, known = len(self._sums_a), len(found) / len(resampled)
        if value is None:
            return UNDEFINED
        if num < LEAST_ROWS_OF_AN_INTERVAL:
            return NoInterval(f"{num} subnets are too few, {LEAST_ROWS_OF_AN_INTERVAL} are needed")
        if known < LEAST_KNOWN:
            return NoInterval(f"only {floor(100 * known)} % of the resamples have an order that is more than noise")
        if len(np.unique(np.round(found, 9))) < LEAST_DISTINCT:
            return NoInterval("the resamples hardly differ")
        return None

    def _widening(self, scale: Scale, other: RankedAnswers | None = None) -> float:
        """How many times wider an interval is with the variance of images that similar subnets share; 1 for none.

        other: a second way, for the interval of the difference.
        """
        ways = [self] if other is None else [self, other]
        together, apart = self._image_draws([each.inherited_NI for each in ways])
        of_images, of_each, of_rows = (
            _variance(taus, scale) for taus in (together, apart, [each._resampled for each in ways])
        )
        return sqrt(1.0 + max(0.0, of_images - of_each) / of_rows) if of_rows > 0 else 1.0

    def _image_draws(self, ways: list[Floats]) -> tuple[list[Floats], list[Floats]]:
        """tau-b of each way over draws of the images: for all subnets together, and for each subnet apart."""
        num, images = self.inherited_NI.shape
        answers = [*ways, self.retrained_NSI.sum(axis=1)]
        generator = np.random.default_rng(self.seed)
        drawn: list[list[Floats]] = [[] for _ in answers]
        batch = max(1, _IMAGE_BATCH // images)
        for begin in range(0, IMAGE_DRAWS, batch):
            size = min(batch, IMAGE_DRAWS - begin)
            times_DI = generator.multinomial(images, np.full(images, 1 / images), size=size).astype(np.float64)
            for sums, each_NI in zip(drawn, answers, strict=True):
                sums.append(times_DI @ each_NI.T)
        sums_DN = [np.concatenate(each) for each in drawn]
        orders_DN = generator.permuted(np.tile(np.arange(IMAGE_DRAWS)[:, None], (1, num)), axis=0)
        # What all subnets share in a draw is no matter of order, and would be one once the draws are mixed.
        centred = [each - each.mean(axis=1, keepdims=True) for each in sums_DN]
        mixed = [np.take_along_axis(each, orders_DN, axis=0) for each in centred]
        together, apart = ([taus_of(way, of[-1]) for way in of[:-1]] for of in (sums_DN, mixed))
        return together, apart


Scale = Callable[[Floats], Floats]
"""Where an interval is widened: atanh of a tau, or of half a change."""


UNDEFINED = NoInterval("tau is undefined")


def _half_to_z(changes: Floats) -> Floats:
    """Of changes from -2 to 2."""
    return _to_z(changes / 2.0)


def _to_z(taus: Floats) -> Floats:
    z: Floats = np.clip(np.arctanh(np.clip(taus, -1.0 + 1e-12, 1.0 - 1e-12)), -_MOST_Z, _MOST_Z)
    return z


def _variance(taus: list[Floats], scale: Scale) -> float:
    """Of a way's tau, or of what the second way has more than the first, on a scale; over draws that had an order."""
    values = taus[0] if len(taus) == 1 else taus[1] - taus[0]
    found = values[np.isfinite(values)]
    return float(np.var(scale(found))) if len(found) else 0.0
