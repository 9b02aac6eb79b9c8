"""Choices as lists and ranges, exact to the last decimal."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.recipe.choices import expand_range
from autospikformer_cli.recipe.toml_text import toml_choices

QUARTERS = tuple(Decimal(125 + 25 * step) / 100 for step in range(36))


def test_the_paper_s_taus_are_36() -> None:
    recipe = load_recipe("quickstart", ["space.tau={low=1.25, high=10, step=0.25}"])
    assert recipe.space.tau == QUARTERS


def test_choices_are_ascending_whatever_their_order() -> None:
    recipe = load_recipe("quickstart", ["space.threshold=[1.4, 0.6, 1]", "space.depth=[3, 1]"])
    assert recipe.space.threshold == (Decimal("0.6"), Decimal(1), Decimal("1.4"))
    assert recipe.space.depth == (1, 3)


@given(st.integers(1, 10**15), st.integers(1, 10**12), st.integers(0, 999), st.integers(0, 9))
def test_a_range_holds_every_step_exactly(low: int, step: int, steps: int, places: int) -> None:
    scale = Decimal(1).scaleb(-places)
    values = expand_range(low * scale, (low + steps * step) * scale, step * scale)
    assert [Fraction(value) for value in values] == [
        Fraction(low + index * step, 10**places) for index in range(steps + 1)
    ]


@settings(max_examples=50)
@given(st.sets(st.decimals(1, 20, places=2), min_size=1, max_size=12))
def test_any_choices_survive_writing(choices: set[Decimal]) -> None:
    ordered = tuple(sorted(choices))
    assert load_recipe("quickstart", [f"space.tau={toml_choices(ordered)}"]).space.tau == ordered


def test_four_choices_at_equal_distances_are_written_as_a_range() -> None:
    assert toml_choices(QUARTERS) == "{low = 1.25, high = 10, step = 0.25}"
    assert toml_choices((2, 3, 4)) == "[2, 3, 4]"
    assert toml_choices((2, 3, 4, 6)) == "[2, 3, 4, 6]"
