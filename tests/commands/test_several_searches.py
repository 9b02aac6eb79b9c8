"""Several searches in one command: over one archive, resumed at any moment, and compared in the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autospikformer_cli.store.population import load_population
from autospikformer_cli.store.searches import search_names

Aspk = Callable[..., Any]
ALPHAS = ("--alpha", "0.2", "--alpha", "0.8")
NAMES = [f"evolution-alpha{alpha}-seed{seed}" for alpha in ("0.2", "0.8") for seed in (0, 1)]


def stored(run: Path) -> dict[str, object]:
    return {name: load_population(run, name) for name in search_names(run)}


def test_each_alpha_and_seed_is_a_search_and_the_end_is_their_comparison(aspk: Aspk, searched: Path) -> None:
    done = aspk("search", *ALPHAS, "--seeds", "2")
    assert done.exit_code == 0
    assert search_names(searched) == sorted([*NAMES, "evolution-alpha0.5-seed0"])
    assert "search 3 of 4: alpha 0.8, seed 0\n" in done.stderr
    assert "of 18 subnets had been measured before\n" in done.stderr, "one archive"
    assert done.stdout.startswith("4 searches of runs/tiny\n")
    ids: dict[str, object] = {}
    for name in NAMES:
        for candidate in load_population(searched, name).candidates:
            assert ids.setdefault(candidate.id, candidate.subnet) == candidate.subnet

    again = aspk("search", *ALPHAS, "--seeds", "2", "--json")
    assert "measuring" not in again.stderr
    assert [each["search"] for each in again.document["searches"]] == NAMES
    assert again.document == aspk("compare", *(f":{name}" for name in NAMES), "--json").document


def test_the_same_search_alone_finds_the_same(aspk: Aspk, trained: Path) -> None:
    shutil.copytree(trained, "runs/alone")
    assert aspk("search", "--run", "tiny", "--seeds", "2", "--set", "search.generations=2").exit_code == 0
    assert aspk("search", "--run", "alone", "--set", "seed=1", "--set", "search.generations=2").exit_code == 0
    (name,) = search_names(Path("runs/alone"))
    alone, among = load_population(Path("runs/alone"), name), load_population(trained, name)
    assert [each.subnet for each in alone.candidates] == [each.subnet for each in among.candidates]
    assert [each.measurement for each in alone.candidates] == [each.measurement for each in among.candidates]


def test_seeds_are_counted_from_the_recipes_on(aspk: Aspk, searched: Path) -> None:
    """Also if the present search has another algorithm, which the same command did not ask for."""
    few = ("--set", "search.generations=1", "--set", "seed=4")
    assert aspk("search", "--algorithm", "random", "--name", "other").exit_code == 0
    done = aspk("search", "--seeds", "2", *few, "--json")
    assert [each["search"] for each in done.document["searches"]] == [
        "evolution-alpha0.5-seed4-generations1", "evolution-alpha0.5-seed5-generations1"
    ]  # fmt: skip


@pytest.mark.parametrize(("at", "number"), [(NAMES[0], 1), (NAMES[1], 2), (NAMES[2], 1)])
def test_a_killed_command_is_taken_up_by_the_same(
    aspk: Aspk, trained: Path, background: Callable[..., Any], at: str, number: int
) -> None:
    shutil.copytree(trained, "runs/whole")
    words = ("search", *ALPHAS, "--seeds", "2", "--set", "search.generations=2")
    named = {name: f"{name}-generations2" for name in NAMES}
    background(*words, "--run", "tiny", at=f"{named[at]}.h5", number=number).kill()
    assert len(search_names(trained)) == NAMES.index(at) + 1
    assert aspk(*words, "--run", "tiny").exit_code == 0
    assert aspk(*words, "--run", "whole").exit_code == 0
    assert stored(trained) == stored(Path("runs/whole"))


def test_an_interrupted_command_says_how_to_go_on(trained: Path, background: Callable[..., Any]) -> None:
    words = ("search", "--seeds", "3", "--set", "search.generations=2")
    searching = background(*words, at="evolution-alpha0.5-seed1-generations2.h5")
    code, _, stderr = searching.interrupt()
    assert code == 130
    assert "the same command goes on with search 2 of 3\n" in stderr


def test_what_means_one_search_is_refused(aspk: Aspk, searched: Path) -> None:
    def refusal(*words: str) -> str:
        done = aspk("search", *words)
        assert (done.exit_code, done.stdout) == (2, "")
        return str(done.stderr)

    assert refusal(*ALPHAS, "--name", "mine") == (
        "error: --name: mine is the name of one search, here are several\n  leave it out\n"
    )
    assert refusal("--seeds", "2", "--fresh") == (
        "error: --fresh: several searches share what they measure, and --fresh measures everything anew\n"
        "  leave it out, or search anew one after the other\n"
    )
    assert refusal("--seeds", "2", "--recount").startswith("error: --recount: --recount is of one search\n")
    assert refusal("--alpha", "0.3", "--alpha", "0.30") == (
        "error: --alpha: alpha 0.3 is given twice\n  give each alpha once\n"
    )
    assert refusal(*ALPHAS, "--set", "search.alpha=0.1").startswith(
        "error: --alpha: search.alpha is given twice, by --alpha and by --set\n"
    )
    assert refusal("--alpha", "0.3", "--alpha", "1.5") == (
        "error: --alpha 1.5: search.alpha is 1.5, it must be at most 1\n"
    )
    assert len(search_names(searched)) == 1


def test_a_plan_says_how_many(aspk: Aspk, searched: Path) -> None:
    done = aspk("search", *ALPHAS, "--seeds", "3", "--dry-run", "--json")
    assert done.document["searches"] == 6
    assert "each of 6 searches by aspk search" in aspk("search", *ALPHAS, "--seeds", "3", "--dry-run").stdout
    assert aspk("search", "--dry-run", "--json").document["searches"] == 1
