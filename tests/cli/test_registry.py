"""Components by name: built in, or a stranger's."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec

import pytest

from autospikformer_cli.errors import UserError
from autospikformer_cli.registry import REMARKS, Registry
from autospikformer_cli.search.objectives import TOP1


def test_our_components_are_resolved_on_first_use() -> None:
    registry = Registry("algorithms")
    assert {"evolution", "random", "nsga2", "exhaustive", "predictor"} <= set(registry.names())
    assert "evolution" in registry
    assert "guessing" not in registry
    evolution = registry.get("evolution")
    assert isinstance(evolution, type)
    assert evolution.__name__ == "Evolution"


def test_an_unknown_name_has_its_nearest() -> None:
    registry = Registry("executors")
    with pytest.raises(UserError) as raised:
        registry.get("proceses", "--executor")
    assert str(raised.value) == "--executor: 'proceses' is not one of the executors\n  did you mean processes?"
    with pytest.raises(UserError) as raised:
        registry.get("x")
    assert str(raised.value).startswith("'x' is not one of the executors\n  the executors are in-process, processes")


def test_strangers_add_components_and_replace_none(tmp_path, site, monkeypatch) -> None:
    site.install(
        "aspk-objectives",
        {"half": "stranger_objectives:HALF", "top1": "stranger_objectives:HALF", "bad": "stranger_objectives:BAD"},
        {"stranger_objectives": "HALF = 0.5"},
        group="aspk.objectives",
    )
    monkeypatch.syspath_prepend(str(site.folder))
    registry = Registry("objectives")
    assert {"bad", "half", "top1"} <= set(registry.names())
    assert registry.get("half") == 0.5
    assert registry.get("top1") is TOP1
    told = "the objective top1 of aspk-objectives is not used: aspk has one of that name"
    assert list(REMARKS) == [told]
    REMARKS.clear()
    with pytest.raises(UserError) as raised:
        registry.get("bad", "energy.profile")
    assert str(raised.value) == (
        "energy.profile: objective bad of aspk-objectives does not load: "
        "AttributeError: module 'stranger_objectives' has no attribute 'BAD'\n"
        "  repair or uninstall aspk-objectives; everything else works without it"
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
