"""The prices of a recipe: joules and synaptic operations of what was measured. Each candidate is priced once."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

from autospikformer_cli.energy.columns import price_columns
from autospikformer_cli.energy.pricing import EnergyModel, unpriced_text
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.recipe import Recipe, changed
from autospikformer_cli.recipe.energy.models import shipped_names
from autospikformer_cli.runs.building import energy_model
from autospikformer_cli.search.objectives import Price
from autospikformer_cli.space import Subnet

NO_PRICE = Price(nan, nan)
MOST_UNPRICED = 6
"""Operations that a note names; JSON has all."""


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


def unpriced_operations(recipe: Recipe, subnet: Subnet | None = None) -> tuple[str, ...]:
    """The operations of a subnet that a recipe's profile has no figure for. subnet: by default the space's largest.

    None of them if the profile or the convention is not known here.
    """
    if recipe.energy.unknown:
        return ()
    return energy_model(recipe).unpriced(subnet or recipe.space.search_space().largest())


def unpriced_notes(recipe: Recipe, subnet: Subnet | None = None) -> tuple[str, ...]:
    """What every table of energies says of the operations that are in none of them; nothing if all are priced."""
    names = unpriced_operations(recipe, subnet)
    return (unpriced_text(recipe.energy.hardware, names, most=MOST_UNPRICED),) if names else ()


def pricing_faults(recipe: Recipe) -> dict[str, UserError]:
    """By recipe key, why no subnet can be priced here: a name is not known, or the profile prices no operation."""
    if recipe.energy.unknown or not energy_model(recipe).prices_nothing(recipe.space.search_space().largest()):
        return recipe.energy.unknown
    hardware = recipe.energy.hardware
    what = f"the profile {hardware.name} prices no operation of this network: it has no mac"
    fix = f"choose another, as by --set 'energy.profile=\"{shipped_names('profiles')[0]}\"'"
    return {"energy.profile": UserError(f"{what} ({hardware.left_out['mac']})", "energy.profile", fix)}


def require_prices(recipe: Recipe) -> None:
    """Raises UserError if no subnet can be priced here."""
    for fault in pricing_faults(recipe).values():
        raise fault


def prices_of(recipe: Recipe) -> Prices:
    """The prices of a recipe; nan for what is not known here."""
    unknown = recipe.energy.unknown
    if "energy.convention" in unknown:
        return Prices(None)
    if not unknown:
        return Prices(energy_model(recipe))
    any_hardware = changed(recipe, {"energy.profile": shipped_names("profiles")[0]})  # SOPs do not depend on it
    return Prices(energy_model(any_hardware), has_joules=False)
