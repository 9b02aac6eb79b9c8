"""Fidelity profiles: what they set, what overrides them, and that they say so."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import sys
import textwrap
from collections.abc import Callable
from functools import reduce
from pathlib import Path

import pytest
import tomli

from autospikformer_cli.errors import Faults
from autospikformer_cli.recipe import Recipe, differing_keys, load_recipe, recipe_from_toml
from autospikformer_cli.recipe.energy.models import RULES, shipped_convention
from autospikformer_cli.recipe.fidelity import (
    CONVENTION_SWITCHES,
    NETWORK_KEYS,
    PROFILE_SWITCHES,
    Fidelity,
    Switch,
)
from autospikformer_cli.recipe.whole import SECTIONS, default_switches

FaultsOf = Callable[..., list[tuple[str | None, str, str | None]]]
NAMES: tuple[Fidelity, ...] = ("sound", "paper", "authors")
SWITCHES = (*PROFILE_SWITCHES, *CONVENTION_SWITCHES)
READINGS = tomli.loads((Path(__file__).parents[2] / "docs" / "readings.toml").read_text(encoding="utf-8"))["reading"]

PAPER = {
    "model.decay_input": False,
    "model.fires_at": "exceed",
    "model.stem_threshold": 0.5,
    "train.schedule": "timm",
    "search.split": "test",
    "search.mutation": "one_gene",
    "energy.convention": "paper",
}
AUTHORS = {
    "model.threshold_scope": "fc1",
    "model.searched_heads": False,
    "model.batchnorm": "batch",
    "train.schedule": "timm",
    "train.mixup_epochs": 200,
    "search.split": "test",
    "search.alpha": 0.0,
    "search.parents": 10,
    "search.p_depth": 0.4,
    "search.p_mutation": 0.2,
}


def write(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")


def named(fidelity: str) -> str:
    """The --set option of a fidelity."""
    return f'fidelity="{fidelity}"'


def values(recipe: Recipe) -> dict[str, object]:
    """Every key that a profile sets, with its value in the recipe."""
    return {switch.key: recipe.value(switch.key) for switch in PROFILE_SWITCHES}


def profile(name: Fidelity) -> dict[str, object]:
    """Every key that a profile sets, with the profile's value; the default of a key that it leaves alone."""
    return {
        switch.key: default_of(switch) if (value := switch.value(name)) is None else value
        for switch in PROFILE_SWITCHES
    }


def default_of(switch: Switch) -> object:
    """The value of a key that nothing sets."""
    section, key = switch.key.split(".")
    return SECTIONS[section].model_fields[key].default


@pytest.mark.parametrize("switch", PROFILE_SWITCHES, ids=lambda switch: switch.key)
def test_sound_is_the_default(switch: Switch) -> None:
    default = default_of(switch)
    assert switch.sound is None or (type(default), default) == (type(switch.sound), switch.sound)


def test_what_depends_on_the_data_set_is_the_recipes_own_unless_a_source_says_it() -> None:
    """Spikformer's training on events mixes 75 of 96 epochs. The authors' settings name epoch 200 for CIFAR."""
    assert [switch.key for switch in PROFILE_SWITCHES if switch.sound is None] == ["train.mixup_epochs"]
    assert load_recipe("cifar10dvs").switches() == ()
    ends = {name: load_recipe("cifar10dvs", [named(name)]).train.mixup_epochs for name in NAMES}
    assert ends == {"sound": 0.78125, "paper": 0.78125, "authors": 200}


PLACES = [(reading["key"], place) for reading in READINGS if "key" in reading for place in reading["computed"]]
NAMED_OTHERWISE = {"model.searched_heads": "fixed_heads"}


@pytest.mark.parametrize(("key", "place"), PLACES)
def test_what_computes_a_switch_exists_and_reads_its_key(key: str, place: str) -> None:
    module, _, attribute = place.partition(":")
    found = reduce(getattr, attribute.split("."), importlib.import_module(module))
    has_source = inspect.isclass(found) or inspect.isfunction(found)
    source = inspect.getsource(found if has_source else sys.modules[module])
    assert NAMED_OTHERWISE.get(key, key.split(".")[1]) in names_read(source)


