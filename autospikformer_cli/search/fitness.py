"""The accuracy and energy balanced fitness F_AEB (paper, Equation 6): a function of a candidate and its archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, isfinite, nan
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.space import Subnet

Floats = NDArray[np.float64]
Normalise = Literal["archive", "generation", "fixed", "percentile"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The values that min-max scaling maps to 0 and 1: top-1 in percent, energy in joules for one image."""

    top1: tuple[float, float]
    energy_j: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its accuracy in percent, its energy in joules, and its fitness under the scores' bounds.

    Energy and fitness are nan if nothing can be priced.
    """

    candidate: Candidate
    top1: float
    energy_j: float
    fitness: float

    @property
    def id(self) -> str:
        """The candidate's number in the archive."""
        return self.candidate.id

    @property
    def subnet(self) -> Subnet:
        """The candidate's genome."""
        return self.candidate.subnet


@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate without a fitness, and the reason."""

    candidate: Candidate
    reason: str


@dataclass(frozen=True)
class Scores:
    """An archive, ranked by fitness.

    bounds: bounds of the whole archive; None if it has none, or if each generation has its own. generation_bounds:
    bounds of each generation, with normalise = "generation".
    """

    ranked: tuple[Scored, ...]
    bounds: Bounds | None
    rejected: tuple[Rejected, ...] = ()
    generation_bounds: Mapping[int, Bounds] = field(default_factory=dict)


def one_by_one(archive: Sequence[Candidate]) -> None:
    """Prices nothing beforehand, so that each candidate is priced when it is asked for."""


@dataclass(frozen=True)
class Fitness:
    """F = alpha (1 - E^) + (1 - alpha) A^ with min-max scaled energy E^ and accuracy A^, so less energy is better.

    The paper prints Equation 6 with alpha E^, which would reward energy. A term whose range is 0 counts 0. A candidate
    with an accuracy or energy that is not finite is rejected, and does not affect the bounds. Accuracy, then energy,
    then parameters, then the genome break ties.
    normalise: the bounds are those of the whole archive, those of the candidate's generation, fixed, or percentiles of
    the archive. Values are clipped to the last two. energy_of: joules for one image; None if nothing can be priced.
    Then no candidate has a fitness, and more accuracy ranks first. refuses: the reason to reject a measured candidate,
    such as a limit that it breaks, or None. price_all: called with an archive before its candidates are priced one by
    one; it may price them at once.
    """

    alpha: float
    normalise: Normalise
    energy_of: Callable[[Candidate], float] | None
    bounds: Bounds | None = None
    percentile: tuple[float, float] = (5.0, 95.0)
    refuses: Callable[[Candidate], str | None] = lambda candidate: None
    price_all: Callable[[Sequence[Candidate]], None] = one_by_one

    def __post_init__(self) -> None:
        """Raises ValueError for fixed normalisation without bounds."""
        if self.normalise == "fixed" and self.bounds is None:
            raise ValueError("fixed normalisation needs bounds")

    def score(self, archive: Sequence[Candidate]) -> Scores:
        """All candidates of an archive with their fitness, best first."""
        if self.energy_of is not None:
            self.price_all(archive)
        usable: list[Candidate] = []
        energies: list[float] = []
        rejected: list[Rejected] = []
        for candidate in archive:
            energy_j = self._price(candidate)
            reason = energy_j if isinstance(energy_j, str) else self.refuses(candidate)
            if reason or isinstance(energy_j, str):
                rejected.append(Rejected(candidate, str(reason)))
            else:
                usable.append(candidate)
                energies.append(energy_j)
        priced = _Priced(usable, np.array([each.measurement.top1 for each in usable]), np.array(energies))
        if self.energy_of is None:
            return Scores(priced.ranked(np.full(len(usable), nan)), None, tuple(rejected))
        if self.normalise == "generation":
            return self._by_generation(priced, tuple(rejected))
        bounds = self._archive_bounds(priced)
        ranked = priced.ranked(self.values(priced.top1s, priced.energies, bounds)) if bounds else ()
        return Scores(ranked, bounds, tuple(rejected))

    def _by_generation(self, priced: _Priced, rejected: tuple[Rejected, ...]) -> Scores:
        generations = np.array([each.generation for each in priced.candidates], np.int64)
        fitness = np.empty(len(generations))
        bounds = {}
        for number in np.unique(generations).tolist():
            own = generations == number
            part = _Priced((), priced.top1s[own], priced.energies[own])
            bounds[number] = part.extremes()
            fitness[own] = self.values(part.top1s, part.energies, bounds[number])
        return Scores(priced.ranked(fitness), None, rejected, bounds)

    def rank(self, archive: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """The usable candidates of an archive, best first."""
        return tuple(scored.candidate for scored in self.score(archive).ranked)

    def values(self, top1s: Floats, energies_j: Floats, bounds: Bounds) -> Floats:
        """F of a column of accuracies, in percent, and one of energies.

        Outside the bounds, F may leave 0..1, unless the normalisation clips.
        """
        clip = self.normalise in ("fixed", "percentile")
        accuracies = _scaled(top1s, bounds.top1, clip)
        energies = _scaled(energies_j, bounds.energy_j, clip)
        nothing = np.zeros(len(top1s))
        saving = nothing if energies is None else self.alpha * (1.0 - energies)
        return saving + (nothing if accuracies is None else (1.0 - self.alpha) * accuracies)

    def choices_among(
        self, ranked: Sequence[Scored], bounds: Bounds | None, num: int = 1
    ) -> Callable[[Floats], NDArray[np.int64]]:
        """Which of some ranked candidates would be the first `num` with other accuracies: a rule of these, in percent.

        Energies and bounds stay as they are. Without bounds, more accuracy is better. Ties break as in `rank`.
        """
        energies = np.array([each.energy_j for each in ranked])
        params = np.array([each.candidate.measurement.params for each in ranked], np.int64)

        def choose(top1s: Floats) -> NDArray[np.int64]:
            fitness = np.zeros(len(top1s)) if bounds is None else self.values(top1s, energies, bounds)
            return np.lexsort((params, energies, -top1s, -fitness))[:num].astype(np.int64)

        return choose

    def of_outsider(self, candidate: Candidate, scores: Scores) -> Scored | None:
        """The score, under the archive's bounds, of a candidate that is not in the archive (the baseline).

        None if its values are not finite. The fitness is nan if the archive as a whole has no bounds.
        """
        energy_j = self._price(candidate)
        if isinstance(energy_j, str):
            return None
        top1 = candidate.measurement.top1
        if self.energy_of is None or scores.bounds is None:
            return Scored(candidate, top1, energy_j, nan)
        alone = self.values(np.array([top1]), np.array([energy_j]), scores.bounds)
        return Scored(candidate, top1, energy_j, float(alone[0]))

    def _price(self, candidate: Candidate) -> float | str:
        """Its energy, nan if nothing can be priced; or why it cannot have a fitness."""
        measured = candidate.measurement
        if measured.images < 1:
            return "no image was measured"
        if measured.non_finite:
            return "the network computes values that are not finite"
        if self.energy_of is None:
            return nan
        energy_j = self.energy_of(candidate)
        return energy_j if isfinite(energy_j) else f"energy is not finite ({energy_j})"

    def _archive_bounds(self, priced: _Priced) -> Bounds | None:
        if self.normalise == "fixed":
            return self.bounds
        if not priced.candidates:
            return None
        if self.normalise == "archive":
            return priced.extremes()
        low, high = self.percentile
        top1s, energies = np.sort(priced.top1s).tolist(), np.sort(priced.energies).tolist()
        return Bounds(
            (percentile_of(top1s, low), percentile_of(top1s, high)),
            (percentile_of(energies, low), percentile_of(energies, high)),
        )


@dataclass(frozen=True)
class _Priced:
    """Candidates whose accuracies and energies are finite, or whose energies are nan because nothing can be priced."""

    candidates: Sequence[Candidate]
    top1s: Floats
    energies: Floats

    def extremes(self) -> Bounds:
        """The least and the most of both."""
        top1s, energies = self.top1s, self.energies
        return Bounds((float(top1s.min()), float(top1s.max())), (float(energies.min()), float(energies.max())))

    def ranked(self, fitness: Floats) -> tuple[Scored, ...]:
        """The candidates with their fitness, best first. Without energies, fitness is nan, too, and more accuracy is
        better.
        """
        params = np.array([each.measurement.params for each in self.candidates], np.int64)
        keys = [-fitness, -self.top1s, self.energies, params]
        order = np.lexsort(keys[::-1])
        same = np.logical_and.reduce([(key[order][1:] == key[order][:-1]) | np.isnan(key[order][1:]) for key in keys])
        columns = (each[order].tolist() for each in (self.top1s, self.energies, fitness))
        best_first = (self.candidates[place] for place in order.tolist())
        found = [Scored(*each) for each in zip(best_first, *columns, strict=True)]
        for first, end in _runs(same):
            found[first:end] = sorted(found[first:end], key=lambda scored: scored.subnet.to_tuple())
        return tuple(found)


class FitnessSettings(Protocol):
    """The keys of a recipe's [search] that the fitness reads."""

    @property
    def alpha(self) -> float:
        """Weight of energy against accuracy, 0 to 1."""

    @property
    def normalise(self) -> Normalise:
        """Which bounds scale both terms."""

    @property
    def bounds(self) -> BoundsSettings | None:
        """Fixed bounds."""

    @property
    def percentile(self) -> Sequence[float]:
        """Percentiles (low, high) of the archive."""


