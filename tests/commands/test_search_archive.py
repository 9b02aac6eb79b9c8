"""Nothing twice: a run's searches take what any of them measured, and only where it would be measured alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.evaluator import Evaluator
from autospikformer_cli.evaluation.processes import Processes
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe import recipe_from_toml
from autospikformer_cli.runs.conditions import Conditions
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.population import load_population, save_population
from autospikformer_cli.store.searches import present_search, search_names

Aspk = Callable[..., Any]
Once = tuple[Path, Any]
FIRST = "evolution-alpha0.5-seed0"
"""The search that a test's run has had."""


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Subnet]:
    """Every subnet that an evaluator measures in this process, in turn."""
    seen: list[Subnet] = []
    measure_many = Evaluator.measure_many

    def noted(self: Evaluator, subnets: Any, *rest: Any) -> Any:
        for part in measure_many(self, subnets, *rest):
            seen.extend(part)
            yield part

    monkeypatch.setattr(Evaluator, "measure_many", noted)
    return seen


def file_of(run: Path, name: str = FIRST) -> Path:
    return run / "searches" / f"{name}.h5"


def by_subnet(run: Path, name: str | None = None) -> dict[Subnet, Measurement]:
    return {candidate.subnet: candidate.measurement for candidate in load_population(run, name).candidates}


def test_another_alpha_measures_only_what_is_new(aspk: Aspk, searched: Path, measured: list[Subnet]) -> None:
    first = file_of(searched).read_bytes()
    done = aspk("search", "--alpha", "0.9")
    other = "evolution-alpha0.9-seed0"
    assert (done.exit_code, search_names(searched)) == (0, [FIRST, other])
    assert file_of(searched).read_bytes() == first
    before, after = by_subnet(searched, FIRST), by_subnet(searched)
    assert sorted(map(str, measured)) == sorted(map(str, after.keys() - before.keys()))
    hits = after.keys() & before.keys()
    assert len(hits) >= 6  # the first generation is the same
    assert all(after[subnet] == before[subnet] for subnet in hits)
    lines = done.stderr.splitlines()
    said = f"this search is called {other}; the one before, which differs in search.alpha, is {FIRST}"
    assert lines.count(said) == 1
    assert re.search(rf"searching: 18/18 subnets, .*reused={len(hits)} ", lines[-3])
    assert lines[-2] == f"{len(hits)} of 18 subnets had been measured before"

    second = file_of(searched, other).read_bytes()
    measured.clear()
    back = aspk("search", "--alpha", "0.5")
    assert (measured, file_of(searched).read_bytes(), file_of(searched, other).read_bytes()) == ([], first, second)
    said = f"this search has been begun, it is {FIRST}; the one before, which differs in search.alpha, is {other}"
    assert back.stderr.splitlines()[0] == said
    assert (search_names(searched), present_search(searched)) == ([FIRST, other], FIRST)


def test_an_unfinished_search_is_gone_back_to(aspk: Aspk, background: Aspk, trained: Path, searched_once: Once) -> None:
    background("search", "--quiet", at=f"{FIRST}.h5", number=2).kill()
    assert load_population(trained).state["finished"] is False
    assert aspk("search", "--set", 'search.algorithm="random"', "--set", "search.generations=1").exit_code == 0
    assert aspk("search", "--set", "search.alpha=0.5").exit_code == 0
    gone_on, alone = load_population(trained), load_population(searched_once[0])
    assert gone_on.name == FIRST
    assert by_subnet(trained, FIRST) == by_subnet(searched_once[0])
    assert [each.generation for each in gone_on.candidates] == [each.generation for each in alone.candidates]
    other = load_population(trained, "random-alpha0.5-seed0-generations1")
    assert other.state["algorithm"] == "random"
    ids = {each.id: each.subnet for each in (*gone_on.candidates, *other.candidates)}
    assert len(ids) == len({each.subnet for each in (*gone_on.candidates, *other.candidates)})


@pytest.mark.parametrize("override", ['energy.convention="paper"', 'search.normalise="generation"'])
def test_the_seed_and_the_rules_of_energy_and_fitness_change_no_measurement(
    aspk: Aspk, searched: Path, measured: list[Subnet], override: str
) -> None:
    assert aspk("search", "--set", override).exit_code == 0
    assert not set(measured) & by_subnet(searched, FIRST).keys()
    second = load_population(searched).name
    measured.clear()
    assert aspk("search", "--set", "seed=1", "--set", "search.generations=1").exit_code == 0
    known = by_subnet(searched, FIRST).keys() | by_subnet(searched, second).keys()
    assert set(measured) == by_subnet(searched).keys() - known
    assert len(search_names(searched)) == 3


def test_fresh_measures_all_anew(aspk: Aspk, searched: Path, measured: list[Subnet], searched_once: Once) -> None:
    done = aspk("search", "--fresh", "--quiet")
    assert (done.exit_code, len(measured), len(set(measured))) == (0, 19, 19)
    assert load_population(searched).candidates == load_population(searched_once[0]).candidates


@pytest.mark.parametrize(
    "override",
    ["search.images=50", 'search.split="test"', 'model.batchnorm="running"', "model.calibration_images=16",
     "model.fires_at='exceed'"],
)  # fmt: skip
def test_what_is_measured_otherwise_is_measured_anew(
    aspk: Aspk, searched: Path, measured: list[Subnet], override: str
) -> None:
    assert aspk("search", "--set", override, "--set", "search.generations=1").exit_code == 0
    assert len(measured) == 7
    assert len(by_subnet(searched).keys() & by_subnet(searched, FIRST).keys()) == 6


