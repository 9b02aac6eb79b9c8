"""Kendall's tau-b of two columns of accuracies that are measured with noise: its ceiling, and tau without the noise.

Dimension legend: N subnets, S seeds of retraining, I images, R resamples or draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

RESAMPLES = 2000
CONFIDENCE = 0.95
LEAST_RELIABILITY = 0.2
"""Share of a column's variance that is not noise, below which tau is not corrected: chance would decide the result."""
ROUNDING = 1e-9
"""How far beyond 1 a correlation is 1."""
_MOST_PAIRS = 1 << 22
"""Signs of pairs of subnets in memory at once: 32 MiB."""


@dataclass(frozen=True)
class Variances:
    """Variances among subnets, and those that noise makes, of numbers or of resamples (R,). Accuracies are shares.

    spread_a, spread_b: of the inherited and the retrained accuracies. images_a, images_b: what other images would
    change. shared: the covariance of both, as both columns answer the same images. seeds: what other seeds of
    retraining would change, besides images; 0 for one seed, which cannot tell.
    """

    spread_a: Floats
    spread_b: Floats
    images_a: Floats
    images_b: Floats
    shared: Floats
    seeds: Floats

    @property
    def true_a(self) -> Floats:
        """Variance of the inherited accuracies on all images that there could be; below 0 if it is not measurable."""
        return self.spread_a - self.images_a

    @property
    def true_b(self) -> Floats:
        """The same of retrained accuracies, over all seeds, too."""
        return self.spread_b - self.images_b - self.seeds


@dataclass(frozen=True)
class NoiseByRow:
    """What each subnet adds to the noise: (N,) each, named as in `Variances`. Their means are variances of noise."""

    images_a: Floats
    images_b: Floats
    shared: Floats
    seeds: Floats

    @classmethod
    def of(cls, inherited_NI: Floats, retrained_NSI: Floats) -> NoiseByRow:
        """From answers to the same images: 1 if right, 0 if not, or a mean of several networks.

        A subnet's answers count as differences from the mean of all subnets. So what makes an image hard for all
        subnets is no noise of their order. With y the differences of the retrained answers,

        images_b = var_i(mean_s y) / I,   seeds = var_s(mean_i y) / S - e / (S I)

        e: the variance that neither seed nor image explains (two-way analysis of variance, one answer a cell). It
        is in the first term, too, so it is taken off once.
        """
        num, seeds, images = retrained_NSI.shape
        scale = 1.0 / (images * (1.0 - 1.0 / num))
        a_NI = _without_mean(inherited_NI - inherited_NI.mean(axis=0))
        b_NSI = retrained_NSI - retrained_NSI.mean(axis=0)
        by_seed_NS, by_image_NI = b_NSI.mean(axis=2), _without_mean(b_NSI.mean(axis=1))
        free = max(images - 1, 1)
        seeds_N = np.zeros(num)
        if seeds > 1:
            left_NSI = _without_mean(b_NSI) - by_image_NI[:, None, :]
            error_N = (left_NSI**2).sum(axis=(1, 2)) / ((seeds - 1) * free)
            seeds_N = (by_seed_NS.var(axis=1, ddof=1) - error_N / images) / seeds * images * scale
        return cls(
            images_a=(a_NI**2).sum(axis=1) / free * scale,
            images_b=(by_image_NI**2).sum(axis=1) / free * scale,
            shared=(a_NI * by_image_NI).sum(axis=1) / free * scale,
            seeds=seeds_N,
        )

    def variances(self, a_N: Floats, b_N: Floats, times_RN: Integers) -> Variances:
        """Those of resamples of the subnets. a_N, b_N: accuracies. times_RN: how often a resample has each subnet."""
        num = len(a_N)
        shares_RN = times_RN / num

        def spread(column_N: Floats) -> Floats:
            means_R = shares_RN @ column_N
            squares_R: Floats = shares_RN @ column_N**2
            return (squares_R - means_R**2) * num / (num - 1)

        noise = (shares_RN @ each for each in (self.images_a, self.images_b, self.shared, self.seeds))
        images_a, images_b, shared, seeds = noise
        return Variances(spread(a_N), spread(b_N), images_a, images_b, shared, np.maximum(seeds, 0.0))


def _without_mean(values: Floats) -> Floats:
    """Minus the mean over the last axis: the images."""
    centred: Floats = values - values.mean(axis=-1, keepdims=True)
    return centred


