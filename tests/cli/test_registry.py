"""Components by name: built in, or a stranger's."""

from __future__ import annotations

import sys
from decimal import Decimal
from fractions import Fraction
from importlib.machinery import ModuleSpec

import pytest

from autospikformer_cli.errors import UserError
from autospikformer_cli.registry import Registry

BUILTIN = {"decimal": "decimal:Decimal", "fraction": "fractions:Fraction"}


def test_builtin_components_are_resolved_on_first_use() -> None:
    registry = Registry("numbers", BUILTIN | {"absent": "no_such_module:thing"})
    assert registry.names() == ("absent", "decimal", "fraction")
    assert "decimal" in registry
    assert "complex" not in registry
    assert registry.get("decimal") is Decimal
    assert registry.get("fraction") is Fraction
    with pytest.raises(ModuleNotFoundError):
        registry.get("absent")


def test_an_unknown_name_has_its_nearest() -> None:
    registry = Registry("numbers", BUILTIN)
    with pytest.raises(UserError) as raised:
        registry.get("fractoin", "search.number")
    assert str(raised.value) == "search.number: 'fractoin' is not one of the numbers\n  did you mean fraction?"
    with pytest.raises(UserError) as raised:
        registry.get("x")
    assert str(raised.value) == "'x' is not one of the numbers\n  the numbers are decimal, fraction"


def test_strangers_add_components_and_replace_none(tmp_path, site, monkeypatch) -> None:
    site.install(
        "aspk-numbers",
        {"half": "stranger_numbers:HALF", "decimal": "stranger_numbers:HALF", "bad": "stranger_numbers:BAD"},
        {"stranger_numbers": "HALF = 0.5"},
        group="aspk.numbers",
    )
    monkeypatch.syspath_prepend(str(site.folder))
    registry = Registry("numbers", BUILTIN)
    assert registry.names() == ("bad", "decimal", "fraction", "half")
    assert registry.get("half") == 0.5
    assert registry.get("decimal") is Decimal
    with pytest.raises(UserError) as raised:
        registry.get("bad", "energy.profile")
    assert str(raised.value) == (
        "energy.profile: number bad of aspk-numbers does not load: "
        "AttributeError: module 'stranger_numbers' has no attribute 'BAD'\n"
        "  repair or uninstall aspk-numbers; everything else works without it"
    )


def test_a_summary_is_found_through_an_editable_install_s_own_finder(tmp_path, site, monkeypatch, aspk) -> None:
    """Editable installs may put a finder of their own on sys.meta_path; one that raises must not hurt."""
    from importlib.util import spec_from_file_location

    (tmp_path / "elsewhere.py").write_text('"""From elsewhere."""\nraise RuntimeError("imported")\n')
    site.install("aspk-editable", {"edit": "mapped_module:edit", "odd": "cursed:odd"}, {})

    class Mapping:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            if name == "cursed":
                raise OSError("a finder fails")
            return spec_from_file_location(name, tmp_path / "elsewhere.py") if name == "mapped_module" else None

    monkeypatch.setattr(sys, "meta_path", [Mapping, *sys.meta_path])
    monkeypatch.syspath_prepend(str(site.folder))
    listing = aspk("--help").stdout
    assert "\n  edit      From elsewhere.\n" in listing
    assert "\n  odd       What aspk-editable is for\n" in listing