@pytest.mark.parametrize("override", ["model.evaluation_batch=7", 'model.surrogate="arctan"'])
def test_what_changes_no_inference_is_taken(aspk: Aspk, searched: Path, measured: list[Subnet], override: str) -> None:
    assert aspk("search", "--set", override, "--set", "search.generations=1").exit_code == 0
    assert measured == []


def test_conditions_know_the_heads_of_a_network_that_searches_none(searched_once: Once) -> None:
    population = load_population(searched_once[0])

    def conditions(*overrides: str) -> Conditions:
        return Conditions.of(population.provenance, recipe_from_toml(population.recipe_toml, "tiny", overrides))

    assert conditions() == conditions("space.num_heads=[2]", "search.alpha=1", "energy.head=false", "train.batch=2")
    fixed = "model.searched_heads=false"
    assert conditions(fixed) not in (conditions(), conditions(fixed, "space.num_heads=[2]"))


@pytest.mark.parametrize("override", ["model.evaluation_memory=7", 'data.cache="elsewhere"'])
def test_a_search_goes_on_under_keys_that_change_nothing(aspk: Aspk, searched: Path, override: str) -> None:
    assert aspk("search", "--alpha", "0.9", "--set", "search.generations=1").exit_code == 0
    assert present_search(searched) == "evolution-alpha0.9-seed0-generations1"
    before = file_of(searched, "evolution-alpha0.9-seed0-generations1").read_bytes()
    assert aspk("search", "--set", override).exit_code == 0
    assert file_of(searched, "evolution-alpha0.9-seed0-generations1").read_bytes() == before
    assert len(search_names(searched)) == 2


def computed_otherwise(run: Path, name: str, value: str, **state: object) -> None:
    """The run's search as if it had been computed with another version, or other threads."""
    population = load_population(run)
    computed_with = {**population.provenance.computed_with, name: value}
    provenance = replace(population.provenance, computed_with=computed_with)
    save_population(run, replace(population, provenance=provenance, state={**population.state, **state}))


def test_what_another_version_measured_is_measured_anew(aspk: Aspk, searched: Path, measured: list[Subnet]) -> None:
    assert set(load_population(searched).provenance.computed_with) == {
        "python", "autospikformer-cli", "torch", "numpy", "numba"
    }  # fmt: skip
    computed_otherwise(searched, "torch", "1.0")
    assert aspk("search", "--alpha", "0.9", "--set", "search.generations=1").exit_code == 0
    assert len(measured) == 7


def test_dense_results_of_other_threads_are_measured_anew(aspk: Aspk, trained: Path, measured: list[Subnet]) -> None:
    dense = ("search", "--engine", "dense", "--set", "search.generations=1", "--alpha")
    assert aspk(*dense, "0.5").exit_code == 0
    assert load_population(trained).provenance.computed_with["threads"] == "1"
    computed_otherwise(trained, "threads", "2")
    measured.clear()
    assert aspk(*dense, "0.9").exit_code == 0
    assert len(measured) == 7


def test_a_search_does_not_go_on_with_another_version(aspk: Aspk, searched: Path) -> None:
    computed_otherwise(searched, "torch", "1.0", finished=False)
    before = file_of(searched).read_bytes()
    done = aspk("search")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: runs/tiny: the search of this run was begun with torch 1.0, not {version('torch')}\n"
        "  go on with the same, or search anew with --fresh (the old population is kept beside)\n"
    )
    assert file_of(searched).read_bytes() == before


def test_a_damaged_search_of_before_is_left_out(aspk: Aspk, searched: Path, measured: list[Subnet]) -> None:
    file_of(searched, "damaged").write_bytes(file_of(searched).read_bytes()[:5000])
    done = aspk("search", "--alpha", "0.9", "--set", "search.generations=1")
    assert (done.exit_code, measured) == (0, [])
    left_out = "runs/tiny/searches/damaged.h5 is left out: damaged or cut short, HDF5 cannot open it"
    assert done.stderr.splitlines().count(left_out) == 1


def test_a_search_measured_otherwise_is_not_mixed(aspk: Aspk, searched: Path) -> None:
    before = file_of(searched).read_bytes()
    other = aspk("search", "--precision", "float64")
    assert (other.exit_code, other.stdout) == (2, "")
    assert other.stderr == (
        "error: runs/tiny: the search of this run was begun with other precision\n"
        "  go on with --precision float32, or search anew with --fresh (the old population is kept beside)\n"
    )
    assert search_names(searched) == [FIRST]
    assert file_of(searched).read_bytes() == before


def test_a_baseline_that_the_search_draws_is_measured_once(
    aspk: Aspk, trained: Path, searched_once: Once, measured: list[Subnet]
) -> None:
    drawn = load_population(searched_once[0]).candidates[2].subnet
    assert aspk("search", "--set", f"search.baseline={drawn.to_numbers()}").exit_code == 0
    population = load_population(trained)
    assert population.baseline.subnet == drawn
    assert drawn in by_subnet(trained)
    assert sorted(map(str, measured)) == sorted(map(str, by_subnet(trained)))


def test_a_search_that_cannot_begin_moves_nothing(aspk: Aspk, searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: Processes) -> None:
        raise UserError("no worker starts", "--executor", None)

    monkeypatch.setattr(Processes, "start", start)
    before = file_of(searched).read_bytes()
    done = aspk("search", "--alpha", "0.9", "--executor", "processes", "--workers", "2")
    assert (done.exit_code, "no worker starts" in done.stderr) == (2, True)
    assert search_names(searched) == [FIRST]
    assert file_of(searched).read_bytes() == before
