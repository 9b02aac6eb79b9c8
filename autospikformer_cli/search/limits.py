"""Limits that subnets must keep, checked before measuring if their value is known then, else after; and refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isnan
from typing import Any

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate
from autospikformer_cli.search.objectives import Objective, Price
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.units import is_count

LIMITS_KEY = "search.limits."
LOOSE = 100.0
"""A limit so many times the baseline's value excludes next to nothing."""
PriceOf = Callable[[Candidate], Price]


UNIT_HINTS = {"J": "; a number without a prefix is in joules", "%": "; the number is in percent"}
"""What a limit's number may have been taken for otherwise, by the objective's unit."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest value of a "less" objective, or the smallest of a "more" one. The bound itself is allowed."""

    objective: Objective
    bound: float

    @property
    def key(self) -> str:
        """The recipe key of the limit."""
        return key_of(self.objective.name)

    def __str__(self) -> str:
        """'parameters at most 5,000,000'."""
        side = "at most" if self.objective.better == "less" else "at least"
        return f"{self.objective.label} {side} {self.objective.to_text(self.bound)}"

    def excess(self, value: float) -> float:
        """How far a value is beyond the bound, divided by the bound. 0 if it keeps the limit, infinite if it is nan."""
        if isnan(value):
            return inf
        beyond = value - self.bound if self.objective.better == "less" else self.bound - value
        return max(0.0, beyond / self.bound)


@dataclass(frozen=True)
class Limits:
    """All limits of a search; none by default. shape, price_of: needed to compute values."""

    limits: tuple[Limit, ...] = ()
    shape: NetworkShape | None = None
    price_of: PriceOf | None = None

    def before(self, subnet: Subnet) -> list[str]:
        """The objectives whose limits refuse a subnet before it is measured. Other objectives are not known yet."""
        refusing = []
        for limit in self.limits:
            known = limit.objective.before
            if known is not None and self.shape is not None and limit.excess(known(subnet, self.shape)) > 0:
                refusing.append(limit.objective.name)
        return refusing

    def excesses(self, candidate: Candidate) -> dict[str, float]:
        """The limits that a measured candidate breaks, with the excess of each; empty if it keeps all."""
        if not self.limits or self.price_of is None:
            return {}
        price = self.price_of(candidate)
        beyond = {limit.objective.name: limit.excess(limit.objective.after(candidate, price)) for limit in self.limits}
        return {name: excess for name, excess in beyond.items() if excess > 0}

    def loose(self, baseline: Candidate) -> list[str]:
        """Of each limit that is LOOSE times as far as a baseline's value, or farther, a sentence that says so."""
        if self.price_of is None:
            return []
        price, found = self.price_of(baseline), []
        for limit in self.limits:
            value, bound = limit.objective.after(baseline, price), limit.bound
            less, more = (value, bound) if limit.objective.better == "less" else (bound, value)
            if less > 0 and less * LOOSE <= more < inf:
                times = f"{more / less:,.0f} times {'' if limit.objective.better == 'less' else 'less than '}"
                unit = UNIT_HINTS.get(limit.objective.unit, "")
                own = limit.objective.to_text(value)
                found.append(f"{limit.key}: {limit} is {times}the baseline's {own}, and excludes next to nothing{unit}")
        return found

    def after(self, candidate: Candidate) -> str | None:
        """Why a measured candidate is refused; None if it keeps all limits."""
        refusing = self.excesses(candidate)
        return f"breaks {' and '.join(map(key_of, refusing))}" if refusing else None

    def violation(self, candidate: Candidate) -> float:
        """The sum of all excesses; 0 for a feasible candidate."""
        return sum(self.excesses(candidate).values())


