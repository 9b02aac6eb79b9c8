"""The accuracy and energy balanced fitness F_AEB (paper, Equation 6), a function of a candidate and its archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, isfinite
from typing import Literal, Protocol

from autospikformer_cli.measurement import Candidate
from autospikformer_cli.space import Subnet

Normalise = Literal["archive", "generation", "fixed", "percentile"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where min-max scaling puts 0 and 1: top-1 in percent, energy in joules an inference of one image."""

    top1: tuple[float, float]
    energy_j: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its accuracy in percent, its energy in joules, and its fitness under the bounds of its score."""

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
    """A candidate without a fitness, and why."""

    candidate: Candidate
    reason: str


@dataclass(frozen=True)
class Scores:
    """An archive, ranked. bounds: those of the whole archive; None where there is none, or each generation's.

    generation_bounds: with normalise = "generation", each generation's.
    """

    ranked: tuple[Scored, ...]
    bounds: Bounds | None
    rejected: tuple[Rejected, ...] = ()
    generation_bounds: Mapping[int, Bounds] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Priced:
    """A candidate with both objectives finite."""

    candidate: Candidate
    top1: float
    energy_j: float


@dataclass(frozen=True)
class Fitness:
    """F = alpha (1 - E^) + (1 - alpha) A^ with min-max scaled energy E^ and accuracy A^, so less energy is better.

    The paper prints Equation 6 with alpha E^, which would reward energy. A term whose range is 0 counts 0. A candidate
    whose accuracy or energy is not finite is rejected and never in the bounds. Ties are broken by accuracy, energy,
    parameters, then genome. normalise: bounds of the whole archive, of the candidate's own generation, fixed
    (values are clipped to them), or at percentiles of the archive (clipped too). energy_of: joules an image. refuses:
    why a candidate that is measured well has no fitness all the same, as for a limit that it breaks; None: it has one.
    """

    alpha: float
    normalise: Normalise
    energy_of: Callable[[Candidate], float]
    bounds: Bounds | None = None
    percentile: tuple[float, float] = (5.0, 95.0)
    refuses: Callable[[Candidate], str | None] = lambda candidate: None

    def __post_init__(self) -> None:
        """Fixed normalisation without bounds is a caller's error (ValueError)."""
        if self.normalise == "fixed" and self.bounds is None:
            raise ValueError("fixed normalisation needs bounds")

    def score(self, archive: Sequence[Candidate]) -> Scores:
        """Every candidate of an archive with its fitness, best first."""
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
        """F of one pair of values under given bounds; outside them it leaves 0..1 unless the normalisation clips."""
        clip = self.normalise in ("fixed", "percentile")
        accuracy = _scaled(top1, bounds.top1, clip)
        energy = _scaled(energy_j, bounds.energy_j, clip)
        saving = 0.0 if energy is None else self.alpha * (1.0 - energy)
        return saving + (0.0 if accuracy is None else (1.0 - self.alpha) * accuracy)

    def of_outsider(self, candidate: Candidate, scores: Scores) -> Scored | None:
        """A candidate that is no part of the archive (the baseline) under the archive's bounds.

        None where it is not finite; the fitness is nan where the archive has no bounds of its own.
        """
        entry = self._price(candidate)
        if isinstance(entry, Rejected):
            return None
        if scores.bounds is None:
            return Scored(candidate, entry.top1, entry.energy_j, float("nan"))
        return self._scored(entry, scores.bounds)

    def _price(self, candidate: Candidate) -> _Priced | Rejected:
        measured = candidate.measurement
        if measured.images < 1:
            return Rejected(candidate, "no image was measured")
        if measured.non_finite:
            return Rejected(candidate, "the network computes values that are not finite")
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
    """What the fitness reads of a recipe's [search]."""

    @property
    def alpha(self) -> float: ...
    @property
    def normalise(self) -> Normalise: ...
    @property
    def bounds(self) -> BoundsSettings | None: ...
    @property
    def percentile(self) -> Sequence[float]: ...


class BoundsSettings(Protocol):
    """A recipe's search.bounds: (low, high) of each objective."""

    @property
    def top1(self) -> Sequence[float]: ...
    @property
    def energy_j(self) -> Sequence[float]: ...


def make_fitness(
    settings: FitnessSettings,
    energy_of: Callable[[Candidate], float],
    refuses: Callable[[Candidate], str | None] = lambda candidate: None,
) -> Fitness:
    """The fitness that a recipe asks for."""
    given = settings.bounds
    bounds = None if given is None else Bounds(_pair(given.top1), _pair(given.energy_j))
    return Fitness(float(settings.alpha), settings.normalise, energy_of, bounds, _pair(settings.percentile), refuses)


def percentile_of(ascending: Sequence[float], percent: float) -> float:
    """The percentile of ascending values, linear between neighbours (numpy's default)."""
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
    """Where a value lies between two bounds, 0..1 inside them; None where they are equal."""
    low, high = bounds
    if low == high:
        return None
    scaled = (value - low) / (high - low)
    return min(1.0, max(0.0, scaled)) if clip else scaled


def _ranked(scored: Sequence[Scored]) -> tuple[Scored, ...]:
    def best_first(entry: Scored) -> tuple[object, ...]:
        params = entry.candidate.measurement.params
        return (-entry.fitness, -entry.top1, entry.energy_j, params, entry.subnet.to_tuple())

    return tuple(sorted(scored, key=best_first))