def taus_of(a_RN: Floats, b_RN: Floats, times_RN: Integers | None = None) -> Floats:
    """Kendall's tau-b of each row of two matrices; nan if a column is constant.

    With s_ij = sign(a_i - a_j), t_ij = sign(b_i - b_j) and w_i how often subnet i counts,

    tau-b = sum w_i w_j s_ij t_ij / sqrt(sum w_i w_j |s_ij| sum w_i w_j |t_ij|)             (Kendall, 1945)

    times_RN: w; None for once each.
    """
    num = a_RN.shape[1]
    first, second = np.triu_indices(num, 1)
    taus = []
    rows = max(1, _MOST_PAIRS // max(len(first), 1))
    for begin in range(0, len(a_RN), rows):
        a, b = a_RN[begin : begin + rows], b_RN[begin : begin + rows]
        s, t = np.sign(a[:, first] - a[:, second]), np.sign(b[:, first] - b[:, second])
        times = np.ones((1, num), np.int64) if times_RN is None else times_RN[begin : begin + rows]
        w = times[:, first] * times[:, second]
        with np.errstate(divide="ignore", invalid="ignore"):
            taus.append((w * s * t).sum(axis=1) / np.sqrt((w * np.abs(s)).sum(axis=1) * (w * np.abs(t)).sum(axis=1)))
    return np.concatenate(taus)


def corrected_taus(taus_R: Floats, variances: Variances, num: int, *, at_most_perfect: bool = False) -> Floats:
    """tau without the noise of both columns of `num` subnets; nan if it cannot be told.

    So it is if a column is hardly more than noise, or if the noise explains more than the spread leaves room for: r
    below is then beyond 1 or -1. at_most_perfect: such an r counts as 1 or -1. That is for resamples, whose upper end
    would be too low without them.

    Of a normal pair with correlation r, tau = 2 / pi arcsin(r) (Greiner, 1909). Noise alters r alone, so

    r = (sin(pi tau / 2) - C / sqrt(V_a V_b)) / (sqrt(q_a q_b) d_a d_b)       (Spearman, 1904, with shared noise C)
    q = 1 - N / V,   d = 1 + (3/4 (1 - q)^2 / q^2 + (1 - q) / q) / (n - 1)

    and back to tau. V: spread of a column, N: its part that is noise. d takes off what chance in V adds to 1 / sqrt(q)
    on average, to second order. In simulations of 24 to 32 subnets with q of 0.55 to 0.8, tau's bias is -0.03 to -0.17
    before all this, and within 0.04 after it.
    """
    v = variances
    with np.errstate(divide="ignore", invalid="ignore"):
        qualities = [true / spread for true, spread in ((v.true_a, v.spread_a), (v.true_b, v.spread_b))]
        r = np.sin(np.pi / 2 * taus_R) - v.shared / np.sqrt(v.spread_a * v.spread_b)
        for q in qualities:
            r = r / (np.sqrt(np.maximum(q, 0.0)) * (1 + (0.75 * ((1 - q) / q) ** 2 + (1 - q) / q) / (num - 1)))
    told = np.minimum(*qualities) >= LEAST_RELIABILITY
    if not at_most_perfect:
        told = told & (np.abs(r) <= 1.0 + ROUNDING)
    taus: Floats = 2 / np.pi * np.arcsin(np.clip(r, -1.0, 1.0))
    return np.where(told, taus, np.nan)


@dataclass(frozen=True)
class Ceiling:
    """What tau-b a supernet that ranks perfectly would measure, with the same noise. low, high: 95 % of its values."""

    mean: float
    low: float
    high: float

    def to_document(self) -> dict[str, float]:
        """As JSON."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


def noise_ceiling(a_N: Floats, b_N: Floats, variances: Variances, steps: tuple[int, int], seed: int) -> Ceiling | None:
    """tau-b if both columns had the same true order, from draws of the noise; None if a column is constant.

    The true accuracies have the shape of both observed columns, and the spread that noise does not explain. Each draw
    adds normal noise to them, with the covariance that the answers show. variances: of the whole sample. steps: a
    column's accuracies are multiples of 1 / steps, so draws have ties as measurements do.
    """
    spreads = [float(each[0]) for each in (variances.spread_a, variances.spread_b)]
    if not min(spreads) > 0:
        return None
    shape_N = sum(np.sort(each - each.mean()) / sqrt(spread) for each, spread in zip((a_N, b_N), spreads, strict=True))
    shape_N = np.asarray(shape_N / np.std(shape_N, ddof=1))
    trues = (float(each[0]) for each in (variances.true_a, variances.true_b))
    columns = (
        np.rint((column.mean() + sqrt(max(true, 0.0)) * shape_N + noise_RN) * step)
        for column, true, noise_RN, step in zip(
            (a_N, b_N), trues, _noise_draws(variances, len(a_N), seed), steps, strict=True
        )
    )
    taus = taus_of(*columns)
    taus = taus[np.isfinite(taus)]
    if not len(taus):
        return None
    low, high = np.quantile(taus, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Ceiling(float(taus.mean()), float(low), float(high))


def _noise_draws(variances: Variances, num: int, seed: int) -> tuple[Floats, Floats]:
    """Normal noise of both columns: (R, N) each."""
    names = ("images_a", "images_b", "shared", "seeds")
    images_a, images_b, shared, seeds = (float(getattr(variances, name)[0]) for name in names)
    one_RN, two_RN, three_RN = np.random.default_rng(seed).normal(size=(3, RESAMPLES, num))
    of_a = shared / sqrt(images_a) if images_a > 0 else 0.0
    own = sqrt(max(images_b - of_a**2, 0.0))
    return sqrt(images_a) * one_RN, of_a * one_RN + own * two_RN + sqrt(seeds) * three_RN


def expected_ceiling(inherited_NI: Floats, seed: int) -> tuple[float, Ceiling | None]:
    """The true spread of inherited accuracies, and the ceiling if retrained ones have the same spread and noise.

    The spread is a standard deviation, as a share. Seeds of retraining add noise that nobody knows before.
    """
    num, images = inherited_NI.shape
    a_N = inherited_NI.mean(axis=1)
    once = np.ones((1, num), np.int64)
    v = NoiseByRow.of(inherited_NI, inherited_NI[:, None]).variances(a_N, a_N, once)
    true, noise, none = np.maximum(v.true_a, 0.0), v.images_a, np.zeros(1)
    expected = Variances(true + noise, true + noise, noise, noise, none, none)
    return sqrt(float(true[0])), noise_ceiling(a_N, a_N, expected, (images, images), seed)


def resampled_subnets(num: int, seed: int) -> Integers:
    """How often each resample has each of `num` subnets: (R, N). Drawn with replacement."""
    drawn: Integers = np.random.default_rng(seed).multinomial(num, np.full(num, 1 / num), size=RESAMPLES)
    return drawn
