"""The prices of a recipe: joules and synaptic operations of what was measured. Each candidate is priced once."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

from autospikformer_cli.energy.columns import price_columns
from autospikformer_cli.energy.pricing import EnergyModel
from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.recipe import Recipe, changed
from autospikformer_cli.recipe.energy.models import shipped_names
from autospikformer_cli.runs.building import energy_model
from autospikformer_cli.search.objectives import Price

NO_PRICE = Price(nan, nan)


class Prices:
    """Prices candidates, many together or one, and remembers each.

    energy: None if the convention is not known here, so that nothing is. has_joules: whether the profile is known here.
    """

    def __init__(self, energy: EnergyModel | None, has_joules: bool = True) -> None:
        self._energy, self._has_joules = energy, has_joules
        self._known: dict[tuple[str, int], tuple[Measurement, Price]] = {}
        self._all_known: tuple[Candidate, ...] | None = None

    def __call__(self, candidate: Candidate) -> Price:
        """The price of one. Raises MissingCounts if its counts do not suffice."""
        if not self._knows(candidate):
            self._price([candidate])
        return NO_PRICE if self._energy is None else self._known[_key(candidate)][1]

    def price_all(self, candidates: Sequence[Candidate]) -> None:
        """Price all usable candidates that have no price yet, at once. Raises as for one."""
        if candidates is self._all_known:
            return
        new = [each for each in candidates if each.measurement.is_usable and not self._knows(each)]
        if new:
            self._price(new)
        if isinstance(candidates, tuple):
            self._all_known = candidates

    def _knows(self, candidate: Candidate) -> bool:
        return self._energy is None or _key(candidate) in self._known

    def _price(self, candidates: Sequence[Candidate]) -> None:
        if self._energy is None:
            return
        measurements = [each.measurement for each in candidates]
        energies, sops = price_columns(self._energy, [each.subnet for each in candidates], measurements)
        joules = energies.tolist() if self._has_joules else [nan] * len(candidates)
        for candidate, energy_j, operations in zip(candidates, joules, sops.tolist(), strict=True):
            self._known[_key(candidate)] = candidate.measurement, Price(energy_j, operations)


def _key(candidate: Candidate) -> tuple[str, int]:
    """Of a candidate, and of this very measurement: one that is remembered stays where it is in memory."""
    return candidate.id, id(candidate.measurement)


def prices_of(recipe: Recipe) -> Prices:
    """The prices of a recipe; nan for what is not known here."""
    unknown = recipe.energy.unknown
    if "energy.convention" in unknown:
        return Prices(None)
    if not unknown:
        return Prices(energy_model(recipe))
    any_hardware = changed(recipe, {"energy.profile": shipped_names("profiles")[0]})  # SOPs do not depend on it
    return Prices(energy_model(any_hardware), has_joules=False)