def names_read(source: str) -> set[str]:
    """Names, attributes and arguments that code reads or passes on; not fields that are only declared."""
    nodes = list(ast.walk(ast.parse(textwrap.dedent(source))))
    loaded = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return loaded | attributes | {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg}


def test_every_switch_stands_once_and_is_computed_somewhere() -> None:
    keys = [switch.key for switch in SWITCHES]
    assert len(set(keys)) == len(keys)
    assert not {*keys} & {*NETWORK_KEYS}
    assert {key for key, _ in PLACES} == {*keys}


def test_a_silent_source_takes_ours() -> None:
    switch_of = {switch.key: switch for switch in SWITCHES}
    silent = [(switch_of[reading["key"]], name) for reading in READINGS for name in reading.get("silent", ())]
    assert {name for _, name in silent} == {"paper", "authors"}
    assert [switch.key for switch, name in silent if switch.value(name) != switch.sound] == []


@pytest.mark.parametrize(("name", "differing"), [("sound", {}), ("paper", PAPER), ("authors", AUTHORS)])
def test_what_a_profile_sets(name: Fidelity, differing: dict[str, object]) -> None:
    recipe = load_recipe("quickstart", [named(name)])
    assert recipe.fidelity == name
    assert values(recipe) == {**profile("sound"), **differing}
    assert recipe.switches() == ()


@pytest.mark.parametrize("name", NAMES)
def test_the_table_has_every_rule_of_the_convention_that_a_profile_names(name: Fidelity) -> None:
    (named_convention,) = (switch.value(name) for switch in PROFILE_SWITCHES if switch.key == "energy.convention")
    rules = {switch.key.removeprefix("energy."): switch.value(name) for switch in CONVENTION_SWITCHES}
    assert rules == shipped_convention(str(named_convention)).rules()
    assert tuple(rules) == RULES


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_survives_writing(name: str) -> None:
    recipe = load_recipe("cifar100-small", [named(name), "search.p_depth=0.25", 'energy.residual="mac"'])
    again = recipe_from_toml(recipe.to_toml())
    assert again == recipe
    assert again.to_toml() == recipe.to_toml()
    assert again.switches() == ("search.p_depth = 0.25", 'energy.residual = "mac"')
    assert again.resolved_switches() == recipe.resolved_switches()


@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("second", NAMES)
def test_a_profile_is_laid_over_a_stored_recipe(first: Fidelity, second: Fidelity) -> None:
    stored = load_recipe("quickstart", [named(first)]).to_toml()
    recipe = recipe_from_toml(stored, overrides=[named(second)])
    left = {switch.key: profile(first)[switch.key] for switch in PROFILE_SWITCHES if switch.value(second) is None}
    assert values(recipe) == {**profile(second), **left}
    same = recipe_from_toml(stored)
    changed = [key for key in profile(second) if profile(first)[key] != values(recipe)[key]]
    assert sorted(differing_keys(same, recipe)) == sorted([*changed, *(["fidelity"] * (first != second))])


NEW_SWITCHES = ("train.schedule", "search.mutation")


