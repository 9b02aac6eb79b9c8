"""A stored run that names a profile, a convention or a data set that this aspk lacks: a later aspk may have it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.store.population import load_population, save_population
from autospikformer_cli.store.searches import search_names
from autospikformer_cli.store.supernet import load_checkpoint, save_checkpoint

Aspk = Callable[..., Any]
PROFILE = ('profile = "cmos45"', 'profile = "cmos2"')
CONVENTION = ('convention = "sound"', 'convention = "quiet"')
DATASET = ('dataset = "digits"', 'dataset = "kmnist"')
SAID = {
    PROFILE: "energy.profile: the profile cmos2 is not known to this aspk",
    CONVENTION: "energy.convention: the convention quiet is not known to this aspk",
    DATASET: "data.dataset: the data set kmnist is not known to this aspk, it has digits, cifar10, ",
}


def rename(run: Path, *changes: tuple[str, str], limits: str = "{}") -> None:
    """What the run's stored recipes name, otherwise."""
    for name in search_names(run):
        population = load_population(run, name)
        save_population(run, replace(population, recipe_toml=renamed(population.recipe_toml, changes, limits)))
    checkpoint = load_checkpoint(run)
    save_checkpoint(run, replace(checkpoint, recipe_toml=renamed(checkpoint.recipe_toml, changes, "{}")))


def renamed(text: str, changes: tuple[tuple[str, str], ...], limits: str) -> str:
    for before, after in (*changes, ("limits = {}", f"limits = {limits}")):
        assert text.count(f"\n{before}\n") == 1
        text = text.replace(before, after)
    return text


def document(aspk: Aspk, *words: str) -> Any:
    done = aspk(*words, "--json")
    assert done.exit_code == 0, done.stderr
    return done.document


def squeezed(text: str) -> str:
    """With one space for white space of any kind."""
    return re.sub(r"\s+", " ", text)


def refused(aspk: Aspk, *words: str) -> str:
    done = aspk(*words)
    assert (done.exit_code, done.stdout) == (2, ""), done.stderr
    assert "Traceback" not in done.stderr
    return str(done.stderr)


@pytest.mark.parametrize("change", [PROFILE, CONVENTION])
def test_energies_are_not_known(aspk: Aspk, searched: Path, change: tuple[str, str]) -> None:
    """More accuracy ranks first; the rest of the report stays."""
    before = document(aspk, "report")
    rename(searched, change)
    after = document(aspk, "report")
    ranked = sorted(
        before["candidates"], key=lambda each: (-each["top1"], each["params"], [float(gene) for gene in each["subnet"]])
    )
    unknown = {"energy_j": None, "fitness": None}
    drop = {"equal", "p_baseline"}
    assert [{key: each[key] for key in each.keys() - drop} for each in after["candidates"]] == [
        {key: value for key, value in {**each, **unknown}.items() if key not in drop} for each in ranked
    ]
    assert [each["p_baseline"] for each in after["candidates"]] == [each["p_baseline"] for each in ranked]
    assert (after["pareto"], after["kendall_tau"], after["hypervolume"], after["best"]) == ([], None, None, None)
    assert (after["bounds"], after["baseline"]["energy_j"]) == (None, None)
    said = [SAID[change], f"search.objectives: {SAID[change].partition(': ')[2]}"]
    assert after["provenance"]["unknown"] == said
    assert after["provenance"][f"energy_{change[1].split()[0]}"] == change[1].split('"')[1]

    shown = squeezed(aspk("report").stdout)
    assert f"! {said[0]} (no energies, no front and no F_AEB: more accuracy ranks first)" in shown
    assert "│ energy not known: profile " in shown
    assert "bounds" not in shown
    assert "Pareto front: 0 of 18 candidates" in shown
    listed = document(aspk, "runs")["runs"][0]
    assert (listed["state"], listed["searches"]) == ("searched", 1)
    assert aspk("runs", "show", searched.name).exit_code == 0


@pytest.mark.parametrize(("change", "option"), [(PROFILE, "--profile=cmos45"), (CONVENTION, "--convention=sound")])
def test_with_another_profile_or_convention_it_is_priced(
    aspk: Aspk, searched: Path, change: tuple[str, str], option: str
) -> None:
    before = {words: document(aspk, *words) for words in (("report",), ("energy", "--subnet", "c0001"))}
    rename(searched, change)
    for words, found in before.items():
        now = document(aspk, *words, option)
        if words == ("report",):
            assert (found.pop("best") is None, now.pop("best")) == (False, None)  # the search's own, by its own prices
        assert now == found
    setting = ("--set", f"energy.{change[0]}")
    assert aspk("evaluate", "--subnet", "c0001", "--images", "5", *setting).exit_code == 0
    another = document(aspk, "search", "--set", "seed=1", option)
    assert len(another["candidates"]) == 18


