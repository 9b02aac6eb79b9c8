"""Hardware profiles: what those that come with aspk say of themselves, units, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from autospikformer_cli.recipe.energy.models import HardwareProfile, shipped_names, shipped_profile

OWN: Mapping[str, Any] = {
    "name": "own",
    "title": "A chip",
    "process": "28 nm",
    "unit": "pJ",
    "source": "its data sheet",
    "mac": 4.0,
    "ac": 1.0,
    "int8": {"mac": 0.5, "ac": 0.25},
}


def without(*keys: str, **others: Any) -> dict[str, Any]:
    return {key: value for key, value in OWN.items() if key not in keys} | others


def refused(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Where, and of which kind, every mistake is."""
    with pytest.raises(ValidationError) as caught:
        HardwareProfile.model_validate(document)
    return [(*map(str, error["loc"]), error["type"]) for error in caught.value.errors()]


def test_the_shipped_profiles() -> None:
    assert shipped_names("profiles") == ("cmos45", "cmos45-memory", "loihi")
    figures = {name: shipped_profile(name) for name in shipped_names("profiles")}
    found = {name: (each.mac, each.ac, each.neuron_update, each.unit) for name, each in figures.items()}
    assert found == {
        "cmos45": (4.6, 0.9, None, "pJ"),
        "cmos45-memory": (4.6, 0.9, None, "pJ"),
        "loihi": (None, 23.6, 81.0, "pJ"),
    }
    assert {name: each.memory is not None for name, each in figures.items()} == {
        "cmos45": False,
        "cmos45-memory": True,
        "loihi": False,
    }


@pytest.mark.parametrize("name", shipped_names("profiles"))
def test_a_shipped_profile_says_what_it_is_and_who_published_it(name: str) -> None:
    profile = shipped_profile(name)
    assert profile.name == name
    assert len(profile.title) > 5
    assert "nm" in profile.process
    assert any(year in profile.source for year in ("2014", "2018"))
    assert profile.source == profile.source.strip()
    assert all(figure and reason for figure, reason in profile.left_out.items())
    for figure in ("mac", "int8"):
        assert (getattr(profile, figure) is None) is (figure in profile.left_out)


@pytest.mark.parametrize(("unit", "joules"), [("fJ", 1e-15), ("pJ", 1e-12), ("nJ", 1e-9)])
def test_a_unit_in_joules(unit: str, joules: float) -> None:
    assert HardwareProfile.model_validate(without(unit=unit)).joules == pytest.approx(joules, rel=1e-15)


@pytest.mark.parametrize("key", ["title", "process", "unit", "source", "ac", "name"])
def test_what_must_be_there(key: str) -> None:
    assert refused(without(key)) == [(key, "missing")]


@pytest.mark.parametrize("key", ["title", "process", "source"])
def test_a_text_that_says_nothing_is_refused(key: str) -> None:
    assert refused(without(**{key: " \n"})) == [(key, "string_too_short")]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (0, "greater_than"),
        (-0.9, "greater_than"),
        (float("nan"), "finite_number"),
        (float("inf"), "finite_number"),
        (10**400, "finite_number"),
        (True, "float_type"),
        ("0.9", "float_type"),
    ],
    ids=str,
)
def test_a_figure_is_a_number_greater_than_0(value: object, kind: str) -> None:
    for key in ("mac", "ac", "neuron_update"):
        assert refused(without(**{key: value})) == [(key, kind)]
    assert refused(without(int8={"mac": value, "ac": 1})) == [("int8", "mac", kind)]
    memory = {"read": 1, "write": value, "weight_bits": 8, "activation_bits": 8, "potential_bits": 16}
    assert refused(without(memory=memory)) == [("memory", "write", kind)]


@pytest.mark.parametrize("bits", [0, -8, 8.0, True])
def test_a_width_is_a_whole_number_of_bits(bits: object) -> None:
    memory = {"read": 1, "write": 1, "weight_bits": bits, "activation_bits": 8, "potential_bits": 16}
    ((*where, _),) = refused(without(memory=memory))
    assert where == ["memory", "weight_bits"]


@pytest.mark.parametrize("figure", ["mac", "int8"])
def test_a_figure_is_there_or_left_out(figure: str) -> None:
    assert refused(without(figure)) == [("recipe_rule",)]
    left_out = HardwareProfile.model_validate(without(figure, left_out={figure: "not published"}))
    assert getattr(left_out, figure) is None
    assert refused(without(left_out={figure: "not published"})) == [("recipe_rule",)]


def test_anything_else_may_be_left_out() -> None:
    """Whatever it is called."""
    reasons = {"static": "not published", "copy": "of a spike", "joules": "?", "memory": "not published"}
    assert HardwareProfile.model_validate(without(left_out=reasons)).left_out == reasons
    assert refused(without(left_out={"ac": "but it is there"})) == [("recipe_rule",)]


def test_a_key_that_is_none_is_refused() -> None:
    assert refused(without(e_ac=0.9)) == [("e_ac", "extra_forbidden")]
    assert refused(without(int8={"mac": 1, "ac": 1, "bits": 8})) == [("int8", "bits", "extra_forbidden")]