class BoundsSettings(Protocol):
    """A recipe's search.bounds."""

    @property
    def top1(self) -> Sequence[float]:
        """(low, high) in percent."""

    @property
    def energy_j(self) -> Sequence[float]:
        """(low, high) in joules."""


def make_fitness(
    settings: FitnessSettings,
    energy_of: Callable[[Candidate], float] | None,
    refuses: Callable[[Candidate], str | None] = lambda candidate: None,
) -> Fitness:
    """The fitness that a recipe asks for."""
    given = settings.bounds
    bounds = None if given is None else Bounds(_pair(given.top1), _pair(given.energy_j))
    return Fitness(float(settings.alpha), settings.normalise, energy_of, bounds, _pair(settings.percentile), refuses)


def percentile_of(ascending: Sequence[float], percent: float) -> float:
    """A percentile of ascending values, interpolated linearly between neighbours (numpy's default)."""
    position = (len(ascending) - 1) * percent / 100.0
    below = floor(position)
    above = min(below + 1, len(ascending) - 1)
    return ascending[below] + (ascending[above] - ascending[below]) * (position - below)


def _pair(values: Sequence[float]) -> tuple[float, float]:
    low, high = values
    return float(low), float(high)


def _scaled(values: Floats, bounds: tuple[float, float], clip: bool) -> Floats | None:
    """Map the bounds to 0 and 1, and values linearly; None if the bounds are equal."""
    low, high = bounds
    if low == high:
        return None
    scaled = (values - low) / (high - low)
    return np.clip(scaled, 0.0, 1.0) if clip else scaled


def _runs(same: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """The ranges of several neighbours that are equal. same: whether each but the first equals the one before."""
    steps = np.diff(np.concatenate([[0], same.astype(np.int8), [0]]))
    for first, last in zip(np.flatnonzero(steps > 0).tolist(), np.flatnonzero(steps < 0).tolist(), strict=True):
        yield first, last + 1