@dataclass
class Refusals:
    """How many subnets were drawn, and how many of them each limit refused. Several limits may refuse the same one."""

    samples: int = 0
    by_limit: dict[str, int] = field(default_factory=dict)

    def take(self, refusing: Iterable[str]) -> None:
        """Count one more draw, refused by these limits."""
        self.samples += 1
        for name in refusing:
            self.by_limit[name] = self.by_limit.get(name, 0) + 1

    def __str__(self) -> str:
        """'search.limits.params excluded 97.0 % of 10,000 samples, search.limits.time_step 33.1 %'."""
        return refusal_text(self.by_limit, self.samples, "samples")

    def state(self) -> dict[str, object]:
        """In JSON types."""
        return {"samples": self.samples, "refused": dict(self.by_limit)}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Refusals:
        """From a state. Empty for one of an aspk before 0.2, which counted none, and of a plugin that counts none."""
        if cls.faults(state):
            return cls()
        return cls(state.get("samples", 0), dict(state.get("refused", {})))

    @staticmethod
    def faults(state: Mapping[str, Any]) -> list[str]:
        """The keys of a state that are there and no counts."""
        samples, refused = state.get("samples", 0), state.get("refused", {})
        counts = isinstance(refused, dict) and all(map(is_count, refused.values()))
        return [name for name, is_right in (("samples", is_count(samples)), ("refused", counts)) if not is_right]


def refusal_text(by_limit: Mapping[str, int], total: int, noun: str) -> str:
    """The share of `total` that each limit excluded, the largest first."""
    hardest = sorted(by_limit, key=lambda name: -by_limit[name])
    shares = [f"{key_of(name)} excluded {_share(by_limit[name], total)} of {total:,} {noun}" for name in hardest[:1]]
    return ", ".join([*shares, *(f"{key_of(name)} {_share(by_limit[name], total)}" for name in hardest[1:])])


def key_of(objective: str) -> str:
    """The recipe key of an objective's limit."""
    return f"{LIMITS_KEY}{objective}"


def make_limits(
    bounds: Mapping[str, float], shape: NetworkShape, price_of: PriceOf, known: Mapping[str, Objective]
) -> Limits:
    """The limits that a recipe sets on known objectives. Raises UserError for an unreachable bound."""
    limits = []
    for name, bound in bounds.items():
        objective = known.get(name)
        if objective is None:
            continue
        if objective.better == "more" and bound > objective.ideal:
            most = objective.to_text(objective.ideal)
            raise UserError(
                f"at least {objective.to_text(bound)} {objective.label} is more than there can be",
                key_of(name),
                f"write at most {most}",
            )
        limits.append(Limit(objective, float(bound)))
    return Limits(tuple(limits), shape, price_of)


def none_drawn(refusals: Refusals) -> UserError:
    """The error if limits leave no subnet to measure."""
    return UserError(
        f"no subnet keeps to the limits: {refusals}",
        "search.limits",
        f"{_loosen(refusals.by_limit)}; smaller subnets need a wider [space], and its supernet trained",
    )


def none_feasible(limits: Limits, candidates: Sequence[Candidate], refusals: Refusals) -> UserError:
    """The error if every measured candidate breaks a limit: the share of each limit, and the best values measured.

    refusals: of subnets that were drawn and not measured.
    """
    by_limit: dict[str, int] = {}
    for candidate in candidates:
        for name in limits.excesses(candidate):
            by_limit[name] = by_limit.get(name, 0) + 1
    nearest = []
    for limit in limits.limits:
        if limit.objective.name in by_limit and limits.price_of is not None:
            values = [limit.objective.after(candidate, limits.price_of(candidate)) for candidate in candidates]
            best = (min if limit.objective.better == "less" else max)(values)
            nearest.append(f"the best {limit.objective.label} measured is {limit.objective.to_text(best)}")
    before = f"; before measuring, {refusals}" if refusals.by_limit else ""
    return UserError(
        f"no subnet keeps to the limits: {refusal_text(by_limit, len(candidates), 'measured subnets')}{before}",
        "search.limits",
        f"{_loosen(by_limit)}: {', '.join(nearest)}; what was measured is kept, and not measured again",
    )


def _loosen(by_limit: Mapping[str, int]) -> str:
    hardest = max(by_limit, key=lambda name: by_limit[name])
    return f"loosen {key_of(hardest)}"


def _share(count: int, total: int) -> str:
    """A share in percent. It shows 0 or 100 only if that is exact."""
    if count in (0, total):
        return "100 %" if count else "0 %"
    return f"{min(99.9, max(0.1, 100 * count / total)):.1f} %"