@pytest.mark.parametrize("change", [PROFILE, CONVENTION])
def test_what_needs_prices_is_refused_by_name(aspk: Aspk, searched: Path, change: tuple[str, str]) -> None:
    rename(searched, change)
    for words in (
        ("evaluate", "--images", "5"),
        ("evaluate", "--subnet", "c0001", "--images", "5"),
        ("energy",),
        ("energy", "--firing-rate", "0.2", "--subnet", "c0001"),
        ("search",),
        ("search", "--set", "seed=1"),
        ("report", "--alpha-sweep"),
    ):
        said = refused(aspk, *words)
        assert SAID[change] in said
        assert f"choose one, as by --set 'energy.{change[0].replace(' ', '')}'; there are " in said
    assert "the best is not known here: " in refused(aspk, "export", "--to", "a.safetensors")
    assert aspk("export", "--to", "a.safetensors", "--subnet", "c0001", "--images", "5").exit_code == 0


def test_limits_that_need_prices(aspk: Aspk, searched: Path) -> None:
    """A limit on energy is not known; those on synaptic operations and parameters are."""
    rename(searched, PROFILE, limits="{energy = 1e-12, sops = 1e12, params = 1e9}")
    (_, objectives, energy) = document(aspk, "report")["provenance"]["unknown"]
    assert (objectives.split(":")[0], energy.split(":")[0]) == ("search.objectives", "search.limits.energy")
    shown = squeezed(aspk("report").stdout)
    assert "! search.limits.energy: the profile cmos2 is not known to this aspk (candidates that break it are" in shown
    assert len(document(aspk, "report", "--profile", "cmos45")["candidates"]) == 18


def test_a_data_set_of_another_aspk(aspk: Aspk, searched: Path) -> None:
    """What is stored is reported and priced; nothing can be measured."""
    before = {words: document(aspk, *words) for words in (("report",), ("energy",), ("energy", "--subnet", "c0001"))}
    text = load_checkpoint(searched).recipe_toml
    assert text.endswith("\n# images: classes 10, channels 1, image_size 8\n")
    rename(searched, DATASET)
    report = document(aspk, "report")
    (unknown,) = report["provenance"].pop("unknown")
    assert unknown.startswith(SAID[DATASET])
    assert (report["provenance"].pop("dataset"), before[("report",)]["provenance"].pop("dataset")) == (
        "kmnist",
        "digits",
    )
    assert before[("report",)]["provenance"].pop("unknown") == []
    assert report == before.pop(("report",))
    assert f"! {unknown} (no subnet can be measured)" in squeezed(aspk("report").stdout)
    for words, found in before.items():
        assert document(aspk, *words) == found
    assert aspk("runs").exit_code == aspk("runs", "show", searched.name).exit_code == 0
    for words in (
        ("evaluate",),
        ("evaluate", "--split", "validation"),
        ("analyze", "channels"),
        ("export", "--to", "a.safetensors"),
        ("search", "--set", "seed=1"),
        ("search", "--dry-run", "--set", "seed=1"),
    ):
        said = refused(aspk, *words)
        assert SAID[DATASET] in said
        assert "read its images with the aspk that trained the run" in said


def test_a_data_set_whose_shape_is_not_stored(aspk: Aspk, searched: Path) -> None:
    """A run of an earlier commit."""
    rename(searched, DATASET, ("# images: classes 10, channels 1, image_size 8", ""))
    said = refused(aspk, "report")
    assert SAID[DATASET] in said
    assert "; the run does not store their shape" in said
    assert aspk("runs").exit_code == 0


@pytest.mark.parametrize(("change", "key"), [(PROFILE, "profile"), (CONVENTION, "convention"), (DATASET, "dataset")])
def test_a_name_that_a_user_writes_must_be_known(aspk: Aspk, searched: Path, change: tuple[str, str], key: str) -> None:
    """A store's name is no name for others."""
    rename(searched, change)
    section = "data" if key == "dataset" else "energy"
    name = change[1].split(" = ")[1]
    said = refused(aspk, "report", "--set", f"{section}.{key}={name}")
    assert f"--set {section}.{key}={name}: {section}.{key}" in said
    Path("mine.toml").write_text(f'extends = "quickstart"\n[{section}]\n{key} = {name}\n')
    assert f"mine.toml:3: {section}.{key}" in refused(aspk, "train", "mine.toml", "--dry-run")
