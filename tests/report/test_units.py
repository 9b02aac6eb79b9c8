"""Prefixes, chosen once for a table."""

from math import inf, nan
from typing import Any

import pytest

from autospikformer_cli.units import energy_unit, format_count, format_energy, format_share, parse_quantity


@pytest.mark.parametrize(
    ("energy_j", "shown"),
    [
        (0.0008455, "0.8455 mJ"),
        (0.00397, "3.970 mJ"),
        (0.1, "0.1000 J"),
        (12.3456, "12.35 J"),
        (1234.5, "1234 J"),
        (0.0000999949, "99.99 µJ"),
        (0.000099996, "0.1000 mJ"),
        (4.6e-12, "0.004600 nJ"),
        (4.6e-10, "0.4600 nJ"),
        (0.0, "0 J"),
        (nan, "–"),
    ],
)
def test_an_energy_has_four_significant_digits(energy_j: float, shown: str) -> None:
    assert format_energy(energy_j) == shown


def test_a_table_has_one_unit_that_of_its_largest() -> None:
    unit = energy_unit([0.000448, 0.00095, 2e-9, nan, inf])
    assert (unit.symbol, unit.decimals) == ("mJ", 4)
    assert [unit.number(energy) for energy in (0.000448, 0.00095, 2e-9)] == ["0.4480", "0.9500", "0.0000"]
    assert energy_unit([]).symbol == "J"
    assert format_energy(2e-6, unit) == "0.0020 mJ"


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (4_684_000, "4.684 M"),
        (934_000_000, "934.0 M"),
        (3840, "3.840 k"),
        (999, "999"),
        (999_960, "1.000 M"),
        (12_345_678_901, "12.35 G"),
        (0.5, "0.5"),
        (0, "0"),
    ],
)
def test_a_count_has_four_significant_digits(count: float, shown: str) -> None:
    assert format_count(count) == shown


def test_a_rate_that_is_missing_is_a_dash() -> None:
    assert [format_share(value) for value in (0.25, None, nan)] == ["0.250", "–", "–"]


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("1uJ", "J", 1e-6), ("1 µJ", "J", 1e-6), ("1\u03bcJ", "J", 1e-6), ("0.1uJ", "J", 1e-7), ("2.5mJ", "J", 2.5e-3),
        ("3nJ", "J", 3e-9), ("4pJ", "J", 4e-12), ("1J", "J", 1.0), ("1e-6", "J", 1e-6), ("50k", "", 5e4),
        ("50K", "", 5e4), ("1.5 M", "", 1.5e6), ("2G", "", 2e9), ("60000", "", 6e4), ("1_000", "", 1e3),
    ],
)  # fmt: skip
def test_quantities_are_read_exactly(text: str, unit: Any, number: float) -> None:
    assert parse_quantity(text, unit) == number


@pytest.mark.parametrize(
    ("text", "unit"),
    [("1u", "J"), ("1uW", "J"), ("1kJ", "J"), ("J", "J"), ("", "J"), ("nan", "J"), ("1 u J", "J"), ("50kB", ""),
     ("5m", ""), ("k", ""), ("five", ""), ("inf", ""), ("1,5k", ""), ("5 k k", "")],
)  # fmt: skip
def test_other_texts_are_no_quantities(text: str, unit: Any) -> None:
    with pytest.raises(ValueError, match=r"^write (joules|a number), such as"):
        parse_quantity(text, unit)
