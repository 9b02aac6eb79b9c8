"""SI prefixes, for print only: joules and counts are kept without a prefix everywhere else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, isfinite, log10

ABSENT = "–"
"""Printed where there is no value."""
SIGNIFICANT_DIGITS = 4
SMALLEST_SHOWN = 0.1
ENERGY_PREFIXES = ((1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"), (1e-9, "nJ"))
COUNT_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True)
class EnergyUnit:
    """A unit of energy for a whole table: its symbol, its size in joules, and the decimals to print."""

    symbol: str
    joules: float
    decimals: int

    def number(self, energy_j: float) -> str:
        """Joules as a number of this unit, without the symbol."""
        return f"{energy_j / self.joules:.{self.decimals}f}" if isfinite(energy_j) else ABSENT


def energy_unit(energies_j: Iterable[float]) -> EnergyUnit:
    """The unit in which the largest of some energies is at least 0.1, with four significant digits of that largest."""
    finite = (abs(energy) for energy in energies_j if isfinite(energy))
    largest = _rounded(max(finite, default=0.0))
    if largest == 0.0:
        return EnergyUnit("J", 1.0, 0)
    found = (unit for unit in ENERGY_PREFIXES if _rounded(largest / unit[0]) >= SMALLEST_SHOWN)
    joules, symbol = next(found, ENERGY_PREFIXES[-1])
    return EnergyUnit(symbol, joules, _decimals(largest / joules))


def format_energy(energy_j: float, unit: EnergyUnit | None = None) -> str:
    """An energy with its unit: the given one, or its own.

    >>> format_energy(0.0008455)
    '0.8455 mJ'
    """
    unit = unit or energy_unit([energy_j])
    return f"{unit.number(energy_j)} {unit.symbol}"


def format_count(count: float) -> str:
    """A count with four significant digits and a prefix of thousands.

    >>> format_count(4_684_000)
    '4.684 M'
    """
    rounded = _rounded(abs(count))
    for size, symbol in COUNT_PREFIXES:
        if rounded >= size:
            return f"{count / size:.{_decimals(rounded / size)}f} {symbol}"
    return f"{count:.0f}" if count == int(count) else f"{count:.1f}"


def format_share(value: float | None, decimals: int = 3) -> str:
    """A rate or a fitness with fixed decimals; a dash where there is none."""
    return ABSENT if value is None or not isfinite(value) else f"{value:.{decimals}f}"


def _decimals(largest: float) -> int:
    """Decimals with which a number has SIGNIFICANT_DIGITS significant digits."""
    return max(0, SIGNIFICANT_DIGITS - 1 - floor(log10(_rounded(largest))))


def _rounded(value: float) -> float:
    """To the printed digits, so that 999.96 counts as 1000 when the prefix is chosen."""
    return float(f"{value:.{SIGNIFICANT_DIGITS - 1}e}")
