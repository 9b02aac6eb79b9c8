"""SI prefixes, for what is printed and typed: joules and counts are kept without a prefix everywhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from math import floor, isfinite, log10
from typing import Literal

BYTES_A_MEGABYTE = 10**6
ABSENT = "–"
"""Printed where there is no value."""
SIGNIFICANT_DIGITS = 4
SMALLEST_SHOWN = 0.1
ENERGY_PREFIXES = ((1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"), (1e-9, "nJ"))
COUNT_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
TYPED_PREFIXES = {
    "J": {"": 0, "m": -3, "u": -6, "µ": -6, "μ": -6, "n": -9, "p": -12, "f": -15},  # micro has two code points
    "": {"": 0, "k": 3, "K": 3, "M": 6, "G": 9, "T": 12},
}
"""Prefixes that may be typed, as powers of ten: of joules, and of counts."""
_QUANTITY = re.compile(r"([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(\S*)")


@dataclass(frozen=True, slots=True)
class EnergyUnit:
    """A unit of energy for a whole table: its symbol, its size in joules, and the decimals to print."""

    symbol: str
    joules: float
    decimals: int

    def number(self, energy_j: float) -> str:
        """Joules as a number of this unit, without the symbol."""
        return f"{energy_j / self.joules:.{self.decimals}f}" if isfinite(energy_j) else ABSENT


def json_number(value: float | None) -> float | None:
    """A number as JSON has it: None (null) if it is not finite, such as an energy that nothing prices."""
    return float(value) if value is not None and isfinite(value) else None


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
    """An energy with its unit: the given one, or its own; a dash if it is not known.

    >>> format_energy(0.0008455)
    '0.8455 mJ'
    """
    if not isfinite(energy_j):
        return ABSENT
    unit = unit or energy_unit([energy_j])
    return f"{unit.number(energy_j)} {unit.symbol}"


def parse_quantity(text: str, unit: Literal["J", ""]) -> float:
    """The number that a text means: joules, or a count if the unit is "". A number alone is in the unit itself.

    Raises ValueError with a remedy if it is not such a quantity.

    >>> parse_quantity("1.5 uJ", "J"), parse_quantity("50k", ""), parse_quantity("1e-6", "J")
    (1.5e-06, 50000.0, 1e-06)
    """
    found = _QUANTITY.fullmatch(text.strip())
    written = found[2] if found else ""
    prefix = written.removesuffix(unit) if unit else written
    if found is None or prefix not in TYPED_PREFIXES[unit] or (prefix and unit and not written.endswith(unit)):
        known = [f"{each}{unit}" for each in TYPED_PREFIXES[unit] if each.isascii() and each != "K" and f"{each}{unit}"]
        named = "joules, such as 1e-6, or a number with" if unit else "a number, such as 50000, or one with"
        raise ValueError(f"write {named} {', '.join(known[:-1])} or {known[-1]}")
    return float(Decimal(found[1]).scaleb(TYPED_PREFIXES[unit][prefix]))


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


def format_pace(per_second: float) -> str:
    """How many come in a second, in three digits.

    >>> format_pace(1168.2), format_pace(12.54), format_pace(0.02684)
    ('1,170/s', '12.5/s', '0.0268/s')
    """
    rounded = float(f"{per_second:.3g}")
    return f"{rounded:,.0f}/s" if rounded >= 1000 else f"{rounded:g}/s"


def format_duration(seconds: float) -> str:
    """About how long, in the largest unit of which it has two or more.

    >>> format_duration(0.2), format_duration(119), format_duration(250), format_duration(7200), format_duration(2e5)
    ('1 s', '119 s', '4 min', '2 h', '2 days')
    """
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 1):.0f} s"


def format_share(value: float | None, decimals: int = 3) -> str:
    """A rate or a fitness with fixed decimals; a dash where there is none."""
    return ABSENT if value is None or not isfinite(value) else f"{value:.{decimals}f}"


def _decimals(largest: float) -> int:
    """Decimals with which a number has SIGNIFICANT_DIGITS significant digits."""
    return max(0, SIGNIFICANT_DIGITS - 1 - floor(log10(_rounded(largest))))


def _rounded(value: float) -> float:
    """To the printed digits, so that 999.96 counts as 1000 when the prefix is chosen."""
    return float(f"{value:.{SIGNIFICANT_DIGITS - 1}e}")


def is_count(value: object) -> bool:
    """Whether something read from a file is a whole number from 0 on.

    >>> is_count(3), is_count(-3), is_count(3.0), is_count(True)
    (True, False, False, False)
    """
    return type(value) is int and value >= 0