def before(text: str, *keys: str) -> str:
    """A stored recipe as an aspk without some keys wrote it."""
    names = tuple(f"{key.split('.')[1]} = " for key in keys)
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(names))


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_recipe_of_before_a_switch_keeps_what_it_meant(name: Fidelity) -> None:
    """Its fidelity names a value that was not in force then; a user's own file of today takes it."""
    stored = before(load_recipe("quickstart", [named(name)]).to_toml(), *NEW_SWITCHES)
    assert not [line for line in stored.splitlines() if line.split(" = ")[0] in ("schedule", "mutation")]
    recipe = recipe_from_toml(stored)
    assert values(recipe) == {**profile(name), "train.schedule": "after_warmup", "search.mutation": "each_gene"}
    assert recipe.train.total_epochs == recipe.train.epochs
    said = [switch.split(" = ")[0] for switch in recipe.switches()]
    assert said == [key for key in NEW_SWITCHES if profile(name)[key] != profile("sound")[key]]
    assert values(recipe_from_toml(stored, overrides=[named(name)])) == profile(name)
    assert recipe_from_toml(recipe.to_toml()) == recipe
    write("mine.toml", stored)
    assert values(load_recipe("mine.toml")) == profile(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_switch_of_a_stored_recipe_may_be_of_later(name: Fidelity) -> None:
    """Whatever switch aspk adds next: a text without it has our value, which is the default."""
    stored = load_recipe("quickstart", [named(name)]).to_toml()
    for switch in PROFILE_SWITCHES:
        section, key = switch.key.split(".")
        lines = stored.partition(f"[{section}]\n")
        text = (
            lines[0]
            + lines[1]
            + "".join(f"{line}\n" for line in lines[2].split("\n") if not line.startswith(f"{key} = "))
        )
        assert recipe_from_toml(text).value(switch.key) == default_of(switch), switch.key


def test_without_a_fidelity_the_defaults_hold_and_files_set_keys(small: str) -> None:
    write("mine.toml", small + "[search]\nparents = 7\n")
    recipe = load_recipe("mine.toml")
    assert values(recipe) == {**profile("sound"), "search.parents": 7}
    assert recipe.switches() == ("search.parents = 7",)


def test_keys_of_the_same_file_override_wherever_they_stand(small: str) -> None:
    write("mine.toml", 'fidelity = "authors"\n' + small + "[search]\nparents = 7\n[model]\nsearched_heads = true\n")
    recipe = load_recipe("mine.toml")
    assert values(recipe) == {**profile("authors"), "search.parents": 7, "model.searched_heads": True}
    assert recipe.switches() == ("model.searched_heads = true", "search.parents = 7")


def test_keys_of_an_extended_file_are_replaced_and_of_an_extending_one_override(small: str) -> None:
    write("base.toml", small + "[search]\nparents = 7\npopulation = 33\n[model]\nreset = 'soft'\n")
    write("middle.toml", 'extends = "base.toml"\nfidelity = "paper"\nmodel.decay_input = true\n')
    write("top.toml", 'extends = "middle.toml"\n[model]\nfires_at = "reach"\n')
    assert values(load_recipe("middle.toml")) == {**profile("paper"), "model.decay_input": True}
    top = load_recipe("top.toml")
    assert values(top) == {**profile("paper"), "model.decay_input": True, "model.fires_at": "reach"}
    assert (top.fidelity, top.search.population) == ("paper", 33)
    write("other.toml", 'extends = "top.toml"\nfidelity = "authors"\n')
    assert values(load_recipe("other.toml")) == profile("authors")


def test_a_fidelity_set_lies_over_files_and_under_every_other_set(small: str) -> None:
    write("mine.toml", 'fidelity = "paper"\n' + small + "[search]\nalpha = 0.9\nparents = 7\n")
    for options in (["search.parents=3", named("authors")], [named("authors"), "search.parents=3"]):
        recipe = load_recipe("mine.toml", options)
        assert values(recipe) == {**profile("authors"), "search.parents": 3}
        assert recipe.fidelity == "authors"
    twice = load_recipe("mine.toml", [named("authors"), "search.parents=3", named("paper")])
    assert values(twice) == {**profile("paper"), "search.parents": 3}


def test_an_unknown_fidelity_is_told_and_sets_nothing(faults_of: FaultsOf, small: str) -> None:
    told = 'fidelity must be "sound", "paper" or "authors", not '
    assert faults_of('fidelity = "papr"\n' + small) == [("mine.toml:1", told + '"papr"', 'did you mean "paper"?')]
    assert faults_of(small, "fidelity=3") == [("--set fidelity=3", told + "3", None)]
    assert faults_of(small, "fidelity=['paper']") == [
        ("--set fidelity=['paper']", told + '["paper"]', 'did you mean "paper"?')
    ]


def test_a_rule_that_a_profile_breaks_is_blamed_on_its_name_or_tells_of_it(faults_of: FaultsOf, small: str) -> None:
    what = "search.parents is 10, more than search.population 5"
    sets = 'fidelity = "authors" sets search.parents = 10'
    in_file = f"{sets}: write it beside fidelity for another value"
    by_option = f"{sets}: add --set search.parents=VALUE for another value"
    few = "[search]\npopulation = 5\n"
    ((where, told, fix),) = faults_of(small + few + "parents = 5\n", named("authors"))
    assert (where, told, fix) == (f"--set {named('authors')}", what, by_option)
    assert faults_of('fidelity = "authors"\n' + small + few) == [("mine.toml:17", what, in_file)]
    write("base.toml", small + few + "parents = 5\n")
    assert faults_of('extends = "base.toml"\n\nfidelity = "authors"\n') == [("mine.toml:3", what, in_file)]
    assert faults_of('fidelity = "authors"\n' + small + few, "search.parents=6") == [
        ("--set search.parents=6", "search.parents is 6, more than search.population 5", None)
    ]


def test_a_mistake_beside_a_fidelity_is_still_told(small: str) -> None:
    write("mine.toml", 'fidelity = "paper"\n' + small + "[model]\ndecay_input = 1\nzzz = 1\n")
    with pytest.raises(Faults) as caught:
        load_recipe("mine.toml")
    assert str(caught.value).splitlines()[:2] == [
        "mine.toml:17: model.decay_input must be true or false, not 1",
        "mine.toml:18: model.zzz is not a key",
    ]


def test_switches_of_the_energy_convention() -> None:
    recipe = load_recipe("quickstart", [named("sound"), 'energy.convention="paper"', 'energy.order="qk_v"'])
    assert recipe.switches() == ('energy.convention = "paper"',)
    assert recipe.resolved_switches()["energy.event_input"] == "mac"
    own = load_recipe("quickstart", [named("paper"), 'energy.event_input="ac"', 'energy.first_layer_steps="once"'])
    assert own.switches() == ('energy.event_input = "ac"',)


@pytest.mark.parametrize(
    "options", [[], ['energy.residual="mac"'], ['energy.convention="paper"', 'energy.order="q_kv"']]
)
def test_resolved_switches_are_those_that_count(options: list[str]) -> None:
    recipe = load_recipe("quickstart", options)
    resolved = recipe.resolved_switches()
    for switch in CONVENTION_SWITCHES:
        assert resolved[switch.key] == getattr(recipe.energy.rules, switch.key.split(".")[1])
    assert recipe.energy.rules.residual == ("mac" if options == ['energy.residual="mac"'] else "ac")
    assert {key: resolved[key] for key in values(recipe)} == values(recipe)
    named = [switch.key for switch in PROFILE_SWITCHES]
    rules = [switch.key for switch in CONVENTION_SWITCHES]
    assert list(resolved) == [*NETWORK_KEYS, *named, "energy.profile", *rules]


def test_the_document_names_fidelity_switches_and_every_value() -> None:
    recipe = load_recipe("quickstart", [named("authors"), "search.alpha=0.25"])
    document = recipe.fidelity_document()
    assert (document["fidelity"], document["switches"]) == ("authors", ["search.alpha = 0.25"])
    assert document["resolved"] == recipe.resolved_switches()
    assert json.loads(json.dumps(document)) == document


def test_the_default_of_every_switch() -> None:
    recipe = load_recipe("quickstart")
    defaults = default_switches()
    assert set(defaults) == set(recipe.resolved_switches())
    differing = {key for key, value in recipe.resolved_switches().items() if value != defaults[key]}
    assert differing == {"search.parents", "model.evaluation_batch"}
    changes = {"model.reset": "soft", "energy.order": "q_kv", "energy.profile": "loihi", "energy.convention": "paper"}
    other = load_recipe("quickstart", changes).resolved_switches()
    assert {key for key, value in other.items() if value != defaults[key]} == {
        *changes, *differing, "energy.event_input", "energy.head"
    }  # fmt: skip
