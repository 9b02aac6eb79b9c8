"""Objectives that compare subnets: accuracy, energy, parameters and others, by name. Plugins add more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import nan
from typing import Literal

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate, StoredObjective
from autospikformer_cli.recipe.search_section import OBJECTIVES
from autospikformer_cli.registry import NOBODY
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import NetworkShape, num_params
from autospikformer_cli.units import energy_unit


@dataclass(frozen=True, slots=True)
class Price:
    """What a measured candidate costs under the energy model: joules and synaptic operations for one image."""

    energy_j: float
    sops: float


@dataclass(frozen=True, slots=True)
class Objective:
    """A number of a subnet, of which more or less is better.

    label, unit: as tables show them. after: its value of a measured candidate; nan if it has none. before: its value
    before measuring; None if that is unknown. ideal: the best possible value; always 0 for a "less" objective.
    """

    name: str
    label: str
    unit: str
    better: Literal["more", "less"]
    after: Callable[[Candidate, Price], float]
    before: Callable[[Subnet, NetworkShape], float] | None = None
    ideal: float = 0.0

    def to_text(self, value: float) -> str:
        """A value with its unit.

        >>> TOP1.to_text(92.5), PARAMS.to_text(5e6)
        ('92.5 %', '5,000,000')
        >>> ENERGY.to_text(1.25e-5)
        '12.5 µJ'
        """
        if self.unit == "J" and value:
            unit = energy_unit([value])
            return f"{value / unit.joules:.4g} {unit.symbol}"
        return f"{self.to_number(value)} {self.unit}".rstrip()

    def to_number(self, value: float) -> str:
        """A value without its unit."""
        return f"{value:,.0f}" if abs(value) >= 1e5 and value == round(value) else f"{value:.4g}"

    def to_stored(self) -> StoredObjective:
        """What a file says of it."""
        return StoredObjective(self.name, self.label, self.unit, self.better, float(self.ideal))


def _firing_rate(candidate: Candidate, price: Price) -> float:
    rate = candidate.measurement.firing_rate
    return nan if rate is None else rate


def _min_block_rate(candidate: Candidate, price: Price) -> float:
    return min(candidate.measurement.block_rates.values(), default=nan)


TOP1 = Objective("top1", "top-1", "%", "more", lambda candidate, price: candidate.measurement.top1, ideal=100.0)
ENERGY = Objective("energy", "energy", "J", "less", lambda candidate, price: price.energy_j)
PARAMS = Objective(
    "params",
    "parameters",
    "",
    "less",
    lambda candidate, price: float(candidate.measurement.params),
    lambda subnet, shape: float(num_params(shape, subnet)),
)
SOPS = Objective("sops", "synaptic operations", "", "less", lambda candidate, price: price.sops)
TIME_STEP = Objective(
    "time_step",
    "time steps",
    "",
    "less",
    lambda candidate, price: float(candidate.subnet.time_step),
    lambda subnet, shape: float(subnet.time_step),
)
FIRING_RATE = Objective("firing_rate", "firing rate", "", "less", _firing_rate)
MIN_BLOCK_RATE = Objective(
    "min_block_rate", "firing rate of the quietest block", "", "more", _min_block_rate, ideal=1.0
)


def objective_of(name: str, where: str, given_by: Mapping[str, str] = NOBODY) -> Objective:
    """The objective with a name. Raises UserError, located at `where`, if there is none or it is not an Objective.

    The name of a plugin's is that of its entry point, whatever it calls itself. If it fails for a candidate, it raises
    UserError. given_by: as `Registry.get` takes it.
    """
    found = OBJECTIVES.get(name, where, given_by)
    if not isinstance(found, Objective):
        raise UserError(f"the objective {name} is no Objective", where, "choose another, or mend the plugin")
    giver = OBJECTIVES.giver(name)
    return found if giver is None else replace(found, name=name, after=_explaining(found.after, name, giver, where))


def _explaining(
    after: Callable[[Candidate, Price], float], name: str, giver: str, where: str
) -> Callable[[Candidate, Price], float]:
    """A plugin's function, whose failures become an error that names the plugin."""

    def explained(candidate: Candidate, price: Price) -> float:
        try:
            return float(after(candidate, price))
        except Exception as error:
            raise UserError(
                f"objective {name} of {giver} fails for {candidate.id}: {type(error).__name__}: {error}",
                where,
                f"repair {giver}, or uninstall it: stored searches are read without it",
            ) from error

    return explained


def stand_in(stored: StoredObjective) -> Objective:
    """An objective whose plugin is not there: its values are those that the candidates have."""
    return Objective(
        stored.name,
        stored.label,
        stored.unit,
        stored.better,
        lambda candidate, price: candidate.plugin_values.get(stored.name, nan),
        ideal=stored.ideal,
    )
