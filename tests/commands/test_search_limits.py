"""aspk search: limits, algorithms, objectives and hypervolume, executors."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospikformer_cli.recipe import recipe_from_toml
from autospikformer_cli.search import generations
from autospikformer_cli.store.population import load_population, save_population, written_as
from autospikformer_cli.store.searches import present_search, search_file, search_names
from autospikformer_cli.store.supernet import load_checkpoint, save_checkpoint

Aspk = Callable[..., Any]
FIRST = "searches/evolution-alpha0.5-seed0.h5"
"""The file of the first search of a test's run."""
Once = tuple[Path, Any]


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives up early, so that the tests are fast."""
    monkeypatch.setattr(generations, "MOST_REFUSED", 200)


def test_limits_are_kept_stored_and_shown(aspk: Aspk, trained: Path) -> None:
    done = aspk("search", "--max-time-step", "2", "--max-params", "9k", "--max-energy", "1e6 uJ", "--json")
    assert done.exit_code == 0
    population = load_population(trained)
    assert {c.subnet.time_step for c in population.candidates} == {2}
    assert max(c.measurement.params for c in population.candidates) <= 9000
    assert population.state["refused"].keys() == {"params", "time_step"}
    recipe = recipe_from_toml(population.recipe_toml)
    assert recipe.search.limits == {"params": 9000.0, "energy": 1.0, "time_step": 2.0}
    assert done.document["provenance"]["limits"] == [
        "parameters at most 9000", "energy at most 1 J", "time steps at most 2"
    ]  # fmt: skip
    assert done.document["baseline"]["subnet"][-2] == 3  # it is compared with, not searched
    shown = re.sub(r"[│\s]+", " ", aspk("report").stdout)
    assert "limits parameters at most 9000, energy at most 1 J, time steps at most 2" in shown

    assert search_names(trained) == ["evolution-alpha0.5-seed0-params9000-energy1-time_step2"]
    file = search_file(trained, population.name)
    stored = file.read_bytes()
    assert aspk("search").exit_code == 0
    assert file.read_bytes() == stored


def test_limits_that_no_subnet_keeps_move_nothing(aspk: Aspk, searched: Path, few_draws: None) -> None:
    done = aspk("search", "--max-params", "10", "--max-time-step", "2")
    assert (done.exit_code, done.stdout) == (2, "")
    said = re.fullmatch(
        r"error: search\.limits: no subnet keeps to the limits: search\.limits\.params excluded 100 % of 400 samples, "
        r"search\.limits\.time_step (\d\d\.\d) %\n"
        r"  loosen search\.limits\.params; smaller subnets need a wider \[space\], and its supernet trained\n",
        done.stderr,
    )
    assert said
    assert 40 < float(said[1]) < 60
    assert search_names(searched) == ["evolution-alpha0.5-seed0"]


def test_a_search_without_a_feasible_subnet_is_kept(aspk: Aspk, searched: Path) -> None:
    done = aspk("search", "--max-energy", "1e-12", "--quiet")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "error: search.limits: no subnet keeps to the limits: "
        "search.limits.energy excluded 100 % of 18 measured subnets\n"
        "  loosen search.limits.energy: the best energy measured is "
    )
    assert len(load_population(searched).candidates) == 18
    stored = (searched / FIRST).read_bytes()
    assert aspk("search", "--quiet").stderr == done.stderr
    assert (searched / FIRST).read_bytes() == stored
    for words in (("report",), ("report", "--figure", "front", "--to", "a.png")):
        refused = aspk(*words)
        assert (refused.exit_code, refused.stdout, refused.stderr) == (2, "", done.stderr)
    swept = aspk("report", "--alpha-sweep")  # of all searches of the run
    assert (swept.exit_code, swept.stdout) == (2, "")
    assert re.match(r"error: search.limits: no subnet keeps .* search.limits.energy excluded 100 % of ", swept.stderr)
    best = aspk("evaluate", "--subnet", "best")
    assert (best.exit_code, best.stderr) == (2, done.stderr)
    lifted = aspk("report", "--set", 'search.limits.energy="none"', "--json").document
    assert (len(lifted["candidates"]), lifted["rejected"]) == (18, [])


def test_a_search_that_its_limits_emptied_leaves_its_name(aspk: Aspk, trained: Path) -> None:
    """The next try of the name is not refused. What was measured keeps its ids, under a name of its own."""
    tight, loose = ("--name", "mine", "--max-energy", "1nJ"), ("--name", "mine", "--max-energy", "1uJ")
    assert aspk("search", *tight, "--quiet").exit_code == 2
    emptied = load_population(trained, "mine")
    stored = search_file(trained, "mine").read_bytes()
    assert aspk("search", *tight, "--quiet").exit_code == 2
    assert aspk("search", *loose, "--dry-run").exit_code == 0
    assert search_file(trained, "mine").read_bytes() == stored, "nothing but another search takes the name"

    done = aspk("search", *loose, "--json")
    assert (done.exit_code, done.document["search"]) == (0, "mine")
    other = "evolution-alpha0.5-seed0-energy1e_09"
    assert f"limits left no candidate to the search mine: it is called {other} now\n" in done.stderr
    assert search_names(trained) == [other, "mine"]
    assert load_population(trained, other) == replace(emptied, name=other)
    assert written_as(trained, other) is None
    ids = {candidate.subnet: candidate.id for candidate in emptied.candidates}
    shared = [each for each in load_population(trained, "mine").candidates if each.subnet in ids]
    assert shared
    assert all(each.id == ids[each.subnet] for each in shared)
    assert aspk("search", *tight).exit_code == 2, "one with candidates keeps its name"
    assert present_search(trained) == "mine"


@pytest.mark.parametrize("fresh", [(), ("--fresh",)])
def test_a_name_that_was_left_can_be_taken_anew(aspk: Aspk, trained: Path, fresh: tuple[str, ...]) -> None:
    assert aspk("search", "--name", "mine", "--max-energy", "1nJ", "--quiet").exit_code == 2
    assert aspk("search", "--name", "mine", "--alpha", "0.9", *fresh, "--quiet").exit_code == 0
    assert search_names(trained) == ["evolution-alpha0.5-seed0-energy1e_09", "mine"]


def test_a_limit_that_excludes_next_to_nothing_is_said(aspk: Aspk, trained: Path) -> None:
    """A bare number is in joules."""
    done = aspk("search", "--max-energy", "1", "--max-params", "20k")
    assert done.exit_code == 0
    (told,) = (line for line in done.stderr.splitlines() if line.startswith("! search.limits"))
    baseline = aspk("report", "--json").document["baseline"]["energy_j"]
    times = f"{1 / baseline:,.0f} times the baseline's {baseline * 1e6:.4g} µJ"
    assert told == (
        f"! search.limits.energy: energy at most 1 J is {times}, and excludes next to nothing; "
        "a number without a prefix is in joules"
    )
    assert "! search.limits" not in aspk("search", "--max-energy", "1uJ").stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--name", "a/b"),
        ("--name", "other"),
        ("--name", "evolution-alpha0.5-seed0", "--alpha", "0.9"),
        ("--name", "evolution-alpha0.5-seed0", "--fresh"),
        ("--engine", "dense"),
        ("--precision", "float64"),
        ("--max-params", "10"),
        ("--set", "search.limits.top1=101"),
    ],
)
def test_a_dry_run_refuses_what_the_search_does(
    aspk: Aspk, searched: Path, few_draws: None, words: tuple[str, ...]
) -> None:
    """With the same message. It writes nothing."""
    before = {path: path.read_bytes() for path in searched.rglob("*") if path.is_file()}
    dry = aspk("search", *words, "--dry-run", "--quiet")
    assert (dry.exit_code, dry.stdout) == (2, "")
    assert before == {path: path.read_bytes() for path in searched.rglob("*") if path.is_file()}
    assert aspk("search", *words, "--quiet").stderr == dry.stderr


FINISHED = (
    "search evolution-alpha0.5-seed0 (the last one, with the same keys) is finished: nothing is measured; to search "
    "anew: --fresh, or another seed, such as --set seed=1\n"
)


def test_a_finished_search_says_so_and_how_it_was_found(aspk: Aspk, searched: Path) -> None:
    """Once, on standard error. Where it would have been measured changes nothing."""
    done = aspk("search", "--executor", "processes", "--workers", "2")
    assert done.exit_code == 0
    assert done.stderr.count("is finished") == 1
    assert FINISHED in done.stderr
    assert aspk("search", "--alpha", "0.9", "--set", "search.generations=1").stderr.count("is finished") == 0
    assert (
        "search evolution-alpha0.5-seed0 (found by its keys) is finished: " in aspk("search", "--alpha", "0.5").stderr
    )
    named = aspk("search", "--name", "evolution-alpha0.5-seed0").stderr
    assert "search evolution-alpha0.5-seed0 (found by its name) is finished: nothing is measured; " in named


def test_a_dry_run_of_a_finished_search_says_so(aspk: Aspk, searched: Path) -> None:
    said = aspk("search", "--dry-run").stderr
    assert said == FINISHED
    assert "finished" not in aspk("search", "--dry-run", "--alpha", "0.9").stderr


def test_limits_before_and_behind_measuring_are_both_told(aspk: Aspk, trained: Path) -> None:
    smallest = aspk("search", "--dry-run", "--json").document["params_smallest"]
    done = aspk("search", "--max-params", str(2 * smallest), "--max-energy", "1e-12", "--quiet")
    assert (done.exit_code, done.stdout) == (2, "")
    state = load_population(trained).state
    share = 100 * state["refused"]["params"] / state["samples"]
    assert (
        "search.limits.energy excluded 100 % of 18 measured subnets; "
        f"before measuring, search.limits.params excluded {share:.1f} % of {state['samples']:,} samples\n"
    ) in done.stderr


def test_a_search_of_a_network_that_computes_no_numbers_says_so(aspk: Aspk, trained: Path) -> None:
    """Each weight is a number, and their sums are none."""
    checkpoint = load_checkpoint(trained)
    huge = np.full_like(checkpoint.weights["head.weight"], np.finfo(np.float32).max)
    save_checkpoint(trained, replace(checkpoint, weights={**checkpoint.weights, "head.weight": huge}))
    done = aspk("search", "--quiet", "--set", "search.generations=1")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: the supernet's weights: every one of 6 subnets computes values that are not finite\n"
        "  train it anew with smaller learning rates\n"
    )


def test_what_breaks_a_limit_is_never_the_best(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    best = searched_once[1]["candidates"][0]
    bound = min(c["energy_j"] for c in searched_once[1]["candidates"]) * 1.5
    document = aspk("report", "--set", f"search.limits.energy={bound}", "--json").document
    assert all(candidate["energy_j"] <= bound for candidate in document["candidates"])
    rejected = {each["id"] for each in document["rejected"]}
    assert rejected == {c["id"] for c in searched_once[1]["candidates"] if c["energy_j"] > bound}
    assert 0 < len(rejected) < 18
    bound = min(c["top1"] for c in searched_once[1]["candidates"] if c["top1"] > best["top1"] - 1e-9)
    found = aspk("report", "--set", f"search.limits.top1={bound}", "--json").document["candidates"]
    assert {c["id"] for c in found} == {c["id"] for c in searched_once[1]["candidates"] if c["top1"] >= bound}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--max-params", "9kB"),
         ('--max-params 9kB: search.limits.params: "9kB" is not a count\n'
          "  write a number, such as 50000, or one with k, M, G or T")),
        (("--set", 'search.limits.energy="1uW"'),
         ('--set search.limits.energy="1uW": search.limits.energy: "1uW" is not an energy\n'
          "  write joules, such as 1e-6, or a number with J, mJ, uJ, nJ, pJ or fJ")),
        (("--max-params=-1",),
         "--max-params -1: search.limits.params is \"-1\", it must be greater than 0"),
        (("--set", "search.limits.parms=3"),
         ("--set search.limits.parms=3: search.limits.parms: \"parms\" is not one of energy, firing_rate, "
          "min_block_rate, params, sops, time_step, top1\n  did you mean \"params\"?")),
        (("--set", "search.limits.top1=120"),
         "search.limits.top1: at least 120 % top-1 is more than there can be\n  write at most 100 %"),
        (("--set", 'search.objectives=["top1"]'),
         '--set search.objectives=["top1"]: search.objectives must be two or three different objectives, not ["top1"]'),
        (("--algorithm", "exhaustive"),
         ('search.algorithm = "exhaustive": the space has 40,400 subnets, the budget is 18 (search.population 6 x '
          "search.generations 3)\n  raise search.generations, narrow [space], or choose another algorithm")),
        (("--workers", "2"), "--workers: 2 workers do not fit in one process\n  add --executor processes"),
        (("--executor", "process"),
         "--executor process: 'process' is not one of the executors\n  did you mean processes?"),
    ],
)  # fmt: skip
def test_mistakes_move_nothing(aspk: Aspk, searched: Path, options: tuple[str, ...], message: str) -> None:
    done = aspk("search", "--quiet", "--set", "search.alpha=0.9", *options)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"error: {message}\n")
    assert search_names(searched) == ["evolution-alpha0.5-seed0"]


def test_nsga2_with_three_objectives(aspk: Aspk, trained: Path) -> None:
    options = ("--algorithm", "nsga2", "--set", 'search.objectives=["top1", "energy", "params"]')
    done = aspk("search", *options, "--json")
    assert done.exit_code == 0
    assert done.document["provenance"]["algorithm"] == "nsga2"
    assert len(done.document["candidates"]) == 18
    box = done.document["hypervolume"]
    baseline = done.document["baseline"]
    assert box["objectives"] == ["top1", "energy", "params"]
    assert box["reference"] == [0.0, 2 * baseline["energy_j"], 2 * baseline["params"]]
    assert box["ideal"] == [100.0, 0.0, 0.0]
    assert len(box["by_generation"]) == 3


def test_hypervolume_is_stored_and_shown(aspk: Aspk, searched: Path, searched_once: Once) -> None:
    """Against a count of 400 x 400 points of the box."""
    document = searched_once[1]
    box, history = document["hypervolume"], load_population(searched).hypervolume
    assert history is not None
    assert list(history.shares) == box["by_generation"]
    assert {key: history.measure[key] for key in ("objectives", "reference", "ideal")} == {
        key: box[key] for key in ("objectives", "reference", "ideal")
    }
    assert history.measure["energy"]["energy.convention"] == "sound"
    assert list(history.shares) == sorted(history.shares)
    points = [(c["top1"] / 100, 1 - c["energy_j"] / box["reference"][1]) for c in document["candidates"]]
    steps = [(place + 0.5) / 400 for place in range(400)]
    inside = sum(any(x < top1 and y < saved for top1, saved in points) for x in steps for y in steps)
    assert box["by_generation"][-1] == pytest.approx(inside / 160_000, abs=0.005)

    text = aspk("report").stdout
    first, _, last = (f"{share:.4f}" for share in history.shares)
    assert re.search(
        rf"\nHypervolume by generation: {first} \(1\), \d\.\d+ \(2\), {last} \(3\), *\n"
        r"share of the box from top-1 0 %, energy [\d.]+ [nµm]J \(twice the baseline's\) *\n"
        r"to top-1 100 %, energy 0 J *\n",
        text,
    )
    anew = aspk("report", "--convention", "every-step", "--json").document["hypervolume"]
    assert anew["reference"] != box["reference"]


def test_several_processes_find_the_same(aspk: Aspk, trained: Path, searched_once: Once) -> None:
    done = aspk("search", "--executor", "processes", "--workers", "2", "--json")
    assert done.exit_code == 0
    assert done.document == searched_once[1]
    assert load_population(trained) == load_population(searched_once[0])


def test_a_fresh_search_that_was_stopped_still_measures_all(
    aspk: Aspk, searched: Path, searched_once: Once, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autospikformer_cli.evaluation.evaluator import Evaluator

    assert aspk("search", "--fresh").exit_code == 0
    fresh = load_population(searched)
    assert fresh.state["fresh"] is True
    kept, state = fresh.candidates[:4], dict(fresh.state)
    first = [str(candidate.subnet) for candidate in fresh.candidates[:6]]
    began = recipe_from_toml(fresh.recipe_toml)
    state |= {"generation": 0, "asked": first, "finished": False, "random": _after_first_draws(began)}
    save_population(searched, replace(fresh, candidates=kept, state=state, hypervolume=None))

    seen: list[Any] = []
    measure_many = Evaluator.measure_many

    def noted(self: Evaluator, subnets: Any, *rest: Any) -> Any:
        for part in measure_many(self, subnets, *rest):
            seen.extend(part)
            yield part

    monkeypatch.setattr(Evaluator, "measure_many", noted)
    assert aspk("search").exit_code == 0
    assert seen
    assert len(seen) == 14
    assert load_population(searched).candidates == fresh.candidates


def _after_first_draws(recipe: Any) -> list[Any]:
    """The random state of a search that has asked for its first generation."""
    from autospikformer_cli.runs.results import recipe_problem
    from autospikformer_cli.search.algorithm import make_algorithm

    algorithm = make_algorithm(recipe.search, recipe_problem(recipe), recipe.seed)
    algorithm.ask()
    state: Any = algorithm.state()["random"]
    return list(state)
