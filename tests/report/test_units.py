"""Prefixes, chosen once for a table."""

from math import inf, nan

import pytest

from autospikformer_cli.units import energy_unit, format_count, format_energy, format_share


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
        (nan, "– J"),
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
