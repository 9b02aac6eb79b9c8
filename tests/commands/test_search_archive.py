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
from autospikformer_cli.store.population import load_population, save_population, searches

Aspk = Callable[..., Any]
Once = tuple[Path, Any]


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


def by_subnet(run: Path, name: str = "population.h5") -> dict[Subnet, Measurement]:
    return {candidate.subnet: candidate.measurement for candidate in load_population(run, name).candidates}


def test_another_alpha_measures_only_what_is_new(aspk: Aspk, searched: Path, measured: list[Subnet]) -> None:
    first = (searched / "population.h5").read_bytes()
    done = aspk("search", "--alpha", "0.9")
    assert (done.exit_code, searches(searched)) == (0, ["population.h5", "population-2.h5"])
    assert (searched / "population-2.h5").read_bytes() == first
    before, after = by_subnet(searched, "population-2.h5"), by_subnet(searched)
    assert sorted(map(str, measured)) == sorted(map(str, after.keys() - before.keys()))
    hits = after.keys() & before.keys()
    assert len(hits) >= 6  # the first generation is the same
    assert all(after[subnet] == before[subnet] for subnet in hits)
    lines = done.stderr.splitlines()
    assert lines.count("the search before, with other search.alpha, is kept as runs/tiny/population-2.h5") == 1
    assert re.search(rf"searching: 18/18, .* hits={len(hits)} ", lines[-3])
    assert lines[-2] == f"{len(hits)} of 18 subnets had been measured before"

    second = (searched / "population.h5").read_bytes()
    measured.clear()
    back = aspk("search", "--alpha", "0.5")
    assert (measured, (searched / "population.h5").read_bytes()) == ([], first)
    assert (searched / "population-3.h5").read_bytes() == second
    assert back.stderr.splitlines()[1] == "this search has been begun: population-2.h5 is population.h5 again"
    assert searches(searched) == ["population.h5", "population-3.h5"]


def test_an_unfinished_search_is_gone_back_to(aspk: Aspk, background: Aspk, trained: Path, searched_once: Once) -> None:
    background("search", "--quiet", at="population.h5", number=2).kill()
    assert load_population(trained).state["finished"] is False
    assert aspk("search", "--set", 'search.algorithm="random"', "--set", "search.generations=1").exit_code == 0
    assert aspk("search", "--set", "search.alpha=0.5").exit_code == 0
    assert load_population(trained) == load_population(searched_once[0])
    assert load_population(trained, "population-3.h5").state["algorithm"] == "random"


@pytest.mark.parametrize("override", ['energy.convention="paper"', 'search.normalise="generation"'])
def test_the_seed_and_the_rules_of_energy_and_fitness_change_no_measurement(
    aspk: Aspk, searched: Path, measured: list[Subnet], override: str
) -> None:
    assert aspk("search", "--set", override).exit_code == 0
    assert not set(measured) & by_subnet(searched, "population-2.h5").keys()
    measured.clear()
    assert aspk("search", "--set", "seed=1", "--set", "search.generations=1").exit_code == 0
    known = by_subnet(searched, "population-2.h5").keys() | by_subnet(searched, "population-3.h5").keys()
    assert set(measured) == by_subnet(searched).keys() - known
    assert len(searches(searched)) == 3


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
    assert len(by_subnet(searched).keys() & by_subnet(searched, "population-2.h5").keys()) == 6


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
    before = (searched / "population.h5").read_bytes()
    assert aspk("search", "--set", override).exit_code == 0
    assert (searched / "population.h5").read_bytes() == before


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
    before = (searched / "population.h5").read_bytes()
    done = aspk("search")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: runs/tiny: the search of this run was begun with torch 1.0, not {version('torch')}\n"
        "  go on with the same, or search anew with --fresh (the old population is kept beside)\n"
    )
    assert (searched / "population.h5").read_bytes() == before


def test_a_damaged_search_of_before_is_left_out(aspk: Aspk, searched: Path, measured: list[Subnet]) -> None:
    (searched / "population-2.h5").write_bytes((searched / "population.h5").read_bytes()[:5000])
    done = aspk("search", "--alpha", "0.9", "--set", "search.generations=1")
    assert (done.exit_code, measured) == (0, [])
    left_out = "runs/tiny/population-2.h5 is left out: damaged or cut short, HDF5 cannot open it"
    assert done.stderr.splitlines().count(left_out) == 1


def test_a_search_measured_otherwise_is_not_mixed(aspk: Aspk, searched: Path) -> None:
    before = (searched / "population.h5").read_bytes()
    other = aspk("search", "--precision", "float64")
    assert (other.exit_code, other.stdout) == (2, "")
    assert other.stderr == (
        "error: runs/tiny: the search of this run was begun with other precision\n"
        "  go on with --precision float32, or search anew with --fresh (the old population is kept beside)\n"
    )
    assert searches(searched) == ["population.h5"]
    assert (searched / "population.h5").read_bytes() == before


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
    before = (searched / "population.h5").read_bytes()
    done = aspk("search", "--alpha", "0.9", "--executor", "processes", "--workers", "2")
    assert (done.exit_code, "no worker starts" in done.stderr) == (2, True)
    assert searches(searched) == ["population.h5"]
    assert (searched / "population.h5").read_bytes() == before
