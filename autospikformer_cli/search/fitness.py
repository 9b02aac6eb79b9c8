"""The accuracy and energy balanced fitness F_AEB (paper, Equation 6): a function of a candidate and its archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, isfinite, isnan, nan
from typing import Literal, Protocol

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.space import Subnet

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


@dataclass(frozen=True, slots=True)
class _Priced:
    """A candidate whose accuracy and energy are finite."""

    candidate: Candidate
    top1: float
    energy_j: float


@dataclass(frozen=True)
class Fitness:
    """F = alpha (1 - E^) + (1 - alpha) A^ with min-max scaled energy E^ and accuracy A^, so less energy is better.

    The paper prints Equation 6 with alpha E^, which would reward energy. A term whose range is 0 counts 0. A candidate
    with an accuracy or energy that is not finite is rejected, and does not affect the bounds. Accuracy, then energy,
    then parameters, then the genome break ties.
    normalise: the bounds are those of the whole archive, those of the candidate's generation, fixed, or percentiles of
    the archive. Values are clipped to the last two. energy_of: joules for one image; None if nothing can be priced.
    Then no candidate has a fitness, and more accuracy ranks first. refuses: the reason to reject a measured candidate,
    such as a limit that it breaks, or None.
    """

    alpha: float
    normalise: Normalise
    energy_of: Callable[[Candidate], float] | None
    bounds: Bounds | None = None
    percentile: tuple[float, float] = (5.0, 95.0)
    refuses: Callable[[Candidate], str | None] = lambda candidate: None

    def __post_init__(self) -> None:
        """Raises ValueError for fixed normalisation without bounds."""
        if self.normalise == "fixed" and self.bounds is None:
            raise ValueError("fixed normalisation needs bounds")

    def score(self, archive: Sequence[Candidate]) -> Scores:
        """All candidates of an archive with their fitness, best first."""
        priced: list[_Priced] = []
        rejected: list[Rejected] = []
        for candidate in archive:
            entry = self._price(candidate)
            if isinstance(entry, Rejected):
                rejected.append(entry)
            elif reason := self.refuses(candidate):
                rejected.append(Rejected(candidate, reason))
            else:
                priced.append(entry)
        if self.energy_of is None:
            return Scores(_ranked([_without_energy(entry) for entry in priced]), None, tuple(rejected))
        if self.normalise == "generation":
            own = {entry.candidate.generation for entry in priced}
            by_generation = {
                number: _extremes([entry for entry in priced if entry.candidate.generation == number])
                for number in sorted(own)
            }
            scored = [self._scored(entry, by_generation[entry.candidate.generation]) for entry in priced]
            return Scores(_ranked(scored), None, tuple(rejected), by_generation)
        bounds = self._archive_bounds(priced)
        scored = [self._scored(entry, bounds) for entry in priced] if bounds else []
        return Scores(_ranked(scored), bounds, tuple(rejected))

    def rank(self, archive: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """The usable candidates of an archive, best first."""
        return tuple(scored.candidate for scored in self.score(archive).ranked)

    def value(self, top1: float, energy_j: float, bounds: Bounds) -> float:
        """F of an accuracy and an energy. Outside the bounds, F may leave 0..1, unless the normalisation clips."""
        clip = self.normalise in ("fixed", "percentile")
        accuracy = _scaled(top1, bounds.top1, clip)
        energy = _scaled(energy_j, bounds.energy_j, clip)
        saving = 0.0 if energy is None else self.alpha * (1.0 - energy)
        return saving + (0.0 if accuracy is None else (1.0 - self.alpha) * accuracy)

    def of_outsider(self, candidate: Candidate, scores: Scores) -> Scored | None:
        """The score, under the archive's bounds, of a candidate that is not in the archive (the baseline).

        None if its values are not finite. The fitness is nan if the archive as a whole has no bounds.
        """
        entry = self._price(candidate)
        if isinstance(entry, Rejected):
            return None
        if self.energy_of is None:
            return _without_energy(entry)
        if scores.bounds is None:
            return Scored(candidate, entry.top1, entry.energy_j, float("nan"))
        return self._scored(entry, scores.bounds)

    def _price(self, candidate: Candidate) -> _Priced | Rejected:
        measured = candidate.measurement
        if measured.images < 1:
            return Rejected(candidate, "no image was measured")
        if measured.non_finite:
            return Rejected(candidate, "the network computes values that are not finite")
        if self.energy_of is None:
            return _Priced(candidate, measured.top1, nan)
        top1, energy_j = measured.top1, self.energy_of(candidate)
        if not isfinite(energy_j):
            return Rejected(candidate, f"energy is not finite ({energy_j})")
        return _Priced(candidate, top1, energy_j)

    def _archive_bounds(self, priced: Sequence[_Priced]) -> Bounds | None:
        if self.normalise == "fixed":
            return self.bounds
        if not priced:
            return None
        if self.normalise == "archive":
            return _extremes(priced)
        low, high = self.percentile
        top1s = sorted(entry.top1 for entry in priced)
        energies = sorted(entry.energy_j for entry in priced)
        return Bounds(
            (percentile_of(top1s, low), percentile_of(top1s, high)),
            (percentile_of(energies, low), percentile_of(energies, high)),
        )

    def _scored(self, entry: _Priced, bounds: Bounds) -> Scored:
        fitness = self.value(entry.top1, entry.energy_j, bounds)
        return Scored(entry.candidate, entry.top1, entry.energy_j, fitness)


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


def _extremes(priced: Sequence[_Priced]) -> Bounds:
    top1s = [entry.top1 for entry in priced]
    energies = [entry.energy_j for entry in priced]
    return Bounds((min(top1s), max(top1s)), (min(energies), max(energies)))


def _scaled(value: float, bounds: tuple[float, float], clip: bool) -> float | None:
    """Map the bounds to 0 and 1, and a value linearly; None if the bounds are equal."""
    low, high = bounds
    if low == high:
        return None
    scaled = (value - low) / (high - low)
    return min(1.0, max(0.0, scaled)) if clip else scaled


def _without_energy(entry: _Priced) -> Scored:
    return Scored(entry.candidate, entry.top1, nan, nan)


def _ranked(scored: Sequence[Scored]) -> tuple[Scored, ...]:
    def best_first(entry: Scored) -> tuple[object, ...]:
        params = entry.candidate.measurement.params
        known = () if isnan(entry.energy_j) else (-entry.fitness, -entry.top1, entry.energy_j)
        return (*(known or (-entry.top1,)), params, entry.subnet.to_tuple())

    return tuple(sorted(scored, key=best_first))
